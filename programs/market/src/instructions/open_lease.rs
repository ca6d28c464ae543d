//! What every way to a lease shares: the candidate is checked and taken, the lease opened, its stake reserved.

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use gridlease_core::eligibility::{Refusal, Wanted};
use gridlease_core::job::{self as jobs, notice_of, start_deadline};
use gridlease_core::verdict::window_of;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs, lease as rules, tip};
use program_common::{require, require_keys_eq};

use super::place_bid::refusal_code;
use crate::derive;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{DroppedBid, JobAwarded};
use crate::lamports;
use crate::peek::peek;
use crate::replicas;
use crate::staking_cpi::{self, Signing, read_bond};
use crate::state::ACCOUNT_VERSION;
use crate::state::{BookEntry, Config, Header, Job, Lease, Offer, Provider, TaskGroup, shard_of};
use market_interface::seed::{LEASE_SEED, OFFER_SEED};
use staking_interface::ID as STAKING_ID;
use staking_interface::account::Reservation;

/// The accounts of one candidate.
#[derive(Clone, Copy)]
pub struct Candidate<'info> {
    /// Its offer.
    pub offer: &'info AccountInfo<'info>,
    /// Its provider record.
    pub provider: &'info AccountInfo<'info>,
    /// Its bond.
    pub bond: &'info AccountInfo<'info>,
}

/// A candidate that was taken: its unit and its lease are counted.
pub struct Taken<'info> {
    candidate: Candidate<'info>,
    payout: Pubkey,
    number: u32,
    price: PricePerHour,
    stake: Atoms,
    /// Its node made the bid itself.
    own_bid: bool,
    /// Units of its offer that are free now, and that are not.
    units: (u16, u16),
}

/// Rents that opening a lease moves, in lamports.
pub struct Rents {
    offer: u64,
    lease: u64,
    reservation: u64,
}

impl Rents {
    /// Of the accounts as they are.
    pub fn get() -> Result<Self> {
        let rent = Rent::get()?;
        Ok(Self {
            offer: lamports::rent_of(&rent, 8 + size_of::<Offer>()),
            lease: lamports::rent_of(&rent, 8 + size_of::<Lease>()),
            reservation: lamports::rent_of(&rent, Reservation::SPACE),
        })
    }
}

/// What is asked of every candidate for one job.
pub struct Asked<'a, 'info> {
    /// The job.
    pub job: &'a Job,
    /// What it wants.
    pub wanted: Wanted,
    /// Rents.
    pub rents: Rents,
    /// The present.
    pub now: Now,
    /// When the job's book began: who made stake leave since is to blame where it lacks.
    pub book_began: UnixTs,
    /// For a replica, who has the other replicas of its task.
    pub group: Option<AccountLoader<'info, TaskGroup>>,
}

impl<'info> Candidate<'info> {
    /// From three accounts that follow one another.
    pub fn of(accounts: &'info [AccountInfo<'info>]) -> Option<Self> {
        let [offer, provider, bond] = accounts else { return None };
        Some(Self { offer, provider, bond })
    }

    /// Takes the candidate where it is good, at the price of its `bid` (and whether that was automatic), or at its offer's ask where it made none; else says
    /// why it is not. A bidder whose own doing that is, is charged a fault.
    ///
    /// # Errors
    /// [`MarketError::CandidateMissing`] where the accounts are not the bid's, so that no caller can skip a good bidder;
    /// [`MarketError::Unrelated`] where they do not belong together.
    pub fn take(
        self,
        asked: &Asked<'_, 'info>,
        bid: Option<(&BookEntry, bool)>,
    ) -> Result<core::result::Result<Taken<'info>, DroppedBid>> {
        let own_bid = bid.is_some_and(|(_, automatic)| !automatic);
        let bid = bid.map(|(bid, _)| bid);
        if let Some(bid) = bid {
            require_keys_eq!(*self.provider.key, bid.provider, MarketError::CandidateMissing);
        }
        if bid.is_some() && *self.provider.owner != crate::ID {
            // Its record was closed: then it holds no offer any more.
            let refused = MarketError::OfferNotLive.into();
            return Ok(Err(DroppedBid { provider: *self.provider.key, refused, faulted: false }));
        }
        let loader = AccountLoader::<Provider>::try_from(self.provider)?;
        let mut provider = loader.load_mut()?;
        let wrong = if bid.is_some() { MarketError::CandidateMissing } else { MarketError::Unrelated };
        require_keys_eq!(*self.bond.key, provider.bond, wrong);
        let group = asked.group.as_ref();
        // A bond that was closed names nobody, and is the bidder's own doing: that is told below.
        let bonded = *self.bond.owner == STAKING_ID;
        if bonded && replicas::check(group, asked.job, &provider, self.bond).is_err() {
            // It runs another replica of the task, or shares somebody with who does.
            let refused = refusal_code(&Refusal::Rule(RuleError::Kin));
            return Ok(Err(DroppedBid { provider: *self.provider.key, refused, faulted: false }));
        }
        match self.consider(asked, bid, &provider)? {
            Ok((price, stake, number)) => {
                provider.leases = provider.leases.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
                let offer = AccountLoader::<Offer>::try_from(self.offer)?;
                let mut offer = offer.load_mut()?;
                offer.units_free = offer.units_free.checked_sub(1).ok_or_else(|| rule(RuleError::NoFreeUnit))?;
                offer.bind(stake).or_rule()?;
                replicas::admit(group, asked.job, &provider, self.bond)?;
                let units = (offer.units_free, offer.units.saturating_sub(offer.units_free));
                Ok(Ok(Taken { candidate: self, payout: provider.payout, number, price, stake, own_bid, units }))
            }
            Err((refused, own_doing)) => {
                let faulted = own_doing && bid.is_some();
                if faulted {
                    let mut history = provider.reputation();
                    history.on_fault();
                    provider.set_reputation(&history);
                }
                Ok(Err(DroppedBid { provider: *self.provider.key, refused, faulted }))
            }
        }
    }

    /// Price, stake and offer number of a good candidate; error number of a bad one, and whether that is its own doing.
    #[allow(clippy::type_complexity)] // two outcomes, used once
    fn consider(
        &self,
        asked: &Asked<'_, 'info>,
        bid: Option<&BookEntry>,
        provider: &Provider,
    ) -> Result<core::result::Result<(PricePerHour, Atoms, u32), (u32, bool)>> {
        // Gone is withdrawn: the bidder's own doing.
        let not_live = Ok(Err((MarketError::OfferNotLive.into(), true)));
        let Some(offer) = peek::<Offer>(self.offer) else {
            let Some(bid) = bid else { return not_live };
            // Gone: then it must be the very address at which it was.
            let (address, _) = derive::find([OFFER_SEED, bid.provider.as_ref(), &bid.offer.to_le_bytes()]);
            require_keys_eq!(*self.offer.key, address, MarketError::CandidateMissing);
            return not_live;
        };
        let price = match bid {
            Some(bid) => {
                let same = offer.provider == bid.provider && offer.number == bid.offer;
                require!(same, MarketError::CandidateMissing);
                bid.price
            }
            None => {
                require_keys_eq!(offer.provider, *self.provider.key, MarketError::Unrelated);
                offer.ask
            }
        };
        if price > asked.job.max_price {
            return Ok(Err((refusal_code(&Refusal::Rule(RuleError::BidAboveMax)), false)));
        }
        if *self.bond.owner != STAKING_ID {
            return Ok(Err((MarketError::WrongBond.into(), true))); // never opened, or closed
        }
        let bond = read_bond(self.bond, &provider.authority)?;
        let bidder = asked.job.bidder(self.provider.key, provider, &offer, bond);
        let price = PricePerHour(price);
        match bidder.check(&asked.wanted, price, asked.now.ts) {
            Err(refusal) => {
                let stake_left = staking_cpi::stake_left(self.bond, asked.book_began)?;
                Ok(Err((refusal_code(&refusal), refusal.own_doing(stake_left))))
            }
            Ok(_) if self.offer.lamports() < asked.rents.offer + asked.rents.lease + asked.rents.reservation => {
                Ok(Err((MarketError::NoRent.into(), false)))
            }
            // Others won what its limit allows: no doing of its own.
            Ok(stake) if offer.limit().bind(stake).is_err() => {
                Ok(Err((refusal_code(&Refusal::Rule(RuleError::StakeLimit)), false)))
            }
            Ok(stake) => Ok(Ok((price, stake, offer.number))),
        }
    }
}

/// The accounts by which a lease is opened.
pub struct Opening<'a, 'info> {
    /// Slot length, fee, and the bump of the signing PDA.
    pub config: &'a AccountLoader<'info, Config>,
    /// The address of the job's next lease.
    pub lease: &'a AccountInfo<'info>,
    /// The lease's reservation.
    pub reservation: &'a AccountInfo<'info>,
    /// The staking program's configuration.
    pub staking_config: &'a AccountInfo<'info>,
    /// The system program.
    pub system: &'a AccountInfo<'info>,
    /// The PDA that signs for stake.
    pub authority: &'a AccountInfo<'info>,
    /// The PDA by which the staking program signs its events.
    pub staking_events: &'a AccountInfo<'info>,
    /// The staking program.
    pub staking_program: &'a AccountInfo<'info>,
}

impl<'info> Opening<'_, 'info> {
    /// Opens the lease of a candidate that was taken: hands it its part of the job's reservation, and reserves its stake.
    /// The caller tells the event and then calls [`Opening::fund`].
    pub fn open(
        &self,
        job_key: &Pubkey,
        job: &mut Job,
        moving: &jobs::Job,
        taken: &Taken<'info>,
        now: Now,
    ) -> Result<JobAwarded> {
        let mut next = *moving;
        let number = next.leases;
        let reserved = next.award(taken.price, now).or_rule()?;
        let deadline = start_deadline(now.ts, job.image_mb).or_rule()?;
        job.set_rules(&next, now);

        let (expected, bump) = derive::find([LEASE_SEED, job_key.as_ref(), &[number]]);
        require_keys_eq!(*self.lease.key, expected, MarketError::Unrelated);
        require_keys_eq!(*self.lease.owner, anchor_lang::system_program::ID, MarketError::Unrelated);
        let space = 8 + size_of::<Lease>();
        lamports::open_unfunded(self.lease, space, &[LEASE_SEED, job_key.as_ref(), &[number], &[bump]])?;
        let (authority_bump, slot_ms, fee_bps) = {
            let config = self.config.load()?;
            (config.authority_bump, config.slot_ms, config.fee_bps)
        };
        {
            let mut data = self.lease.try_borrow_mut_data()?;
            let (discriminator, body) = data.split_at_mut(8);
            discriminator.copy_from_slice(Lease::DISCRIMINATOR);
            let lease: &mut Lease = bytemuck::from_bytes_mut(body);
            lease.header = Header { version: ACCOUNT_VERSION, shard: shard_of(&expected), bump, ..Header::default() };
            lease.job = *job_key;
            lease.purse = job.purse;
            lease.owner = job.owner;
            lease.provider = *taken.candidate.provider.key;
            lease.offer = *taken.candidate.offer.key;
            lease.bond = *taken.candidate.bond.key;
            lease.payout = taken.payout;
            lease.stake = taken.stake.0;
            lease.number = number;
            lease.own_bid = taken.own_bid.into();
            let flags = peek::<Offer>(taken.candidate.offer).map_or(0, |offer| offer.spec.flags);
            let opened = rules::Lease::open(taken.price, reserved, slot_ms, Bps(fee_bps), now, deadline);
            lease
                .set_rules(&rules::Lease {
                    checkpoint_every: Seconds(job.checkpoint_s.into()),
                    notice: notice_of(flags, Seconds(job.notice_s.into())),
                    duration: Seconds(job.max_duration_s.into()),
                    verification: window_of(job.verify_class),
                    ..opened
                })
                .or_rule()?;
        }
        staking_cpi::reserve(
            taken.candidate.bond,
            self.reservation,
            self.staking_config,
            self.lease,
            taken.candidate.offer,
            self.system,
            &Signing {
                authority: self.authority,
                bump: authority_bump,
                events: self.staking_events,
                program: self.staking_program,
            },
            taken.stake,
        )?;
        Ok(JobAwarded {
            job: *job_key,
            lease: expected,
            provider: *taken.candidate.provider.key,
            offer: taken.number,
            price: taken.price.0,
            reserved: reserved.0,
            stake: taken.stake.0,
            skipped: 0,
            start_deadline: deadline.0,
        })
    }

    /// Brings the lease and its reservation up to their rents out of the offer, and hands the lease what the offer has for tips
    /// beside the rents of its free units.
    pub fn fund(&self, taken: &Taken<'info>, rents: &Rents) -> Result<()> {
        let offer = taken.candidate.offer;
        let fund =
            |account: &AccountInfo, rent: u64| lamports::shift(offer, account, rent.saturating_sub(account.lamports()));
        fund(self.lease, rents.lease)?;
        fund(self.reservation, rents.reservation)?;
        let (free, open) = taken.units;
        // As `lamports_needed` counts: a lamport for each open lease is kept for its return.
        let of_units = (rents.lease + rents.reservation).saturating_mul(free.into()).saturating_add(open.into());
        let tips = tip::payable(tip::prepaid_lease(), offer.lamports(), rents.offer.saturating_add(of_units));
        lamports::shift(offer, self.lease, tips)
    }
}
