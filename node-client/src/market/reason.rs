//! Why a job is not bid for. Each reason prints as one plain sentence, with what is asked and what there is.

use core::fmt;

use gridlease_core::job::JobState;
use gridlease_core::requirement::Unmet;
use gridlease_core::{Atoms, PricePerHour, UnixTs};
use solana_pubkey::Pubkey;

/// An amount of USDC in words: as many decimals as it has, two at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usdc(pub u64);

impl fmt::Display for Usdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let decimals = format!("{part:06}");
        let longer = decimals.trim_end_matches('0').len().max(2);
        write!(f, "{whole}.{} USDC", decimals.get(..longer).unwrap_or(&decimals))
    }
}

/// A part of the machine that something can be wrong with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The GPUs, their driver or its library.
    Gpu,
    /// The container engine.
    Engine,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "GPU",
            Self::Engine => "container engine",
        })
    }
}

/// Something that is wrong with the machine now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// With what.
    pub part: Part,
    /// In words.
    pub words: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.words)
    }
}

/// Why a job is not bid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The job is in a state in which it takes no bids.
    NotOpen(JobState),
    /// Its bidding window is over.
    WindowOver {
        /// Since when, in seconds.
        since_s: u64,
    },
    /// A window that opens now would end after the job's wait.
    WaitOver {
        /// What is left of the wait, in seconds.
        left_s: u64,
        /// Length of a window, in seconds.
        window_s: u64,
    },
    /// It takes sealed bids.
    Sealed,
    /// No node runs on this machine.
    NotRunning,
    /// There is no offer of this machine on chain.
    NoOffer,
    /// The offer's number is another machine's.
    ForeignOffer {
        /// The number.
        number: u32,
        /// Whose it is.
        machine: Pubkey,
    },
    /// The machine is retired.
    Retired,
    /// The operator takes the machine away.
    Leaving,
    /// Something is wrong with the machine.
    Trouble(Trouble),
    /// The offer was withdrawn.
    Withdrawn,
    /// The offer does not live as long as it has to.
    Expires {
        /// Until when it lives.
        lives_until: UnixTs,
        /// Until when it has to.
        needed: UnixTs,
    },
    /// Every unit is taken.
    Full {
        /// Units of the offer.
        units: u32,
    },
    /// This provider failed the job before.
    Excluded,
    /// The offer's GPUs are not all claimed.
    Unclaimed {
        /// GPUs of the offer.
        needed: u32,
        /// Claimed ones.
        claimed: u32,
    },
    /// A field of the requirement is not met.
    Unmet(Unmet),
    /// The job pays less than the floor.
    BelowFloor {
        /// The most that it pays.
        most: PricePerHour,
        /// The floor.
        floor: PricePerHour,
    },
    /// What the job holds does not pay for a lease.
    Unaffordable {
        /// What it holds.
        held: Atoms,
        /// What it would need.
        needed: Atoms,
        /// At this price.
        price: PricePerHour,
    },
    /// The bond has too little free stake.
    Stake {
        /// What the lease would reserve.
        needed: Atoms,
        /// What is free.
        free: Atoms,
    },
    /// The offer's limit of stake leaves too little.
    StakeLimit {
        /// What the lease would bind.
        needed: Atoms,
        /// What the limit leaves.
        left: Atoms,
    },
    /// The book is full of better bids.
    BookFull {
        /// Bids in it.
        bids: usize,
        /// What this one would be.
        price: PricePerHour,
    },
    /// The provider's bid leads.
    Leads {
        /// Its price.
        price: PricePerHour,
    },
    /// The provider's bid stands, and cannot go lower.
    CannotImprove {
        /// Its price.
        standing: PricePerHour,
        /// What the next would be.
        next: PricePerHour,
    },
    /// Keepers enter the automatic offer; the node does it after a while.
    LeftToKeepers,
    /// An account holds something that this version does not know.
    Unknown,
}

impl Reason {
    /// Its name, for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotOpen(_) => "not-open",
            Self::WindowOver { .. } => "window-over",
            Self::WaitOver { .. } => "wait-over",
            Self::Sealed => "sealed",
            Self::NotRunning => "not-running",
            Self::NoOffer => "no-offer",
            Self::ForeignOffer { .. } => "foreign-offer",
            Self::Retired => "retired",
            Self::Leaving => "leaving",
            Self::Trouble(_) => "trouble",
            Self::Withdrawn => "withdrawn",
            Self::Expires { .. } => "expires",
            Self::Full { .. } => "full",
            Self::Excluded => "excluded",
            Self::Unclaimed { .. } => "unclaimed",
            Self::Unmet(_) => "requirement",
            Self::BelowFloor { .. } => "below-floor",
            Self::Unaffordable { .. } => "unaffordable",
            Self::Stake { .. } => "stake",
            Self::StakeLimit { .. } => "stake-limit",
            Self::BookFull { .. } => "book-full",
            Self::Leads { .. } => "leads",
            Self::CannotImprove { .. } => "cannot-improve",
            Self::LeftToKeepers => "left-to-keepers",
            Self::Unknown => "unknown",
        }
    }

    /// What is asked and what there is, where this is about amounts; masks in words.
    #[must_use]
    pub fn asked_and_had(&self) -> Option<(String, String)> {
        let both = |asked: &dyn fmt::Display, had: &dyn fmt::Display| Some((asked.to_string(), had.to_string()));
        match self {
            Self::WaitOver { left_s, window_s } => both(&window_s, &left_s),
            Self::Expires { lives_until, needed } => both(&needed.0, &lives_until.0),
            Self::Unclaimed { needed, claimed } => both(&needed, &claimed),
            Self::Unmet(unmet) => values(unmet),
            Self::BelowFloor { most, floor } => both(&Usdc(floor.0), &Usdc(most.0)),
            Self::Unaffordable { held, needed, .. } => both(&Usdc(needed.0), &Usdc(held.0)),
            Self::Stake { needed, free } => both(&Usdc(needed.0), &Usdc(free.0)),
            Self::StakeLimit { needed, left } => both(&Usdc(needed.0), &Usdc(left.0)),
            _ => None,
        }
    }
}

/// The two values in the words of the rules, which know the names of a mask's bits.
fn values(unmet: &Unmet) -> Option<(String, String)> {
    let words = unmet.to_string();
    let (_, words) = words.split_once(": the job needs ")?;
    let (asked, had) = words.split_once(", the offer has ")?;
    Some((asked.to_owned(), had.to_owned()))
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOpen(state) => {
                let is = match state {
                    JobState::Leased => "it has a lease",
                    JobState::Review => "its lease is finished and the buyer looks at the results",
                    JobState::Ended => "it is over",
                    JobState::Open | JobState::Waiting => "its time for bids is over",
                };
                write!(f, "The job takes no bids: {is}.")
            }
            Self::WindowOver { since_s } => {
                write!(f, "The bidding window is over since {since_s} s; the award is due.")
            }
            Self::WaitOver { left_s, window_s } => write!(
                f,
                "A bidding window of {window_s} s that opens now would end after the job's wait, of which {left_s} s are left."
            ),
            Self::Sealed => f.write_str("The job takes sealed bids, and this version's node makes none."),
            Self::NotRunning => f.write_str("No node runs on this machine (`gridlease node run` starts it)."),
            Self::NoOffer => f.write_str("There is no offer of this machine on chain."),
            Self::ForeignOffer { number, machine } => {
                write!(f, "Offer {number} is that of another machine of the provider, {machine}.")
            }
            Self::Retired => f.write_str("The machine is retired and takes no lease any more."),
            Self::Leaving => f.write_str("The operator takes the machine off the market (`gridlease node drain`)."),
            Self::Trouble(trouble) => write!(f, "The machine is not well ({trouble})."),
            Self::Withdrawn => f.write_str("The offer was withdrawn."),
            Self::Expires { lives_until, needed } => {
                let short = needed.0.saturating_sub(lives_until.0).saturating_add(1);
                write!(f, "The offer expires {short} s before the auction lets it.")
            }
            Self::Full { units } if *units == 1 => f.write_str("The only unit of the offer is taken."),
            Self::Full { units } => write!(f, "All {units} units of the offer are taken."),
            Self::Excluded => f.write_str("The provider failed this job before, so the job goes on without it."),
            Self::Unclaimed { needed, claimed } => {
                write!(f, "Of the {needed} GPUs of the offer only {claimed} are claimed for it.")
            }
            Self::Unmet(unmet) => write!(f, "The requirement is not met: {unmet}."),
            Self::BelowFloor { most, floor } => {
                write!(f, "The job pays at most {} an hour, and the floor is {}.", Usdc(most.0), Usdc(floor.0))
            }
            Self::Unaffordable { held, needed, price } => write!(
                f,
                "The job holds {}, and a lease at {} an hour needs {}.",
                Usdc(held.0),
                Usdc(price.0),
                Usdc(needed.0)
            ),
            Self::Stake { needed, free } => {
                write!(f, "The lease would reserve {} of stake, and {} are free.", Usdc(needed.0), Usdc(free.0))
            }
            Self::StakeLimit { needed, left } => write!(
                f,
                "The lease would bind {} of stake, and the offer's limit leaves {}.",
                Usdc(needed.0),
                Usdc(left.0)
            ),
            Self::BookFull { bids, price } => {
                write!(f, "The book is full: all {bids} bids in it are better than one of {}.", Usdc(price.0))
            }
            Self::Leads { price } => write!(f, "The provider's bid of {} leads already.", Usdc(price.0)),
            Self::CannotImprove { standing, next } => write!(
                f,
                "The provider's bid of {} stands, and the next would be {}, which is no lower.",
                Usdc(standing.0),
                Usdc(next.0)
            ),
            Self::LeftToKeepers => {
                f.write_str("The offer takes automatic bids: keepers have a moment to enter it before the node does.")
            }
            Self::Unknown => f.write_str("An account of the job holds something that this version does not know."),
        }
    }
}
