//! Whether a bidder can take a job: asked by the program when it bids and again at the award, and by the keeper and the
//! node before they send anything.

use crate::bond::{Bond, lease_reservation};
use crate::error::RuleError;
use crate::gpu_claim::Claims;
use crate::job::least_funds;
use crate::limits::LEAST_OFFER_LIFE;
use crate::quantity::{Atoms, Bps, PricePerHour, Seconds, UnixTs};
use crate::requirement::{Field, OfferSpec, Requirement, Standing, Unmet, satisfies};

/// A bidder with everything that its eligibility hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bidder {
    /// Until when its offer takes leases; zero for one that was withdrawn.
    pub live_until: UnixTs,
    /// Leases that the offer fits now.
    pub units_free: u16,
    /// It failed this job before, or may not take it for whom else the job has (a replica's neighbours).
    pub excluded: bool,
    /// The offer's GPUs and their claims.
    pub claims: Claims,
    /// What one unit has.
    pub unit: OfferSpec,
    /// The provider's reputation.
    pub reputation: Bps,
    /// The provider's bond.
    pub bond: Bond,
}

/// What a job asks of its bidder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The requirement.
    pub need: Requirement,
    /// Longest duration.
    pub max_duration: Seconds,
    /// What the job holds.
    pub funds: Atoms,
    /// The most that the job pays: a lease reserves at least a tenth of the stake that this would ask for.
    pub max_price: PricePerHour,
}

/// Why a bidder cannot take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The offer was withdrawn.
    Withdrawn,
    /// The offer has expired, or will have before it is needed.
    NotLive,
    /// Every unit is taken.
    NoFreeUnit,
    /// Excluded from this job.
    Excluded,
    /// A field of the requirement is not met.
    Unsatisfied(Unmet),
    /// The job's money does not pay for ten minutes (or for the whole of a shorter job) at this price.
    Unaffordable,
    /// The bond cannot reserve what the lease needs.
    Stake {
        /// What the lease would reserve.
        needed: Atoms,
        /// What is free.
        free: Atoms,
        /// What would be free if the bond had no other lease.
        unbound: Atoms,
    },
    /// An amount is out of its range.
    Rule(RuleError),
}

impl From<Refusal> for RuleError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // Programs have an error of their own for it.
            Refusal::Withdrawn | Refusal::NotLive => Self::TooLate,
            Refusal::NoFreeUnit => Self::NoFreeUnit,
            Refusal::Excluded => Self::Excluded,
            Refusal::Unsatisfied(_) => Self::Unsatisfied,
            Refusal::Stake { .. } => Self::InsufficientStake,
            Refusal::Unaffordable => Self::BidUnaffordable,
            Refusal::Rule(error) => error,
        }
    }
}

impl From<RuleError> for Refusal {
    fn from(error: RuleError) -> Self {
        Self::Rule(error)
    }
}

impl Refusal {
    /// Is it the bidder's own doing that it cannot take what it bid for: its offer withdrawn or posted anew as less, its stake
    /// taken out, its GPUs given up? Not where its units or its stake were won by other jobs in the meantime, its reputation
    /// fell, or the job's money became less. A bid is taken only where it satisfies the requirement, and nothing else changes a
    /// machine.
    ///
    /// An offer that expired is nobody's doing: a chain that stood for an hour has expired them all. Whoever lets one expire
    /// gains little by it: a bid is taken only where its offer lives to the end of the auction ([`Bidder::lives_until`]), and an
    /// award that finds nobody costs the buyer no attempt.
    ///
    /// Stake is its doing only where the operator made it leave since the book began (`stake_left`, see
    /// [`crate::delegation::Stake::fell_since`]). A delegator that leaves by itself, at the worst moment and for that very
    /// purpose, would else cost its operator a third of its standing.
    pub fn own_doing(&self, stake_left: bool) -> bool {
        match self {
            Self::Withdrawn => true,
            Self::Unsatisfied(unmet) if unmet.field == Field::Stake => stake_left,
            Self::Unsatisfied(unmet) => unmet.field != Field::Reputation,
            Self::Stake { needed, unbound, .. } => unbound < needed && stake_left,
            Self::Rule(error) => *error == RuleError::GpusUnclaimed,
            Self::NotLive | Self::NoFreeUnit | Self::Excluded | Self::Unaffordable => false,
        }
    }
}

impl Bidder {
    /// Until when the offer behind a bid of `now` must live in an auction that ends at `end`: to that end, where its node enters
    /// it for half an hour at least. An automatic bid is entered by anyone, so its offer must live to the end, however far that
    /// is.
    pub fn lives_until(end: UnixTs, automatic: bool, now: UnixTs) -> UnixTs {
        let least = UnixTs(now.0.saturating_add(LEAST_OFFER_LIFE.0));
        if automatic { end } else { end.min(least) }
    }

    /// Can it take the job at `price`? Its offer must be live beyond `until`: the present; the end of the auction where
    /// somebody else enters it. Returns the stake that the lease would reserve.
    ///
    /// # Errors
    /// The first [`Refusal`], in the order of its variants.
    pub fn check(&self, wanted: &Wanted, price: PricePerHour, until: UnixTs) -> Result<Atoms, Refusal> {
        if self.live_until.is_zero() {
            return Err(Refusal::Withdrawn);
        }
        if self.live_until <= until {
            return Err(Refusal::NotLive);
        }
        if self.units_free == 0 {
            return Err(Refusal::NoFreeUnit);
        }
        if self.excluded {
            return Err(Refusal::Excluded);
        }
        self.claims.check()?;
        // Stake on its way out is no stake that a buyer can count on.
        let unbound = self.bond.amount.saturating_sub(self.bond.unbonding);
        let standing = Standing { stake: unbound, reputation: self.reputation };
        satisfies(&self.unit, &standing, &wanted.need).map_err(Refusal::Unsatisfied)?;
        if wanted.funds < least_funds(price, wanted.max_duration)? {
            return Err(Refusal::Unaffordable);
        }
        let needed = lease_reservation(price, wanted.max_price, wanted.max_duration)?;
        let free = self.bond.free()?;
        if free < needed {
            return Err(Refusal::Stake { needed, free, unbound });
        }
        Ok(needed)
    }
}
