//! What became of an attempt, told apart by what is to be done next.

use gridlease_core::RuleError;
use gridlease_sdk::error::{MarketError, Refusal};
use gridlease_sdk::rpc::{ProgramFailure, SendError};
use solana_signature::Signature;
use solana_transaction_error::TransactionError;

/// What became of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the chain and did what it was to do.
    Landed {
        /// The transaction.
        signature: Signature,
        /// Its slot.
        slot: u64,
        /// Its fee in lamports, priority included.
        fee: u64,
    },
    /// It is in the chain, was paid for, and changed nothing: somebody was faster while it was on its way.
    NoEffect {
        /// The transaction.
        signature: Signature,
        /// Its slot.
        slot: u64,
        /// Its fee in lamports, priority included.
        fee: u64,
    },
    /// Somebody was faster, or its time has not quite come: the state was not the one that it was planned for, and it was
    /// refused or would change nothing. Not an error. Nothing is sent in nearly all cases.
    LostRace {
        /// What the market said.
        reason: String,
    },
    /// Refused for a reason that time alone need not cure: a frozen payout account, say.
    Refused {
        /// What was said, and by whom.
        reason: String,
    },
    /// It does not fit one transaction. Nothing was sent.
    TooLarge {
        /// Its size.
        reason: String,
    },
    /// It did not land and never will.
    Expired {
        /// The transaction.
        signature: Signature,
    },
    /// It may have landed.
    Unknown {
        /// The transaction.
        signature: Signature,
        /// Why nobody knows.
        reason: String,
    },
    /// The RPC endpoint failed: it did not answer, refused its client, or answered with what is no answer. Nothing was sent.
    Unreachable {
        /// What happened.
        reason: String,
    },
    /// The keeper's own account has too little SOL. Nothing was sent.
    Unfunded {
        /// What was said.
        reason: String,
    },
    /// The fee budget is used up. Nothing was sent.
    OverBudget,
    /// Not tried, because the step before it about the same account failed.
    Skipped,
}

/// The kinds of outcome, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// See [`Outcome::Landed`].
    Landed,
    /// See [`Outcome::NoEffect`].
    NoEffect,
    /// See [`Outcome::LostRace`].
    LostRace,
    /// See [`Outcome::Refused`].
    Refused,
    /// See [`Outcome::TooLarge`].
    TooLarge,
    /// See [`Outcome::Expired`].
    Expired,
    /// See [`Outcome::Unknown`].
    Unknown,
    /// See [`Outcome::Unreachable`].
    Unreachable,
    /// See [`Outcome::Unfunded`].
    Unfunded,
    /// See [`Outcome::OverBudget`].
    OverBudget,
    /// See [`Outcome::Skipped`].
    Skipped,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [OutcomeKind; 11] = [
        Self::Landed,
        Self::NoEffect,
        Self::LostRace,
        Self::Refused,
        Self::TooLarge,
        Self::Expired,
        Self::Unknown,
        Self::Unreachable,
        Self::Unfunded,
        Self::OverBudget,
        Self::Skipped,
    ];

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Landed => "landed",
            Self::NoEffect => "no_effect",
            Self::LostRace => "lost_race",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
            Self::Unreachable => "unreachable",
            Self::Unfunded => "unfunded",
            Self::OverBudget => "over_budget",
            Self::Skipped => "skipped",
        }
    }
}

impl Outcome {
    /// Its kind.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Self::Landed { .. } => OutcomeKind::Landed,
            Self::NoEffect { .. } => OutcomeKind::NoEffect,
            Self::LostRace { .. } => OutcomeKind::LostRace,
            Self::Refused { .. } => OutcomeKind::Refused,
            Self::TooLarge { .. } => OutcomeKind::TooLarge,
            Self::Expired { .. } => OutcomeKind::Expired,
            Self::Unknown { .. } => OutcomeKind::Unknown,
            Self::Unreachable { .. } => OutcomeKind::Unreachable,
            Self::Unfunded { .. } => OutcomeKind::Unfunded,
            Self::OverBudget => OutcomeKind::OverBudget,
            Self::Skipped => OutcomeKind::Skipped,
        }
    }

    /// Is it in the chain, as a success?
    pub(super) fn is_in_the_chain(&self) -> bool {
        self.slot().is_some()
    }

    /// Its slot, where it is in the chain as a success.
    pub(super) fn slot(&self) -> Option<u64> {
        match self {
            Self::Landed { slot, .. } | Self::NoEffect { slot, .. } => Some(*slot),
            _ => None,
        }
    }

    /// Does it concern the keeper as a whole, and not this step?
    pub(super) fn is_of_all(&self) -> bool {
        self.is_of_endpoint() || matches!(self, Self::Unfunded { .. } | Self::OverBudget)
    }

    /// Did the endpoint fail?
    pub(super) fn is_of_endpoint(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unknown { .. })
    }

    /// Would the same steps, one by one, get further than the bundle?
    pub(super) fn splits(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::TooLarge { .. })
    }
}

impl From<SendError> for Outcome {
    fn from(error: SendError) -> Self {
        let reason = error.to_string();
        match error {
            SendError::Failed(failure) => of_failure(&failure, reason),
            SendError::Expired { signature, .. } => Self::Expired { signature },
            SendError::Unknown { signature, .. } => Self::Unknown { signature, reason },
            SendError::TooLarge { .. } => Self::TooLarge { reason },
            SendError::Invalid { .. } | SendError::Sign { .. } => Self::Refused { reason },
            SendError::StaleBlockhash { .. } => Self::Unreachable { reason },
            SendError::Rpc(error) if error.is_of_endpoint() => Self::Unreachable { reason },
            SendError::Rpc(_) => Self::Refused { reason },
        }
    }
}

fn of_failure(failure: &ProgramFailure, reason: String) -> Outcome {
    match &failure.error {
        TransactionError::AccountNotFound
        | TransactionError::InsufficientFundsForFee
        | TransactionError::InsufficientFundsForRent { account_index: 0 } => Outcome::Unfunded { reason },
        // The network's state, not what was asked of it.
        TransactionError::BlockhashNotFound
        | TransactionError::ClusterMaintenance
        | TransactionError::AccountInUse
        | TransactionError::WouldExceedMaxBlockCostLimit
        | TransactionError::WouldExceedMaxAccountCostLimit
        | TransactionError::WouldExceedAccountDataBlockLimit => Outcome::Unreachable { reason },
        _ if is_lost_race(failure) => Outcome::LostRace { reason },
        _ => Outcome::Refused { reason },
    }
}

/// Anchor: the account is not initialised, is not owned by the program, or has no or another discriminator. An account
/// that was closed by somebody else looks like this.
const GONE: [u32; 4] = [3_001, 3_002, 3_007, 3_012];
fn is_lost_race(failure: &ProgramFailure) -> bool {
    let (Some(program), Some(code)) = (failure.program, failure.code) else { return false };
    match Refusal::from_code(&program, code) {
        Some(Refusal::Account) => GONE.contains(&code),
        // The offer is not live or takes no automatic bids (any more), the book has changed, or intake is paused.
        Some(Refusal::Market(error)) => matches!(
            error,
            MarketError::Paused | MarketError::OfferNotLive | MarketError::NoAutoBid | MarketError::CandidateMissing
        ),
        Some(Refusal::Rule(rule)) => matches!(
            rule,
            RuleError::WrongState
                | RuleError::InsufficientStake
                | RuleError::BidAboveMax
                | RuleError::BidBelowFloor
                | RuleError::BidNotImproved
                | RuleError::BookFull
                | RuleError::WindowClosed
                | RuleError::WindowOpen
                | RuleError::TooEarly
                | RuleError::TooLate
                | RuleError::Unsatisfied
                | RuleError::Excluded
                | RuleError::StillOwed
                | RuleError::StillLeased
                | RuleError::NoFreeUnit
        ),
        _ => false,
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Landed { signature, slot, .. } => write!(f, "landed in slot {slot} ({signature})"),
            Self::NoEffect { signature, slot, .. } => {
                write!(f, "landed in slot {slot} ({signature}) and changed nothing: somebody was faster")
            }
            Self::LostRace { reason } => write!(f, "not needed (any more, or yet): {reason}"),
            Self::Refused { reason } | Self::TooLarge { reason } | Self::Unreachable { reason } => f.write_str(reason),
            Self::Expired { signature } => write!(f, "transaction {signature} expired; it is made anew"),
            Self::Unknown { reason, .. } => f.write_str(reason),
            Self::Unfunded { reason } => write!(f, "{reason}; fund the keeper's account"),
            Self::OverBudget => f.write_str("the fee budget of this hour is used up"),
            Self::Skipped => f.write_str("waits for the step before it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use gridlease_sdk::address::MARKET;

    use super::*;
    use gridlease_sdk::rpc::RpcError;
    use solana_instruction::error::InstructionError;
    use solana_pubkey::Pubkey;

    fn failure(program: Pubkey, code: u32) -> Outcome {
        Outcome::from(SendError::Failed(Box::new(ProgramFailure {
            error: TransactionError::InstructionError(0, InstructionError::Custom(code)),
            signature: None,
            fee: None,
            payer: Pubkey::default(),
            instruction: Some(0),
            program: Some(program),
            code: Some(code),
            name: None,
            logs: Vec::new(),
        })))
    }

    #[test]
    fn a_market_that_has_moved_on_is_no_error() {
        for code in [3_012, 6_009, 6_101, 6_115, 6_116, 6_117, 6_113, 6_123] {
            assert_eq!(failure(MARKET, code).kind(), OutcomeKind::LostRace, "{code}");
        }
    }

    #[test]
    fn a_broken_invariant_and_a_foreign_programs_refusal_are_errors() {
        assert_eq!(failure(MARKET, 6_126).kind(), OutcomeKind::Refused);
        assert_eq!(failure(MARKET, 6_020).kind(), OutcomeKind::Refused);
        // SPL Token: the account is frozen. The same number from the market would mean something else.
        assert_eq!(failure(Pubkey::new_unique(), 17).kind(), OutcomeKind::Refused);
        assert_eq!(failure(Pubkey::new_unique(), 6_101).kind(), OutcomeKind::Refused);
    }

    #[test]
    fn issue9_17_what_is_no_program_error_is_the_endpoints_and_not_the_steps() {
        let (url, doing) = (String::new(), "a test");
        let refused = |code| RpcError::Refused { url: String::new(), doing, code, message: String::new() };
        let errors = [
            RpcError::Http { url: url.clone(), doing, status: 403 },
            RpcError::Malformed { url, doing, reason: "a web page".to_owned() },
            refused(-32_603),
            refused(-32_005),
        ];
        for error in errors {
            let text = error.to_string();
            assert_eq!(Outcome::from(SendError::Rpc(error)).kind(), OutcomeKind::Unreachable, "{text}");
        }
        assert_eq!(Outcome::from(SendError::Rpc(refused(-32_602))).kind(), OutcomeKind::Refused);
        let stale = SendError::StaleBlockhash { signature: Signature::default(), refusal: String::new() };
        assert_eq!(Outcome::from(stale).kind(), OutcomeKind::Unreachable);
    }

    #[test]
    fn an_empty_fee_payer_is_told_apart_from_a_refused_step() {
        let error = SendError::Failed(Box::new(ProgramFailure {
            error: TransactionError::InsufficientFundsForFee,
            signature: None,
            fee: None,
            payer: Pubkey::default(),
            instruction: None,
            program: None,
            code: None,
            name: None,
            logs: Vec::new(),
        }));
        assert_eq!(Outcome::from(error).kind(), OutcomeKind::Unfunded);
    }
}
