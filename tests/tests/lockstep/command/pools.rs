//! What may happen to a bond besides reservations: its pool, delegations, stake on its way out, revenue, what is no stake.

use super::By;

/// Which token account: 0 is the one that it should be; then come the wallets of buyers and providers, and the bond's two
/// vaults.
pub type To = u8;

/// Terms of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolTerms {
    pub commission: u16,
    /// The least delegation.
    pub least: u64,
    /// Where the operator's part of the revenue goes.
    pub to: To,
}

/// A step of one bond. `holder` counts buyers and authorities, who may all delegate; `number_off` is added to the number that
/// a request should have; `at` chooses among the open requests of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolStep {
    /// Somebody sends USDC to the bond's vault.
    Endow {
        amount: u64,
    },
    /// Revenue arrives.
    Earn {
        amount: u64,
    },
    Open {
        by: By,
        terms: PoolTerms,
    },
    Change {
        by: By,
        terms: PoolTerms,
    },
    Join {
        holder: usize,
        by: By,
        amount: u64,
        to: To,
    },
    Delegate {
        holder: usize,
        by: By,
        amount: u64,
    },
    Undelegate {
        holder: usize,
        by: By,
        amount: u64,
        to: To,
        number_off: i8,
    },
    Unbond {
        by: By,
        amount: u64,
        to: To,
        number_off: i8,
    },
    /// `signed`: the owner signs.
    WithdrawDelegation {
        holder: usize,
        at: u8,
        signed: bool,
        to: To,
    },
    WithdrawStake {
        at: u8,
        signed: bool,
        to: To,
    },
    Distribute,
    /// `at` chooses among the bond's claims; it is paid to the buyer, or to who proved a fault; `signed`: the claimant signs.
    PayClaim {
        at: u8,
        to_prover: bool,
        signed: bool,
        to: To,
    },
    /// A holder's new stake, or the operator's.
    Activate {
        holder: Option<usize>,
    },
    ClaimRevenue {
        holder: usize,
        signed: bool,
        to: To,
    },
    ClaimCommission {
        to: To,
    },
    CloseDelegation {
        holder: usize,
    },
    /// `with_revenue`: the revenue vault is named as it should be.
    Close {
        by: By,
        to: To,
        with_revenue: bool,
    },
    /// To this of the funds; 0 is the one that it should be.
    PayInsurance {
        fund: u8,
    },
    Sweep {
        by: By,
        to: To,
    },
}
