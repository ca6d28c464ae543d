//! Which accounts of a program, and how much of each.

use solana_account::Account;
use solana_account_decoder_client_types::{UiAccountEncoding, UiDataSliceConfig};
use solana_commitment_config::CommitmentConfig;
use solana_pubkey::Pubkey;
use solana_rpc_client_api::{
    config::{RpcAccountInfoConfig, RpcProgramAccountsConfig},
    filter::{Memcmp, RpcFilterType},
};

use super::RpcError;

/// Most filters that a Solana RPC accepts.
const MAX_FILTERS: usize = 4;
/// Most bytes that a Solana RPC compares in one filter.
const MAX_COMPARED: usize = 128;

/// A choice among the accounts of one program, for [`Client::program_accounts`](super::Client::program_accounts)
/// and [`Client::watch_program`](super::Client::watch_program).
///
/// ```
/// use gridlease_sdk::rpc::ProgramQuery;
/// # use solana_pubkey::Pubkey;
/// # let market = Pubkey::default();
/// // The 24-byte headers of all accounts with a given discriminator.
/// let query = ProgramQuery::new(market).bytes_at(0, &[1, 2, 3, 4, 5, 6, 7, 8]).slice(0, 24);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramQuery {
    pub(super) program: Pubkey,
    data_size: Option<u64>,
    compared: Vec<(usize, Vec<u8>)>,
    pub(super) slice: Option<(usize, usize)>,
    min_slot: Option<u64>,
}

impl ProgramQuery {
    /// Every account that `program` owns.
    pub fn new(program: Pubkey) -> Self {
        Self { program, data_size: None, compared: Vec::new(), slice: None, min_slot: None }
    }

    /// Only accounts whose data is `bytes` long.
    #[must_use]
    pub fn data_size(mut self, bytes: u64) -> Self {
        self.data_size = Some(bytes);
        self
    }

    /// Only accounts that have `bytes` (1 to 128) at `offset` of their data.
    #[must_use]
    pub fn bytes_at(mut self, offset: usize, bytes: &[u8]) -> Self {
        self.compared.push((offset, bytes.to_vec()));
        self
    }

    /// Reads `length` bytes of each account's data from `offset` on, instead of all.
    #[must_use]
    pub fn slice(mut self, offset: usize, length: usize) -> Self {
        self.slice = Some((offset, length));
        self
    }

    /// Only an answer that is as new as `slot`; a server that does not know that slot yet refuses.
    #[must_use]
    pub fn min_slot(mut self, slot: u64) -> Self {
        self.min_slot = Some(slot);
        self
    }

    /// Is `account`, whole, one of those that it chooses?
    pub fn covers(&self, account: &Account) -> bool {
        let has = |(offset, bytes): &(usize, Vec<u8>)| {
            account.data.get(*offset..).is_some_and(|data| data.starts_with(bytes))
        };
        account.owner == self.program
            && self.data_size.is_none_or(|size| account.data.len() as u64 == size)
            && self.compared.iter().all(has)
    }

    /// The request's configuration.
    pub(super) fn config(
        &self,
        doing: &'static str,
        commitment: CommitmentConfig,
    ) -> Result<RpcProgramAccountsConfig, RpcError> {
        let invalid = |reason: String| Err(RpcError::Invalid { doing, reason });
        let mut filters = Vec::new();
        if let Some(bytes) = self.data_size {
            filters.push(RpcFilterType::DataSize(bytes));
        }
        for (offset, bytes) in &self.compared {
            if bytes.is_empty() || bytes.len() > MAX_COMPARED {
                return invalid(format!("a filter compares {} bytes, 1 to {MAX_COMPARED} are allowed", bytes.len()));
            }
            filters.push(RpcFilterType::Memcmp(Memcmp::new_base58_encoded(*offset, bytes)));
        }
        if filters.len() > MAX_FILTERS {
            return invalid(format!("{} filters, at most {MAX_FILTERS} are allowed", filters.len()));
        }
        Ok(RpcProgramAccountsConfig {
            filters: (!filters.is_empty()).then_some(filters),
            account_config: RpcAccountInfoConfig {
                encoding: Some(UiAccountEncoding::Base64),
                data_slice: self.slice.map(|(offset, length)| UiDataSliceConfig { offset, length }),
                commitment: Some(commitment),
                min_context_slot: self.min_slot,
            },
            with_context: Some(true),
            sort_results: None,
        })
    }

    /// Is `account`, read as a whole, one that the query chooses?
    pub(super) fn chooses(&self, account: &Account) -> bool {
        let size = u64::try_from(account.data.len()).unwrap_or(u64::MAX);
        account.owner == self.program
            && self.data_size.is_none_or(|wanted| wanted == size)
            && self
                .compared
                .iter()
                .all(|(at, bytes)| account.data.get(*at..).is_some_and(|data| data.starts_with(bytes)))
    }

    /// Cuts the data of a notification, where a server sent all of it although a slice was asked for.
    pub(super) fn cut(&self, data: &mut Vec<u8>) {
        let Some((offset, length)) = self.slice else {
            return;
        };
        if data.len() > length {
            data.truncate(offset.saturating_add(length));
            data.drain(..offset.min(data.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(query: &ProgramQuery) -> String {
        query.config("a test", CommitmentConfig::confirmed()).unwrap_err().to_string()
    }

    #[test]
    fn filters_that_a_server_would_refuse_are_refused_before_they_are_sent() {
        let query = ProgramQuery::new(Pubkey::default());
        assert!(reason(&query.clone().bytes_at(0, &[])).contains("0 bytes"));
        assert!(reason(&query.clone().bytes_at(0, &[1; 129])).contains("129 bytes"));
        let many = (0..5).fold(query, |query, at| query.bytes_at(at, &[1]));
        assert!(reason(&many).contains("5 filters"));
    }

    #[test]
    fn an_account_that_no_longer_matches_is_told_apart_from_one_that_does() {
        let program = Pubkey::new_from_array([7; 32]);
        let query = ProgramQuery::new(program).data_size(4).bytes_at(1, &[2, 3]);
        let account = |owner, data: &[u8]| Account { owner, data: data.to_vec(), ..Account::default() };
        assert!(query.chooses(&account(program, &[9, 2, 3, 9])));
        for (owner, data) in [
            (Pubkey::default(), [9, 2, 3, 9].as_slice()),
            (program, &[9, 2, 4, 9]),
            (program, &[9, 2, 3]),
            (program, &[]),
        ] {
            assert!(!query.chooses(&account(owner, data)), "{owner} {data:?}");
        }
    }

    #[test]
    fn a_slice_is_cut_from_whole_data_and_left_alone_when_it_was_cut_already() {
        let query = ProgramQuery::new(Pubkey::default()).slice(1, 2);
        for (given, kept) in
            [(vec![0, 1, 2, 3], vec![1, 2]), (vec![1, 2], vec![1, 2]), (vec![], vec![]), (vec![0, 1, 2], vec![1, 2])]
        {
            let mut data = given;
            query.cut(&mut data);
            assert_eq!(data, kept);
        }
        let mut data = vec![1, 2, 3];
        ProgramQuery::new(Pubkey::default()).slice(9, 1).cut(&mut data);
        assert!(data.is_empty());
    }
}
