//! Decoding of accounts: by owner, discriminator and version, never by guess.

use anchor_lang::{Discriminator, Owner};
use bytemuck::Pod;
use gridlease_core::array::{Array as ArrayRules, ArrayEnd, ArrayState, Shape, Task};
use gridlease_core::bidder::{Bidder, Wanted};
use gridlease_core::bond::Bond as BondAmounts;
use gridlease_core::delegation::{SharePool, Stake};
use gridlease_core::gpu::{model_name, region_name};
use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::purse::Purse as PurseAmounts;
use gridlease_core::reputation::Reputation;
use gridlease_core::revenue::{Commission, Revenue};
use gridlease_core::score::Merit;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, Seconds, UnixTs};
use solana_pubkey::Pubkey;

pub use crate::program::market::accounts::{
    Array, Commitment, Config, GpuClaim, Job, Lease, Offer, PriceIndex, Provider, Purse, TaskGroup,
};
pub use crate::program::market::types::{BookEntry, Header, TradeData};
pub use crate::program::staking::accounts::{Bond, Config as StakingConfig, Delegation, Reservation, Unbonding};

/// The layout version that this SDK reads.
pub const VERSION: u8 = 1;
/// Kind byte of a request to unbond that is the operator's.
pub const UNBONDING_OF_OPERATOR: u8 = 1;
/// State byte of an offer that takes leases.
pub const OFFER_LIVE: u8 = 1;
/// State byte of an offer that was withdrawn.
pub const OFFER_WITHDRAWN: u8 = 2;

/// Why bytes are not the account that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another program owns it.
    #[error("account {address} belongs to program {owner}, not to {expected}; is this the right cluster?")]
    WrongOwner {
        /// The account.
        address: Pubkey,
        /// Who owns it.
        owner: Pubkey,
        /// Who should.
        expected: Pubkey,
    },
    /// It is another kind of account.
    #[error("account {address} is not a {kind}")]
    WrongKind {
        /// The account.
        address: Pubkey,
        /// What was asked for.
        kind: &'static str,
    },
    /// It was written by another version of the program.
    #[error("account {address} ({kind}) has layout version {found}, this program reads version {VERSION}; update it")]
    WrongVersion {
        /// The account.
        address: Pubkey,
        /// What was asked for.
        kind: &'static str,
        /// The version found.
        found: u8,
    },
    /// Its bytes contradict themselves.
    #[error("account {address} ({kind}) is damaged: {what}")]
    Damaged {
        /// The account.
        address: Pubkey,
        /// What was asked for.
        kind: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

/// An account of one of the programs.
pub trait Kind: Pod + Discriminator + Owner {
    /// Its name.
    const KIND: &'static str;
}

macro_rules! kinds {
    ($($type:ty => $name:literal),* $(,)?) => { $(impl Kind for $type { const KIND: &'static str = $name; })* };
}

kinds!(
    Config => "market configuration", Purse => "purse", Provider => "provider", Offer => "offer", Job => "job",
    Lease => "lease", PriceIndex => "price index", StakingConfig => "staking configuration", Bond => "bond",
    Reservation => "reservation", Commitment => "sealed bid", GpuClaim => "GPU claim", Delegation => "delegation",
    Unbonding => "request to unbond", Array => "array", TaskGroup => "task group",
);

/// Decodes the account at `address`.
///
/// # Errors
/// [`DecodeError`] where owner, discriminator, size or version are not those of `T`.
pub fn decode<T: Kind>(address: &Pubkey, owner: &Pubkey, data: &[u8]) -> Result<T, DecodeError> {
    if *owner != T::owner() {
        return Err(DecodeError::WrongOwner { address: *address, owner: *owner, expected: T::owner() });
    }
    let body = data.strip_prefix(T::DISCRIMINATOR).and_then(|rest| rest.get(..size_of::<T>()));
    let Some(body) = body else { return Err(DecodeError::WrongKind { address: *address, kind: T::KIND }) };
    match body.first() {
        Some(&VERSION) => Ok(bytemuck::pod_read_unaligned(body)),
        found => {
            Err(DecodeError::WrongVersion { address: *address, kind: T::KIND, found: found.copied().unwrap_or(0) })
        }
    }
}

/// Bytes of an account of type `T` without a tail, for a `dataSize` filter.
pub const fn size<T: Kind>() -> usize {
    8 + size_of::<T>()
}

/// The manifest's URI behind the fixed part of a job; `None` where the buyer pushes it.
///
/// # Errors
/// [`DecodeError::Damaged`] where the account is too short or the URI is not text.
pub fn manifest_uri(address: &Pubkey, job: &Job, data: &[u8]) -> Result<Option<String>, DecodeError> {
    let damaged = |what| DecodeError::Damaged { address: *address, kind: Job::KIND, what };
    if job.uri_len == 0 {
        return Ok(None);
    }
    let from = size::<Job>();
    let bytes = data.get(from..from + usize::from(job.uri_len)).ok_or_else(|| damaged("the URI is cut off"))?;
    let uri = core::str::from_utf8(bytes).map_err(|_| damaged("the URI is not UTF-8"))?;
    Ok(Some(uri.to_owned()))
}

impl Array {
    /// State; `None` for a byte that this version does not know.
    pub fn state(&self) -> Option<ArrayState> {
        ArrayState::from_byte(self.header.state).ok()
    }

    /// Why it is over.
    pub fn end_reason(&self) -> ArrayEnd {
        ArrayEnd::from_byte(self.reason).unwrap_or(ArrayEnd::None)
    }

    /// The moving parts, for the rules; `None` for a state that this version does not know.
    pub fn rules(&self) -> Option<ArrayRules> {
        Some(ArrayRules {
            state: self.state()?,
            reason: self.end_reason(),
            shape: Shape {
                count: self.count,
                quorum: self.quorum,
                replicas: self.replicas,
                parallel: self.parallel,
                budget: Atoms(self.budget),
            },
            cap: Atoms(self.cap),
            reserved: Atoms(self.reserved),
            spent: Atoms(self.spent),
            next: self.next,
            open: self.open,
            jobs: self.jobs,
            completed: self.completed,
            failed: self.failed,
            not_before: UnixTs(self.not_before),
            quiet: self.quiet,
        })
    }

    /// Its tasks, in order, out of the account's data.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] where the account is too short.
    pub fn tasks(&self, address: &Pubkey, data: &[u8]) -> Result<Vec<Task>, DecodeError> {
        let from = size::<Array>();
        let bytes = data.get(from..from + usize::from(self.count));
        let bytes = bytes.ok_or(DecodeError::Damaged {
            address: *address,
            kind: Array::KIND,
            what: "the tasks are cut off",
        })?;
        Ok(bytes.iter().copied().map(Task).collect())
    }
}

impl Purse {
    /// The purse's amounts, for the rules.
    pub fn amounts(&self) -> PurseAmounts {
        PurseAmounts { balance: Atoms(self.balance), reserved: Atoms(self.reserved), fees_owed: Atoms(self.fees_owed) }
    }

    /// The spender's cap and what it used of it, for the rules.
    pub fn spender_rules(&self) -> gridlease_core::spender::Spender {
        gridlease_core::spender::Spender {
            cap: Atoms(self.spender_cap),
            spent: Atoms(self.spender_spent),
            period_start: UnixTs(self.spender_period_start),
            period: gridlease_core::Seconds(self.spender_period_s.into()),
        }
    }

    /// What can be reserved or withdrawn; zero for a damaged account.
    pub fn free(&self) -> Atoms {
        self.amounts().free().unwrap_or(Atoms::ZERO)
    }
}

impl Provider {
    /// What of its history counts in a score.
    pub fn merit(&self) -> Merit {
        let history = Reputation {
            standing: Bps(self.standing),
            uptime: Bps(self.uptime),
            start_s: self.start_s,
            started: self.started,
            completed: self.completed,
            faulted: self.faulted,
        };
        Merit { reputation: history.standing, uptime: history.uptime, speed: history.speed() }
    }

    /// URL of the node's API.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] where it is not text.
    pub fn endpoint_url(&self, address: &Pubkey) -> Result<&str, DecodeError> {
        let bytes = self.endpoint.get(..usize::from(self.endpoint_len)).unwrap_or_default();
        core::str::from_utf8(bytes).map_err(|_| DecodeError::Damaged {
            address: *address,
            kind: Provider::KIND,
            what: "the endpoint is not UTF-8",
        })
    }
}

impl PriceIndex {
    /// What is rented, in words: "h100 in eu".
    pub fn class(&self) -> String {
        let model = model_name(self.gpu_model).unwrap_or("unknown");
        format!("{model} in {}", region_name(self.region).unwrap_or("unknown"))
    }

    /// The trades in the ring, in no order of time.
    pub fn in_ring(&self) -> &[TradeData] {
        self.trades.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Different buyers in the ring; an index of few is the word of few.
    pub fn buyers(&self) -> usize {
        let mut marks: Vec<_> = self.in_ring().iter().map(|trade| trade.buyer).collect();
        marks.sort_unstable();
        marks.dedup();
        marks.len()
    }
}

impl Bond {
    /// The bond's amounts, for the rules.
    pub fn amounts(&self) -> BondAmounts {
        BondAmounts { amount: Atoms(self.amount), reserved: Atoms(self.reserved), unbonding: Atoms(self.unbonding) }
    }

    /// Whose stake is in it, for the rules.
    pub fn stake(&self) -> Stake {
        Stake {
            own: Atoms(self.own),
            exit: SharePool { assets: Atoms(self.exit_assets), shares: self.exit_shares },
            delegated: SharePool { assets: Atoms(self.delegated_assets), shares: self.delegated_shares },
            leaving: self.leaving_shares,
            reserved: Atoms(self.reserved),
        }
    }

    /// What of its revenue vault belongs to whom, for the rules.
    pub fn revenue_owed(&self) -> Revenue {
        Revenue {
            operator_owed: Atoms(self.operator_owed),
            delegators_owed: Atoms(self.delegators_owed),
            per_share: u128::from_le_bytes(self.per_share),
        }
    }

    /// What the operator keeps of the delegators' revenue, for the rules.
    pub fn terms(&self) -> Commission {
        Commission { rate: Bps(self.commission), next: Bps(self.next_commission), from: UnixTs(self.commission_from) }
    }

    /// Has its operator opened it to delegators?
    pub fn has_pool(&self) -> bool {
        self.revenue != Pubkey::default()
    }

    /// The first bytes of each delegator's address.
    pub fn delegator_marks(&self) -> &[[u8; 8]] {
        self.marks.get(..usize::from(self.delegators_len)).unwrap_or_default()
    }

    /// May two bonds not be taken for independent of each other: same operator, or a delegator with the same mark?
    pub fn shares_anyone_with(&self, other: &Self) -> bool {
        let marks = other.delegator_marks();
        self.authority == other.authority || self.delegator_marks().iter().any(|mark| marks.contains(mark))
    }
}

impl Delegation {
    /// What its stake that is not on its way out is worth in `bond`; zero for a damaged account.
    pub fn worth(&self, bond: &Bond) -> Atoms {
        bond.stake().delegated.worth_down(self.shares).unwrap_or_default()
    }

    /// What it can claim once what arrived is distributed; zero for a damaged account.
    pub fn claimable(&self, bond: &Bond) -> Atoms {
        let earned = bond.revenue_owed().earned_down(self.shares, u128::from_le_bytes(self.entry));
        earned.and_then(|earned| earned.add(Atoms(self.owed))).unwrap_or_default()
    }
}

impl Unbonding {
    /// Is it the operator's (and not a delegator's)?
    pub fn is_operators(&self) -> bool {
        self.kind == UNBONDING_OF_OPERATOR
    }

    /// What it is worth in `bond` now; slashes lower it until it is withdrawn. Zero for a damaged account.
    pub fn worth(&self, bond: &Bond) -> Atoms {
        let stake = bond.stake();
        let pool = if self.is_operators() { stake.exit } else { stake.delegated };
        pool.worth_down(self.shares).unwrap_or_default()
    }

    /// When it matures.
    pub fn matures(&self) -> UnixTs {
        UnixTs(self.header.due_ts)
    }
}

impl Provider {
    /// A bidder with `offer` and `bond` for `job`, for the rules; `key` is the address of this record.
    pub fn bidder(&self, key: &Pubkey, offer: &Offer, bond: BondAmounts, job: &Job) -> Bidder {
        let live = offer.header.state == OFFER_LIVE;
        Bidder {
            live_until: UnixTs(if live { offer.header.due_ts } else { 0 }),
            units_free: offer.units_free,
            excluded: job.excludes(key),
            claims: offer.claims(),
            unit: offer.unit(),
            reputation: Bps(self.standing),
            bond,
        }
    }
}

impl Offer {
    /// What of it counts for its claims of GPUs, for the rules.
    pub fn claims(&self) -> gridlease_core::gpu_claim::Claims {
        gridlease_core::gpu_claim::Claims {
            units: self.units,
            units_free: self.units_free,
            gpu_count: self.spec.gpu_count,
            claimed: self.claimed,
        }
    }

    /// Does the offer take leases at `now`?
    pub fn is_live(&self, now: UnixTs) -> bool {
        self.header.state == OFFER_LIVE && self.header.due_ts > now.0
    }

    /// What one unit has, for the rules.
    pub fn unit(&self) -> gridlease_core::requirement::OfferSpec {
        let spec = &self.spec;
        gridlease_core::requirement::OfferSpec {
            gpu_model: spec.gpu_model,
            gpu_count: spec.gpu_count,
            vram_mib: spec.vram_mib,
            compute_capability: spec.compute_capability,
            cuda: spec.cuda,
            cpu_milli: spec.cpu_milli,
            memory_mib: spec.memory_mib,
            disk_mib: spec.disk_mib,
            region: spec.region,
            down_mbit: spec.down_mbit,
            up_mbit: spec.up_mbit,
            flags: spec.flags,
        }
    }

    /// The machine in words: "2 × h100 (80 GiB)", or "CPU".
    pub fn machine(&self) -> String {
        if self.spec.gpu_count == 0 {
            return "CPU".to_owned();
        }
        let model = model_name(self.spec.gpu_model).unwrap_or("unknown");
        format!("{} × {model} ({} GiB)", self.spec.gpu_count, self.spec.vram_mib / 1_024)
    }

    /// The region in words.
    pub fn region(&self) -> &'static str {
        region_name(self.spec.region).unwrap_or("unknown")
    }
}

impl Job {
    /// State; `None` for a byte that this version does not know.
    pub fn state(&self) -> Option<JobState> {
        JobState::from_byte(self.header.state).ok()
    }

    /// Why it ended.
    pub fn end_reason(&self) -> EndReason {
        EndReason::from_byte(self.reason).unwrap_or(EndReason::None)
    }

    /// Exit code, where a container ran.
    pub fn exit(&self) -> Option<i32> {
        (self.has_exit == 1).then_some(self.exit_code)
    }

    /// The bids, best first.
    pub fn bids(&self) -> &[BookEntry] {
        self.book.get(..usize::from(self.book_len)).unwrap_or_default()
    }

    /// Address of the lease opened last, where there was one.
    pub fn current_lease(&self, address: &Pubkey) -> Option<Pubkey> {
        self.leases.checked_sub(1).map(|number| crate::address::lease(address, number))
    }

    /// What it needs, for the rules.
    pub fn need(&self) -> gridlease_core::requirement::Requirement {
        let need = &self.requirement;
        gridlease_core::requirement::Requirement {
            gpu_models: need.gpu_models,
            gpu_count: need.gpu_count,
            vram_mib: need.vram_mib,
            compute_capability: need.compute_capability,
            cuda: need.cuda,
            cpu_milli: need.cpu_milli,
            memory_mib: need.memory_mib,
            disk_mib: need.disk_mib,
            regions: need.regions,
            down_mbit: need.down_mbit,
            up_mbit: need.up_mbit,
            flags: need.flags,
            min_stake: Atoms(need.min_stake),
            min_reputation: Bps(need.min_reputation),
        }
    }

    /// What it asks of a bidder, for the rules.
    pub fn wanted(&self) -> Wanted {
        Wanted { need: self.need(), max_duration: Seconds(self.max_duration_s.into()) }
    }

    /// Until when a bidder's offer must live at least: the earliest award.
    pub fn award_ts(&self) -> UnixTs {
        UnixTs(if self.sealed > 0 { self.close_ts.max(self.reveal_end) } else { self.close_ts })
    }

    /// Did this provider fail the job before?
    pub fn excludes(&self, provider: &Pubkey) -> bool {
        let marks = self.excluded.get(..usize::from(self.excluded_len)).unwrap_or_default();
        marks.iter().any(|mark| provider.as_ref().starts_with(mark))
    }
}

impl Lease {
    /// State; `None` for a byte that this version does not know.
    pub fn state(&self) -> Option<LeaseState> {
        LeaseState::from_byte(self.header.state).ok()
    }

    /// Why it ended.
    pub fn end_reason(&self) -> EndReason {
        EndReason::from_byte(self.reason).unwrap_or(EndReason::None)
    }

    /// Exit code, where one was reported.
    pub fn exit(&self) -> Option<i32> {
        (self.has_exit == 1).then_some(self.exit_code)
    }

    /// The moving parts, for the rules; `None` for a state that this version does not know.
    pub fn rules(&self) -> Option<gridlease_core::lease::Lease> {
        Some(gridlease_core::lease::Lease {
            state: self.state()?,
            reason: self.end_reason(),
            price: PricePerHour(self.price),
            slot_ms: self.slot_ms,
            fee_bps: Bps(self.fee_bps),
            reserved: Atoms(self.reserved),
            base: Atoms(self.base),
            paid: Atoms(self.paid),
            fee: Atoms(self.fee),
            refunded: Atoms(self.refunded),
            segment: Now { slot: self.segment_slot, ts: UnixTs(self.segment_ts) },
            start_deadline: UnixTs(self.start_deadline),
            ready_ts: UnixTs(self.ready_ts),
            runway_end: UnixTs(self.runway_end),
            grace_end: UnixTs(self.grace_end),
            ended_ts: UnixTs(self.ended_ts),
            durable: self.durable == 1,
            confirmed: Atoms(self.confirmed),
            challenge_end: UnixTs(self.challenge_end),
            challenge_gross: Atoms(self.challenge_gross),
            down_since: UnixTs(self.down_since),
            credited: Seconds(self.credited_s.into()),
            credit: Atoms(self.credit),
            collected: Atoms(self.collected),
            notice: Seconds(self.notice_s.into()),
            notice_end: UnixTs(self.notice_end),
        })
    }
}
