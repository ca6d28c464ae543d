//! Who may do what with a purse: its owner everything, its spender and its guardian a few things each.
//!
//! The owner can be a program-owned multisig, which signs in days. Jobs are posted by a *spender*, a server's key, and watched
//! over by a *guardian*, a key that reacts within the 90 seconds of a reject or a review and signs requests to nodes. Neither can
//! take money out of the purse or give another key to it.

/// A key of a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurseKey {
    /// The owner.
    Owner,
    /// Posts, up to its cap per period.
    Spender,
    /// Stops and corrects; tops up and extends up to its cap per period.
    Guardian,
}

/// Something that is done in the name of a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurseStep {
    /// Take money out, or out of what was donated.
    Withdraw,
    /// Name, change or remove a spender or a guardian.
    SetKey,
    /// Close the purse.
    Close,
    /// Post a job or an array.
    Post,
    /// End a job or an array that still waits.
    Cancel,
    /// End a lease.
    Stop,
    /// Refuse a start.
    Reject,
    /// Take up a job again whose outputs are not what was asked for.
    Reopen,
    /// Accept the outputs of a lease that completed.
    Accept,
    /// Add money to a lease.
    TopUp,
    /// Add time to a lease.
    Extend,
    /// Ask a node for logs, artifacts and the like.
    Speak,
}

impl PurseStep {
    /// All of them.
    pub const ALL: [PurseStep; 12] = [
        Self::Withdraw,
        Self::SetKey,
        Self::Close,
        Self::Post,
        Self::Cancel,
        Self::Stop,
        Self::Reject,
        Self::Reopen,
        Self::Accept,
        Self::TopUp,
        Self::Extend,
        Self::Speak,
    ];
}

impl PurseKey {
    /// May this key take this step?
    ///
    /// A spender may accept: its client does that as soon as the outputs verify.
    #[must_use]
    pub const fn may(self, step: PurseStep) -> bool {
        use PurseStep::{Accept, Cancel, Close, Extend, Post, Reject, Reopen, SetKey, Speak, Stop, TopUp, Withdraw};
        match (self, step) {
            (Self::Owner, _) | (Self::Spender, Post | Accept) => true,
            (Self::Spender, _) => false,
            (Self::Guardian, Cancel | Stop | Reject | Reopen | Accept | TopUp | Extend | Speak) => true,
            (Self::Guardian, Withdraw | SetKey | Close | Post) => false,
        }
    }

    /// The key with which the holder of these roles takes `step`: the strongest that may. One key can be both spender and
    /// guardian, and its caps stay apart.
    #[must_use]
    pub fn of(is_owner: bool, is_spender: bool, is_guardian: bool, step: PurseStep) -> Option<Self> {
        let held = [(is_owner, Self::Owner), (is_guardian, Self::Guardian), (is_spender, Self::Spender)];
        held.into_iter().find(|(held, key)| *held && key.may(step)).map(|(_, key)| key)
    }
}
