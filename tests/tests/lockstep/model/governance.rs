//! The configurations of both programs.

use gridlease_core::governance::{self, Caps, Parameters};
use gridlease_core::timelock::{executable_from, slasher_from};
use gridlease_core::verdict::takes_class;
use gridlease_core::{Atoms, Bps, UnixTs};
use solana_pubkey::Pubkey;

use super::{Answer, InMarket, Model, require};
use crate::command::By;
use crate::command::governance::{Change, GovernanceStep};

/// Lists of slashers that are proposed: the market alone, with another, another alone, none, the market twice.
pub const SLASHERS: u8 = 5;

/// What was proposed to the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    pub treasury: Pubkey,
    pub verifier: Pubkey,
    pub terms: Parameters,
    /// Of purses and of jobs.
    pub caps: (u64, u64),
    pub due: u64,
}

/// The market's configuration; the treasury stands in the model itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketConfig {
    pub admin: Pubkey,
    pub pending_admin: Pubkey,
    pub terms: Parameters,
    pub caps: Caps,
    pub verifier: Pubkey,
    pub paused: bool,
    pub proposals: u64,
    pub next: Option<Proposal>,
}

/// The staking program's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StakingConfig {
    pub admin: Pubkey,
    pub pending_admin: Pubkey,
    pub insurance: Pubkey,
    pub slashers: [Pubkey; 4],
    /// Of bonds.
    pub cap: Atoms,
    /// Insurance, slashers, cap, and from when on.
    pub next: Option<(Pubkey, [Pubkey; 4], u64, u64)>,
    /// The market, as a slasher.
    pub market: Pubkey,
}

impl MarketConfig {
    /// What a market begins with.
    pub fn new(admin: Pubkey) -> Self {
        Self {
            admin,
            pending_admin: Pubkey::default(),
            terms: Parameters::GENESIS,
            caps: Caps::GENESIS,
            verifier: Pubkey::default(),
            paused: false,
            proposals: 0,
            next: None,
        }
    }
}

impl StakingConfig {
    /// What the staking program begins with.
    pub fn new(admin: Pubkey, insurance: Pubkey, market: Pubkey) -> Self {
        let slashers = [market, Pubkey::default(), Pubkey::default(), Pubkey::default()];
        Self {
            admin,
            pending_admin: Pubkey::default(),
            insurance,
            slashers,
            cap: Caps::GENESIS.bond,
            next: None,
            market,
        }
    }

    /// The cap of bonds.
    pub fn caps(&self) -> Caps {
        Caps { bond: self.cap, ..Caps::GENESIS }
    }

    /// May the market reserve and slash?
    pub fn names_market(&self) -> bool {
        self.slashers.contains(&self.market)
    }

    /// One of the lists that are proposed.
    pub fn list(&self, at: u8) -> [Pubkey; 4] {
        let (none, market) = (Pubkey::default(), self.market);
        let other = Pubkey::new_from_array([9; 32]);
        match at % SLASHERS {
            0 => [market, none, none, none],
            1 => [none, other, market, none],
            2 => [other, none, none, none],
            3 => [none; 4],
            _ => [market, none, none, market],
        }
    }
}

impl Model {
    /// What comes in is refused while intake is paused.
    pub(super) fn intake(&self) -> Answer {
        require(!self.market.paused, "market Paused")
    }

    /// As [`Model::intake`], for a posting of a verification class, which somebody must be there to verify.
    pub(super) fn intake_of(&self, class: u8) -> Answer {
        self.intake()?;
        require(takes_class(class, self.market.verifier != Pubkey::default()), "market NotTaken")
    }

    /// A job or an array reserves no more than the market takes.
    pub(super) fn under_cap(&self, reserved: Atoms) -> Answer {
        self.market.caps.check_job(reserved).market()
    }

    /// The fund that a command names, 0 being `right`.
    pub fn fund(&self, fund: u8, right: Pubkey) -> Pubkey {
        match usize::from(fund).checked_sub(1) {
            Some(at) => self.funds[at % self.funds.len()],
            None => right,
        }
    }

    /// Nobody, or one of the two keys that are ever named.
    pub fn admin(&self, to: u8) -> Pubkey {
        match to % 3 {
            0 => Pubkey::default(),
            1 => self.people[self.people.len() - 1],
            _ => self.founder,
        }
    }

    /// Is the fund of the market's mint?
    fn is_ours(&self, fund: Pubkey) -> bool {
        self.tokens.contains_key(&fund)
    }

    /// Can the market name this as a place that is paid?
    fn payable(&self, fund: Pubkey) -> Answer {
        require(self.is_ours(fund), "market WrongTokenAccount")?;
        require(!self.frozen.contains(&fund), "market FrozenTokenAccount")
    }

    pub(super) fn govern(&mut self, step: &GovernanceStep) -> Answer {
        match *step {
            GovernanceStep::SetPaused { by, paused } => {
                self.by_admin(by)?;
                self.noted.push(if paused { "intake was paused" } else { "intake was opened" });
                self.market.paused = paused;
                Ok(())
            }
            GovernanceStep::ProposeChange { by, change } => self.propose_change(by, &change),
            GovernanceStep::CancelChange { by } => {
                self.by_admin(by)?;
                self.market.next.take().map(drop).ok_or_else(|| "market NoProposal".to_owned())
            }
            GovernanceStep::ExecuteChange { other } => self.execute_change(other),
            GovernanceStep::LowerCaps { by, caps } => {
                self.by_admin(by)?;
                let next = Caps { purse: Atoms(caps.0), job: Atoms(caps.1), ..self.market.caps };
                self.market.caps.lower_to(&next).market()?;
                self.noted.push("the market's caps were lowered");
                self.market.caps = next;
                Ok(())
            }
            GovernanceStep::LowerCap { by, cap } => {
                self.by_staking_admin(by)?;
                let next = Caps { bond: Atoms(cap), ..Caps::GENESIS };
                self.staking.caps().lower_to(&next).staking()?;
                self.noted.push("the cap of bonds was lowered");
                self.staking.cap = Atoms(cap);
                Ok(())
            }
            GovernanceStep::NameAdmin { by, to } => {
                self.by_admin(by)?;
                self.market.pending_admin = self.admin(to);
                Ok(())
            }
            GovernanceStep::AcceptAdmin { by } => {
                let pending = self.market.pending_admin;
                let signer = self.signer(by, self.accepting(pending));
                require(signer == pending, "market NotPendingAdmin")?;
                (self.market.admin, self.market.pending_admin) = (signer, Pubkey::default());
                Ok(())
            }
            GovernanceStep::ProposeConfig { by, insurance, slashers, cap } => {
                self.propose_config(by, insurance, slashers, cap)
            }
            GovernanceStep::CancelConfig { by } => {
                self.by_staking_admin(by)?;
                self.staking.next.take().map(drop).ok_or_else(|| "staking NothingProposed".to_owned())
            }
            GovernanceStep::ExecuteConfig { other } => self.execute_config(other),
            GovernanceStep::NameStakingAdmin { by, to } => {
                self.by_staking_admin(by)?;
                self.staking.pending_admin = self.admin(to);
                Ok(())
            }
            GovernanceStep::AcceptStakingAdmin { by } => {
                let pending = self.staking.pending_admin;
                require(pending != Pubkey::default(), "staking NothingProposed")?;
                let signer = self.signer(by, pending);
                require(signer == pending, "staking WrongAdmin")?;
                (self.staking.admin, self.staking.pending_admin) = (signer, Pubkey::default());
                Ok(())
            }
        }
    }

    /// Who signs where the one who was named should: somebody, where nobody was.
    pub fn accepting(&self, pending: Pubkey) -> Pubkey {
        if pending == Pubkey::default() { self.founder } else { pending }
    }

    fn by_admin(&self, by: By) -> Answer {
        require(self.signer(by, self.market.admin) == self.market.admin, "market NotAdmin")
    }

    fn by_staking_admin(&self, by: By) -> Answer {
        require(self.signer(by, self.staking.admin) == self.staking.admin, "staking WrongAdmin")
    }

    fn propose_change(&mut self, by: By, change: &Change) -> Answer {
        let now = self.now.ts;
        self.by_admin(by)?;
        let terms = Parameters { fee: Bps(change.fee), slot_ms: change.slot_ms };
        terms.check().market()?;
        Self::caps(change.caps).check().market()?;
        let pending = self.market.next.map_or(UnixTs::ZERO, |next| UnixTs(next.due));
        require(!governance::stands(pending, now), "market ProposalPending")?;
        let treasury = self.fund(change.treasury, self.treasury);
        self.payable(treasury)?;
        let due = governance::due(now).market()?.0;
        if self.market.next.is_some() {
            self.noted.push("a proposal took the place of one that had lapsed");
        }
        let verifier = self.somebody(change.verifier);
        self.market.next = Some(Proposal { treasury, verifier, terms, caps: change.caps, due });
        self.market.proposals += 1;
        Ok(())
    }

    fn caps((purse, job): (u64, u64)) -> Caps {
        Caps { purse: Atoms(purse), job: Atoms(job), ..Caps::GENESIS }
    }

    fn execute_change(&mut self, other: Option<u8>) -> Answer {
        let Some(next) = self.market.next else {
            self.noted.push("no change was there to be executed");
            return Ok(());
        };
        governance::check_execute(UnixTs(next.due), self.now.ts).market()?;
        next.terms.check().market()?;
        Self::caps(next.caps).check().market()?;
        let treasury = self.to_execute(other);
        require(treasury == next.treasury, "market WrongTokenAccount")?;
        self.payable(treasury)?;
        self.treasury = treasury;
        self.market.caps = Self::caps(next.caps);
        (self.market.terms, self.market.verifier) = (next.terms, next.verifier);
        self.market.next = None;
        self.noted.push("a change was executed");
        Ok(())
    }

    /// The account with which a change of the market is executed.
    pub fn to_execute(&self, other: Option<u8>) -> Pubkey {
        self.fund(other.unwrap_or(0), self.market.next.map_or(self.treasury, |next| next.treasury))
    }

    /// The account with which a change of the staking program is executed.
    pub fn to_execute_staking(&self, other: Option<u8>) -> Pubkey {
        self.fund(other.unwrap_or(0), self.staking.next.map_or(self.staking.insurance, |next| next.0))
    }

    fn propose_config(&mut self, by: By, insurance: u8, slashers: u8, cap: u64) -> Answer {
        let now = self.now.ts;
        self.by_staking_admin(by)?;
        let insurance = self.fund(insurance, self.staking.insurance);
        require(self.is_ours(insurance), "staking WrongInsurance")?;
        let list = self.staking.list(slashers);
        let named: Vec<_> = list.iter().filter(|key| **key != Pubkey::default()).collect();
        require(!named.is_empty(), "staking ZeroKey")?;
        let once = named.iter().all(|key| named.iter().filter(|other| other == &key).count() == 1);
        require(once, "staking UnknownSlasher")?;
        Caps { bond: Atoms(cap), ..Caps::GENESIS }.check().staking()?;
        let adds = named.iter().any(|key| !self.staking.slashers.contains(key));
        let from = if adds { slasher_from(now) } else { executable_from(now) }.staking()?;
        self.noted.push(if adds { "a new slasher was proposed" } else { "no new slasher was proposed" });
        self.staking.next = Some((insurance, list, cap, from.0));
        Ok(())
    }

    fn execute_config(&mut self, other: Option<u8>) -> Answer {
        let (insurance, slashers, cap, from) = self.staking.next.ok_or("staking NothingProposed")?;
        governance::check_execute(UnixTs(from), self.now.ts).staking()?;
        require(self.to_execute_staking(other) == insurance, "staking WrongInsurance")?;
        (self.staking.insurance, self.staking.slashers, self.staking.next) = (insurance, slashers, None);
        self.staking.cap = Atoms(cap);
        self.noted.push(if self.staking.names_market() { "slashers were set" } else { "the market lost its right" });
        Ok(())
    }
}
