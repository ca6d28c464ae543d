//! Before anything leaves: compile, simulate, set the limits, sign.

use std::{
    collections::HashSet,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use solana_commitment_config::CommitmentConfig;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_message::{VersionedMessage, v0};
use solana_pubkey::Pubkey;
use solana_rpc_client_api::config::RpcSimulateTransactionConfig;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;

use super::{AnySigner, MAX_COMPUTE_UNITS, MAX_TRANSACTION_BYTES, ProgramFailure, SendError, SendOptions, bounded};
use crate::rpc::Client;

/// Room above the simulated compute units: the state may differ a little when the transaction runs.
const MARGIN_PERCENT: u64 = 15;
const MARGIN_UNITS: u64 = 2_000;
/// No limit is lower: a crank that is stale on the present state costs little in the simulation, and all of its price where
/// the state has moved on by the time it runs (two keepers that enter rival offers by turns, for one).
const LEAST_UNITS: u64 = 20_000;
/// By how much the limit of equal transactions differs, in units. See the module's documentation.
const DISTINCT: u32 = 1_000;
/// Which of the recent priority fees is paid, in percent from below.
const FEE_PERCENTILE: usize = 75;
/// Most accounts that a Solana RPC looks at for recent fees.
const MAX_FEE_ACCOUNTS: usize = 128;
/// First data byte of `SetComputeUnitLimit` and `SetComputeUnitPrice`.
const OWN_BUDGET_TAGS: [u8; 2] = [2, 3];

static SEQUENCE: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(rand::random()));

/// A signed transaction with its limits, ready to be delivered.
#[derive(Clone, Debug)]
pub struct Prepared {
    transaction: VersionedTransaction,
    last_valid_block_height: u64,
    units: u32,
    price: u64,
    /// Compute budget instructions in front of the caller's.
    added: usize,
    logs: Vec<String>,
}

impl Prepared {
    /// The signature by which the transaction is known.
    pub fn signature(&self) -> Signature {
        self.transaction.signatures.first().copied().unwrap_or_default()
    }

    /// The transaction itself.
    pub fn transaction(&self) -> &VersionedTransaction {
        &self.transaction
    }

    /// The last block height at which it can land.
    pub fn last_valid_block_height(&self) -> u64 {
        self.last_valid_block_height
    }

    /// Its limit of compute units.
    pub fn compute_unit_limit(&self) -> u32 {
        self.units
    }

    /// Its priority fee, in micro-lamports per compute unit.
    pub fn compute_unit_price(&self) -> u64 {
        self.price
    }

    /// What the programs logged in the simulation, at most 512 lines.
    pub fn simulated_logs(&self) -> &[String] {
        &self.logs
    }

    pub(super) fn added(&self) -> usize {
        self.added
    }

    pub(super) fn payer(&self) -> Pubkey {
        let keys = self.transaction.message.static_account_keys();
        keys.first().copied().unwrap_or_default()
    }

    pub(super) fn program_of(&self, instruction: usize) -> Option<Pubkey> {
        let message = &self.transaction.message;
        let index = message.instructions().get(instruction)?.program_id_index;
        message.static_account_keys().get(usize::from(index)).copied()
    }
}

impl Client {
    /// Simulates `instructions`, sets compute limit and priority fee, and signs with a fresh blockhash. Nothing is
    /// sent; [`Client::deliver`] does that. See [`Client::send`] for the arguments.
    ///
    /// # Errors
    /// [`SendError::Failed`] if the simulation fails, else what kept the transaction from being made.
    pub async fn prepare(
        &self,
        instructions: &[Instruction],
        payer: &AnySigner,
        signers: &[&AnySigner],
        options: &SendOptions,
    ) -> Result<Prepared, SendError> {
        check_instructions(instructions)?;
        let payer_key = payer
            .try_pubkey()
            .map_err(|error| SendError::Sign { key: Pubkey::default(), reason: error.to_string() })?;
        // The price only matters to the size here.
        let trial = Prepared {
            transaction: unsigned(&payer_key, instructions, MAX_COMPUTE_UNITS, 1)?,
            last_valid_block_height: 0,
            units: MAX_COMPUTE_UNITS,
            price: 1,
            added: 2,
            logs: Vec::new(),
        };
        check_size(&trial.transaction)?;
        let keys = signing_keys(&trial.transaction.message, payer, &payer_key, signers)?;
        let (used, fees) =
            tokio::join!(self.simulate(&trial, options), self.recent_fees(&trial.transaction.message, options));
        let (used, logs) = used?;
        let units = unit_limit(used, SEQUENCE.fetch_add(1, Ordering::Relaxed));
        let price = capped_price(percentile(fees), units, options.max_priority_fee);
        // Asked for last, so that it lives as long as possible. Confirmed: an older one lives shorter, a younger one
        // may be of a fork that is given up.
        let (blockhash, last_valid_block_height) = self
            .read("getting a fresh blockhash", self.config.request_timeout, || {
                self.rpc.get_latest_blockhash_with_commitment(CommitmentConfig::confirmed())
            })
            .await?;
        let mut transaction = unsigned(&payer_key, instructions, units, price)?;
        transaction.message.set_recent_blockhash(blockhash);
        sign(&mut transaction, &keys)?;
        let added = if price == 0 { 1 } else { 2 };
        Ok(Prepared { transaction, last_valid_block_height, units, price, added, logs })
    }

    /// Compute units that the transaction uses on the present state, and what is logged.
    async fn simulate(&self, trial: &Prepared, options: &SendOptions) -> Result<(u64, Vec<String>), SendError> {
        const DOING: &str = "simulating a transaction";
        let config = RpcSimulateTransactionConfig {
            sig_verify: false,
            replace_recent_blockhash: true,
            commitment: Some(self.config.commitment),
            ..RpcSimulateTransactionConfig::default()
        };
        let result = self
            .read(DOING, self.config.request_timeout, || {
                self.rpc.simulate_transaction_with_config(&trial.transaction, config.clone())
            })
            .await?
            .value;
        if let Some(error) = result.err {
            return Err(SendError::Failed(Box::new(ProgramFailure::new(
                error.into(),
                result.logs.unwrap_or_default(),
                trial,
                false,
                options.error_namer,
            ))));
        }
        let used = result.units_consumed;
        let used = used.ok_or_else(|| SendError::Rpc(self.malformed(DOING, "no compute units in it".to_owned())))?;
        Ok((used, bounded(result.logs.unwrap_or_default())))
    }

    /// What others paid lately for the accounts that this transaction writes, in micro-lamports per unit. Unknown
    /// counts as nothing: a fee market that does not answer is no reason not to send.
    async fn recent_fees(&self, message: &VersionedMessage, options: &SendOptions) -> Vec<u64> {
        if options.max_priority_fee == 0 {
            return Vec::new();
        }
        let writable: Vec<Pubkey> = message
            .static_account_keys()
            .iter()
            .enumerate()
            .filter(|(index, _)| message.is_maybe_writable_with_reserved_addresses(*index, None::<&HashSet<Pubkey>>))
            .map(|(_, key)| *key)
            .take(MAX_FEE_ACCOUNTS)
            .collect();
        let answer = self
            .once(
                "getting recent priority fees",
                self.config.request_timeout,
                self.rpc.get_recent_prioritization_fees(&writable),
            )
            .await;
        match answer {
            Ok(fees) => fees.iter().map(|fee| fee.prioritization_fee).collect(),
            Err(error) => {
                tracing::debug!(%error, "no recent priority fees; none is offered");
                Vec::new()
            }
        }
    }
}

fn check_instructions(instructions: &[Instruction]) -> Result<(), SendError> {
    let invalid = |reason: &str| Err(SendError::Invalid { reason: reason.to_owned() });
    if instructions.is_empty() {
        return invalid("there is no instruction");
    }
    let sets_budget = |instruction: &Instruction| {
        instruction.program_id == solana_sdk_ids::compute_budget::ID
            && instruction.data.first().is_some_and(|tag| OWN_BUDGET_TAGS.contains(tag))
    };
    if instructions.iter().any(sets_budget) {
        return invalid("compute unit limit and price are set by the sender, leave them out");
    }
    Ok(())
}

/// The transaction with room for its signatures and no blockhash yet.
pub(super) fn unsigned(
    payer: &Pubkey,
    instructions: &[Instruction],
    units: u32,
    price: u64,
) -> Result<VersionedTransaction, SendError> {
    let mut all = vec![ComputeBudgetInstruction::set_compute_unit_limit(units)];
    if price > 0 {
        all.push(ComputeBudgetInstruction::set_compute_unit_price(price));
    }
    all.extend_from_slice(instructions);
    let message = v0::Message::try_compile(payer, &all, &[], Hash::default())
        .map_err(|error| SendError::Invalid { reason: error.to_string() })?;
    let signatures = vec![Signature::default(); usize::from(message.header.num_required_signatures)];
    Ok(VersionedTransaction { signatures, message: VersionedMessage::V0(message) })
}

/// Bytes of the transaction on the wire.
pub(super) fn size(transaction: &VersionedTransaction) -> usize {
    let count = transaction.signatures.len();
    // The count of signatures takes a second byte from 128 on.
    let prefix = if count < 128 { 1 } else { 2 };
    prefix + count * size_of::<Signature>() + transaction.message.serialize().len()
}

fn check_size(transaction: &VersionedTransaction) -> Result<(), SendError> {
    let bytes = size(transaction);
    if bytes > MAX_TRANSACTION_BYTES {
        return Err(SendError::TooLarge { bytes });
    }
    Ok(())
}

/// The signers in the order that the message wants them; those that it does not want are left out.
pub(super) fn signing_keys<'a>(
    message: &VersionedMessage,
    payer: &'a AnySigner,
    payer_key: &Pubkey,
    signers: &[&'a AnySigner],
) -> Result<Vec<(Pubkey, &'a AnySigner)>, SendError> {
    let needed = usize::from(message.header().num_required_signatures);
    message
        .static_account_keys()
        .iter()
        .take(needed)
        .map(|key| {
            let signer = if key == payer_key {
                Some(payer)
            } else {
                signers.iter().copied().find(|signer| signer.try_pubkey().is_ok_and(|own| own == *key))
            };
            signer.map(|signer| (*key, signer)).ok_or_else(|| SendError::Sign {
                key: *key,
                reason: "an instruction needs its signature, but its keypair was not given".to_owned(),
            })
        })
        .collect()
}

pub(super) fn sign(transaction: &mut VersionedTransaction, keys: &[(Pubkey, &AnySigner)]) -> Result<(), SendError> {
    let bytes = transaction.message.serialize();
    transaction.signatures = keys
        .iter()
        .map(|(key, signer)| {
            signer.try_sign_message(&bytes).map_err(|error| SendError::Sign { key: *key, reason: error.to_string() })
        })
        .collect::<Result<_, _>>()?;
    Ok(())
}

/// The compute limit for `used` units, distinct for a thousand values of `sequence` in a row.
fn unit_limit(used: u64, sequence: u32) -> u32 {
    let with_margin = used.saturating_add(used.saturating_mul(MARGIN_PERCENT) / 100).saturating_add(MARGIN_UNITS);
    let base = u32::try_from(with_margin.max(LEAST_UNITS)).unwrap_or(u32::MAX);
    let step = sequence % DISTINCT;
    if base > MAX_COMPUTE_UNITS - DISTINCT { MAX_COMPUTE_UNITS - step } else { base + step }
}

/// The fee that three quarters of the others stay below; 0 if nobody paid.
fn percentile(mut fees: Vec<u64>) -> u64 {
    fees.sort_unstable();
    let rank = (fees.len() * FEE_PERCENTILE).div_ceil(100);
    rank.checked_sub(1).and_then(|index| fees.get(index)).copied().unwrap_or(0)
}

/// `price`, lowered so that `units` cost at most `most` lamports.
fn capped_price(price: u64, units: u32, most: u64) -> u64 {
    let most = u128::from(most) * 1_000_000 / u128::from(units.max(1));
    price.min(u64::try_from(most).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_instruction::AccountMeta;
    use solana_keypair::Keypair;
    use solana_signer::Signer as _;

    #[test]
    fn the_limit_has_room_is_bounded_and_differs_between_equal_transactions() {
        assert_eq!(unit_limit(20_000, 0), 25_000);
        assert_eq!(unit_limit(0, 0), 20_000);
        assert_eq!(unit_limit(u64::MAX, 0), MAX_COMPUTE_UNITS);
        for used in [0, 150, 1_216_000, 1_400_000] {
            let limits: HashSet<u32> = (0..DISTINCT).map(|step| unit_limit(used, step)).collect();
            assert_eq!(limits.len(), DISTINCT as usize, "{used}");
            assert!(limits.iter().all(|limit| *limit <= MAX_COMPUTE_UNITS));
        }
    }

    #[test]
    fn the_price_is_the_75th_percentile_and_never_costs_more_than_allowed() {
        assert_eq!(percentile(vec![]), 0);
        assert_eq!(percentile(vec![5]), 5);
        assert_eq!(percentile(vec![40, 10, 30, 20]), 30);
        assert_eq!(capped_price(30, 200_000, 100_000), 30);
        // 1,000 lamports for 200,000 units are 5,000 micro-lamports a unit.
        assert_eq!(capped_price(1_000_000, 200_000, 1_000), 5_000);
        assert_eq!(capped_price(7, 1, u64::MAX), 7);
        assert_eq!(capped_price(7, 0, 0), 0);
    }

    fn instruction(accounts: usize, data: usize) -> Instruction {
        let metas = (0..accounts).map(|_| AccountMeta::new(Pubkey::new_unique(), false)).collect();
        Instruction::new_with_bytes(Pubkey::new_unique(), &vec![0; data], metas)
    }

    #[test]
    fn a_transaction_that_does_not_fit_is_refused_with_its_size() {
        let payer = Pubkey::new_unique();
        let fits = |data| check_size(&unsigned(&payer, &[instruction(2, data)], 1, 1).unwrap());
        let largest = (0..1_232).rev().find(|data| fits(*data).is_ok()).unwrap();
        let error = fits(largest + 1).unwrap_err().to_string();
        assert!(error.contains("1233 bytes, at most 1232"), "{error}");
    }

    #[test]
    fn too_many_accounts_are_refused_and_do_not_panic() {
        let error = unsigned(&Pubkey::new_unique(), &[instruction(300, 0)], 1, 1).unwrap_err();
        assert!(matches!(error, SendError::Invalid { .. }), "{error}");
    }

    #[test]
    fn nothing_and_a_second_compute_budget_are_refused() {
        assert!(check_instructions(&[]).is_err());
        let own = ComputeBudgetInstruction::set_compute_unit_price(1);
        let error = check_instructions(&[own]).unwrap_err().to_string();
        assert!(error.contains("set by the sender"), "{error}");
        check_instructions(&[ComputeBudgetInstruction::request_heap_frame(65_536)]).unwrap();
    }

    #[test]
    fn a_missing_signer_is_named_and_a_needless_one_ignored() {
        let (payer, other, needless) = (Keypair::new(), Keypair::new(), Keypair::new());
        let mut needs = instruction(0, 0);
        needs.accounts = vec![AccountMeta::new_readonly(other.pubkey(), true)];
        let transaction = unsigned(&payer.pubkey(), &[needs], 1, 0).unwrap();
        let keys = |signers: &[&AnySigner]| {
            signing_keys(&transaction.message, &payer, &payer.pubkey(), signers).map(|keys| keys.len())
        };
        let error = keys(&[&needless]).unwrap_err().to_string();
        assert!(error.contains(&other.pubkey().to_string()), "{error}");
        assert_eq!(keys(&[&needless, &other]).unwrap(), 2);
    }
}
