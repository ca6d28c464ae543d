//! Reads: accounts, balances, the chain's clock. Each is repeated after transient errors, a bounded number of times.

use gridlease_core::{Now, UnixTs};
use serde_json::json;
use solana_account::Account;
use solana_account_decoder_client_types::{UiAccount, UiAccountEncoding};
use solana_commitment_config::CommitmentConfig;
use solana_program_pack::Pack as _;
use solana_pubkey::Pubkey;
use solana_rpc_client_api::{
    config::RpcAccountInfoConfig,
    custom_error::JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED,
    request::RpcRequest,
    response::{OptionalContext, Response, RpcKeyedAccount},
};
use spl_token_interface::state::Account as TokenAccount;

use super::{Client, ProgramQuery, RpcError};

/// Most accounts that a Solana RPC returns for one list of keys.
const BATCH: usize = 100;
/// Most keys that one call may ask for.
const MAX_KEYS: usize = 100_000;
/// The Clock sysvar.
const CLOCK: Pubkey = solana_sdk_ids::sysvar::clock::ID;
/// Bytes of the Clock sysvar: slot, epoch start, epoch, leader schedule epoch, time.
const CLOCK_LEN: usize = 40;

/// Something read, and the slot at which the server knew it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtSlot<T> {
    /// The server's slot, where it said so.
    pub slot: Option<u64>,
    /// What was read.
    pub value: T,
}

impl Client {
    /// The account at `key`; `None` if there is none.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer.
    pub async fn account(&self, key: &Pubkey) -> Result<Option<Account>, RpcError> {
        Ok(self.account_at(key).await?.value)
    }

    /// The account at `key` and the slot of the answer.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer.
    pub async fn account_at(&self, key: &Pubkey) -> Result<AtSlot<Option<Account>>, RpcError> {
        const DOING: &str = "getting an account";
        let answer: Response<Option<UiAccount>> = self
            .read(DOING, self.config.request_timeout, || {
                self.rpc
                    .send(RpcRequest::GetAccountInfo, json!([key.to_string(), account_config(self.config.commitment)]))
            })
            .await?;
        let value = answer.value.map(|account| self.decode(DOING, &account)).transpose()?;
        Ok(AtSlot { slot: Some(answer.context.slot), value })
    }

    /// The accounts at `keys`, in the same order, `None` where there is none. They are asked for 100 at a time, so
    /// more than 100 are not read at one moment.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer, or more than 100,000 keys are given.
    pub async fn accounts(&self, keys: &[Pubkey]) -> Result<Vec<Option<Account>>, RpcError> {
        Ok(self.accounts_at(keys, None).await?.value)
    }

    /// As [`Client::accounts`], with the slot of the answer: of several answers, the oldest. A server that does not know
    /// the slot `min_slot` yet refuses, so the answer is at least as new as that.
    ///
    /// # Errors
    /// As [`Client::accounts`], and [`RpcError::is_behind`] where the server has not come as far as `min_slot`.
    pub async fn accounts_at(
        &self,
        keys: &[Pubkey],
        min_slot: Option<u64>,
    ) -> Result<AtSlot<Vec<Option<Account>>>, RpcError> {
        const DOING: &str = "getting accounts";
        if keys.len() > MAX_KEYS {
            return Err(RpcError::Invalid {
                doing: DOING,
                reason: format!("{} keys, at most {MAX_KEYS} are allowed", keys.len()),
            });
        }
        let config = RpcAccountInfoConfig { min_context_slot: min_slot, ..account_config(self.config.commitment) };
        let mut found = Vec::with_capacity(keys.len());
        let mut slot: Option<u64> = None;
        for batch in keys.chunks(BATCH) {
            let texts: Vec<String> = batch.iter().map(Pubkey::to_string).collect();
            let answer: Response<Vec<Option<UiAccount>>> = self
                .read(DOING, self.config.request_timeout, || {
                    self.rpc.send(RpcRequest::GetMultipleAccounts, json!([texts, config]))
                })
                .await?;
            // A server that ignores what it was asked for proves nothing.
            if min_slot.is_some_and(|least| answer.context.slot < least) {
                return Err(RpcError::Refused {
                    url: self.url.shown_rpc(),
                    doing: DOING,
                    code: JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED,
                    message: format!("its answer is of slot {}, which is too old", answer.context.slot),
                });
            }
            slot = Some(slot.map_or(answer.context.slot, |slot| slot.min(answer.context.slot)));
            if answer.value.len() != batch.len() {
                return Err(self.malformed(DOING, format!("{} accounts for {} keys", answer.value.len(), batch.len())));
            }
            for account in answer.value {
                found.push(account.map(|account| self.decode(DOING, &account)).transpose()?);
            }
        }
        Ok(AtSlot { slot, value: found })
    }

    /// The accounts of a program that `query` chooses, in no order.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer or the query is out of bounds.
    pub async fn program_accounts(&self, query: &ProgramQuery) -> Result<Vec<(Pubkey, Account)>, RpcError> {
        Ok(self.program_accounts_at(query).await?.value)
    }

    /// The accounts of a program that `query` chooses, and the slot of the answer.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer or the query is out of bounds.
    pub async fn program_accounts_at(&self, query: &ProgramQuery) -> Result<AtSlot<Vec<(Pubkey, Account)>>, RpcError> {
        const DOING: &str = "getting the accounts of a program";
        let config = query.config(DOING, self.config.commitment)?;
        let answer: OptionalContext<Vec<RpcKeyedAccount>> = self
            .read(DOING, self.config.scan_timeout, || {
                self.rpc.send(RpcRequest::GetProgramAccounts, json!([query.program.to_string(), config]))
            })
            .await?;
        let (slot, accounts) = match answer {
            OptionalContext::Context(answer) => (Some(answer.context.slot), answer.value),
            OptionalContext::NoContext(accounts) => (None, accounts),
        };
        let mut value = Vec::with_capacity(accounts.len());
        for keyed in accounts {
            let key = keyed.pubkey.parse().map_err(|_| self.malformed(DOING, "a key that is none".to_owned()))?;
            let mut account = self.decode(DOING, &keyed.account)?;
            query.cut(&mut account.data);
            value.push((key, account));
        }
        Ok(AtSlot { slot, value })
    }

    /// Atoms in the token account at `key`; `None` if there is no account.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer, [`RpcError::Invalid`] if it is no account of SPL Token.
    pub async fn token_balance(&self, key: &Pubkey) -> Result<Option<u64>, RpcError> {
        const DOING: &str = "getting a token balance";
        let Some(account) = self.account(key).await? else {
            return Ok(None);
        };
        let invalid = |reason: String| RpcError::Invalid { doing: DOING, reason };
        if account.owner != spl_token_interface::ID {
            return Err(invalid(format!("{key} belongs to {}, not to SPL Token", account.owner)));
        }
        TokenAccount::unpack(&account.data)
            .map(|token| Some(token.amount))
            .map_err(|_| invalid(format!("{key} is no token account")))
    }

    /// Lamports of the account at `key`; 0 if there is none.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer.
    pub async fn lamports(&self, key: &Pubkey) -> Result<u64, RpcError> {
        self.read("getting a balance", self.config.request_timeout, || async {
            self.rpc.get_balance_with_commitment(key, self.config.commitment).await.map(|answer| answer.value)
        })
        .await
    }

    /// The network's slot.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer.
    pub async fn slot(&self) -> Result<u64, RpcError> {
        self.read("getting the slot", self.config.request_timeout, || {
            self.rpc.get_slot_with_commitment(self.config.commitment)
        })
        .await
    }

    /// The hash of the network's first block in base58, which tells one network from another.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer.
    pub async fn genesis_hash(&self) -> Result<String, RpcError> {
        let hash = self.read("getting the genesis hash", self.config.request_timeout, || self.rpc.get_genesis_hash());
        Ok(hash.await?.to_string())
    }

    /// Slot and time as programs read them (the Clock sysvar).
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer, or one without a clock.
    pub async fn now(&self) -> Result<Now, RpcError> {
        const DOING: &str = "getting the chain's clock";
        let account = self.account(&CLOCK).await?;
        self.clock(DOING, account)
    }

    /// The account at `key` and the chain's clock, of one slot, in one request. `min_slot` as for [`Client::accounts_at`].
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer, one without a clock, or is behind `min_slot`.
    pub async fn account_and_now(
        &self,
        key: &Pubkey,
        min_slot: Option<u64>,
    ) -> Result<(AtSlot<Option<Account>>, Now), RpcError> {
        let (AtSlot { slot, value }, now) = self.accounts_and_now(&[*key], min_slot).await?;
        Ok((AtSlot { slot, value: value.into_iter().next().flatten() }, now))
    }

    /// The accounts at `keys` in the same order, and the chain's clock, in one request where there are fewer than 100.
    /// `min_slot` as for [`Client::accounts_at`].
    ///
    /// # Errors
    /// As [`Client::accounts`], and where the answer has no clock.
    pub async fn accounts_and_now(
        &self,
        keys: &[Pubkey],
        min_slot: Option<u64>,
    ) -> Result<(AtSlot<Vec<Option<Account>>>, Now), RpcError> {
        const DOING: &str = "getting accounts and the chain's clock";
        let all: Vec<Pubkey> = keys.iter().copied().chain([CLOCK]).collect();
        let AtSlot { slot, mut value } = self.accounts_at(&all, min_slot).await?;
        let clock = value.pop().flatten();
        Ok((AtSlot { slot, value }, self.clock(DOING, clock)?))
    }

    fn clock(&self, doing: &'static str, account: Option<Account>) -> Result<Now, RpcError> {
        let account = account.ok_or_else(|| self.malformed(doing, "it has none".to_owned()))?;
        parse_clock(&account.data).ok_or_else(|| {
            self.malformed(doing, format!("{} bytes that are no clock of {CLOCK_LEN}", account.data.len()))
        })
    }

    /// The smallest balance, in lamports, of an account with `bytes` of data.
    ///
    /// # Errors
    /// [`RpcError`] if the network gave no answer.
    pub async fn rent_exempt_lamports(&self, bytes: usize) -> Result<u64, RpcError> {
        self.read("getting the rent", self.config.request_timeout, || {
            self.rpc.get_minimum_balance_for_rent_exemption(bytes)
        })
        .await
    }

    pub(super) fn decode(&self, doing: &'static str, account: &UiAccount) -> Result<Account, RpcError> {
        account.to_account().ok_or_else(|| self.malformed(doing, "an account that cannot be decoded".to_owned()))
    }

    pub(super) fn malformed(&self, doing: &'static str, reason: String) -> RpcError {
        RpcError::Malformed { url: self.url.shown_rpc(), doing, reason }
    }
}

pub(super) fn account_config(commitment: CommitmentConfig) -> RpcAccountInfoConfig {
    RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::Base64),
        data_slice: None,
        commitment: Some(commitment),
        min_context_slot: None,
    }
}

fn parse_clock(data: &[u8]) -> Option<Now> {
    let number = |at: usize| -> Option<[u8; 8]> { data.get(at..at + 8)?.try_into().ok() };
    if data.len() < CLOCK_LEN {
        return None;
    }
    Some(Now {
        slot: u64::from_le_bytes(number(0)?),
        // Signed on chain, but a time before 1970 is no clock.
        ts: UnixTs(u64::try_from(i64::from_le_bytes(number(32)?)).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_read_from_its_40_bytes_and_from_no_fewer() {
        let mut data = vec![0; CLOCK_LEN];
        data[..8].copy_from_slice(&7u64.to_le_bytes());
        data[32..].copy_from_slice(&1_700_000_000i64.to_le_bytes());
        let now = parse_clock(&data).unwrap();
        assert_eq!((now.slot, now.ts), (7, UnixTs(1_700_000_000)));
        assert_eq!(parse_clock(&data[..39]), None);
        data[32..].copy_from_slice(&(-1i64).to_le_bytes());
        assert_eq!(parse_clock(&data), None);
    }
}
