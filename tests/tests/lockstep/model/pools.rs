//! Bonds: whose stake is in them, what of it is on its way out, and what it earns.

use std::collections::{BTreeMap, BTreeSet};

use gridlease_core::delegation::{self, Left, check_matured, check_minimum, check_place, matures};
use gridlease_core::limits::MAX_REQUESTS;
use gridlease_core::revenue::{Commission, Revenue};
use gridlease_core::{Atoms, Bps, RuleError, RuleResult, UnixTs};
use gridlease_sdk::address;
use solana_pubkey::Pubkey;

use super::claims::Claim;
use super::{Answer, GONE_IN_STAKING, InMarket, Model, THERE_ALREADY, require};
use crate::command::By;
use crate::command::pools::{PoolStep, PoolTerms, To};
use crate::scene::BUYERS;

/// An instruction that makes an account at an address that follows from who signs, signed by another.
const WRONG_SEEDS: &str = "staking ConstraintSeeds";
/// A token account that an instruction reads and that is not there.
pub(super) const NO_ACCOUNT: &str = "staking AccountNotInitialized";

/// A bond that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    pub totals: delegation::Stake,
    pub slashed: u64,
    pub added: u64,
    pub withdrawn: u64,
    /// Paid to claims.
    pub claimed: u64,
    /// Slashed for the insurance fund and still in the vault.
    pub insurance_owed: u64,
    pub leases: u32,
    /// The operator's open requests, and the number of its next one.
    pub requests: u8,
    pub next_number: u32,
    pub pool: Option<Pool>,
}

impl Stake {
    /// What a new lease can reserve.
    pub fn free(&self) -> RuleResult<Atoms> {
        self.totals.bond()?.free()
    }
}

/// A pool that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub revenue: Revenue,
    pub commission: Commission,
    pub least: u64,
    pub payout: Pubkey,
}

/// Who has stake in a bond besides its operator, and all that is on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Holdings {
    /// The revenue vault, where there is one.
    pub revenue: Pubkey,
    /// By holder.
    pub delegations: BTreeMap<usize, Holding>,
    /// The holders that have a place.
    pub places: Vec<usize>,
    /// Those of them whose delegation was large enough to make kin at its last step.
    pub kin: BTreeSet<usize>,
    /// What is claimed out of which lease's reservation, and what was.
    pub claims: Vec<Claim>,
    /// Open requests.
    pub requests: Vec<Request>,
}

impl Holdings {
    /// Of a bond that nobody has a part of.
    pub fn new(bond: &Pubkey) -> Self {
        let revenue = address::bond_revenue(bond);
        Self {
            revenue,
            delegations: BTreeMap::new(),
            places: Vec::new(),
            kin: BTreeSet::new(),
            claims: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Request number `at` of those of an owner (`None`: the operator).
    pub fn request(&self, owner: Option<usize>, at: u8) -> Option<usize> {
        let own: Vec<_> = (0..self.requests.len()).filter(|place| self.requests[*place].owner == owner).collect();
        (!own.is_empty()).then(|| own[usize::from(at) % own.len()])
    }
}

/// A delegation that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    pub key: Pubkey,
    pub rules: delegation::Delegation,
    pub owed: u64,
    pub entry: u128,
    pub next_number: u32,
    pub destination: Pubkey,
}

impl Holding {
    /// Books what its shares earned.
    fn settle(&mut self, revenue: &Revenue) -> Answer {
        let earned = revenue.earned_down(self.rules.earning(), self.entry).staking()?;
        self.owed = Atoms(self.owed).add(earned).staking()?.0;
        self.entry = revenue.per_share;
        Ok(())
    }
}

/// An open request to unbond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub key: Pubkey,
    /// A holder; `None` for the operator.
    pub owner: Option<usize>,
    pub number: u32,
    pub shares: u64,
    pub matures: UnixTs,
    pub destination: Pubkey,
    /// Who paid its rent.
    pub rent_to: Pubkey,
}

/// The operator's terms for those who delegate.
fn terms_of(commission: u16, least: u64) -> RuleResult<Commission> {
    check_minimum(Atoms(least))?;
    Commission::new(Bps(commission))
}

impl Model {
    /// The bond of a provider, and changes in it.
    pub(super) fn stake(&mut self, provider: usize) -> Result<&mut Stake, String> {
        self.providers[provider].bond.as_mut().ok_or_else(|| GONE_IN_STAKING.to_owned())
    }

    /// Who may delegate: buyers and authorities.
    pub fn holder(&self, holder: usize) -> Pubkey {
        self.people[holder]
    }

    /// The holder's token account.
    pub fn wallet(&self, holder: usize) -> Pubkey {
        match holder.checked_sub(BUYERS) {
            Some(provider) => self.providers[provider].payout,
            None => self.buyers[holder].wallet,
        }
    }

    /// How many can delegate.
    pub fn holders(&self) -> usize {
        BUYERS + self.providers.len()
    }

    /// The token account of a holder, by its key.
    pub fn wallet_of(&self, key: Pubkey) -> Option<Pubkey> {
        self.people[..self.holders()].iter().position(|holder| *holder == key).map(|holder| self.wallet(holder))
    }

    /// The token account that a command names; `None` where there is none.
    pub fn account(&self, provider: usize, to: To, right: Pubkey) -> Option<Pubkey> {
        let holders = self.holders();
        let account = match usize::from(to) {
            0 => right,
            to if to <= holders => self.wallet(to - 1),
            to if to == holders + 1 => self.providers[provider].bond_vault,
            _ => self.providers[provider].holdings.revenue,
        };
        self.tokens.contains_key(&account).then_some(account)
    }

    /// Is it one of the bond's own vaults?
    pub(super) fn is_vault(&self, provider: usize, account: Pubkey) -> bool {
        let owner = &self.providers[provider];
        let pool = owner.bond.is_some_and(|stake| stake.pool.is_some());
        account == owner.bond_vault || (pool && account == owner.holdings.revenue)
    }

    /// Divides what arrived in the revenue vault; every step that changes somebody's stake does so first.
    pub(super) fn share_out(&mut self, provider: usize) -> Answer {
        let (now, vault) = (self.now.ts, self.providers[provider].holdings.revenue);
        let arrived = self.tokens.get(&vault).copied().unwrap_or(0);
        let stake = self.stake(provider)?;
        let Some(pool) = &mut stake.pool else { return Ok(()) };
        let parts = pool.revenue.distribute(Atoms(arrived), &stake.totals, pool.commission.at(now)).staking()?;
        if !parts.delegators.is_zero() {
            self.noted.push("revenue was shared with delegators");
        } else if !parts.operator.is_zero() {
            self.noted.push("revenue went to the operator alone");
        }
        Ok(())
    }

    /// Notes whether a holder that has a place makes the bond kin to others.
    fn mark(&mut self, provider: usize, holder: usize) {
        let owner = &mut self.providers[provider];
        let least = owner.bond.and_then(|stake| stake.pool).map_or(0, |pool| pool.least);
        let holdings = &mut owner.holdings;
        let placed = holdings.places.contains(&holder);
        let kin = holdings.delegations.get(&holder).is_some_and(|holding| holding.rules.makes_kin(Atoms(least)));
        if placed && kin {
            holdings.kin.insert(holder);
        } else {
            holdings.kin.remove(&holder);
        }
    }

    /// New stake becomes active: a holder's, or the operator's.
    fn activate(&mut self, provider: usize, holder: Option<usize>) -> Answer {
        let now = self.now.ts;
        if let Some(holder) = holder {
            self.both(provider, holder)?;
        }
        self.share_out(provider)?;
        let Some(holder) = holder else {
            let amount = self.stake(provider)?.totals.activate(now).staking()?;
            self.noted.push(if amount.is_zero() { "no stake waited" } else { "an operator's stake became active" });
            return Ok(());
        };
        let (mut stake, mut holding) = self.both(provider, holder)?;
        if let Some(pool) = &stake.pool {
            holding.settle(&pool.revenue)?;
        }
        let shares = holding.rules.activate(&mut stake.totals, now).staking()?;
        self.noted.push(if shares == 0 { "no stake waited" } else { "a delegator's stake became active" });
        self.put_both(provider, holder, stake, holding);
        self.mark(provider, holder);
        Ok(())
    }

    pub(super) fn pool(&mut self, provider: usize, step: &PoolStep) -> Answer {
        match *step {
            PoolStep::Endow { amount } => self.mint(self.providers[provider].bond_vault, amount),
            PoolStep::Earn { amount } => self.mint(self.providers[provider].holdings.revenue, amount),
            PoolStep::Open { by, terms } => self.open_pool(provider, by, &terms),
            PoolStep::Change { by, terms } => self.change_pool(provider, by, &terms),
            PoolStep::Join { holder, by, amount, to } => self.join(provider, holder, by, amount, to),
            PoolStep::Delegate { holder, by, amount } => self.delegate(provider, holder, by, amount),
            PoolStep::Undelegate { holder, by, amount, to, number_off } => {
                self.undelegate(provider, holder, by, amount, to, number_off)
            }
            PoolStep::Unbond { by, amount, to, number_off } => self.unbond(provider, by, amount, to, number_off),
            PoolStep::WithdrawDelegation { holder, at, signed, to } => {
                self.withdraw_request(provider, Some(holder), at, signed, to)
            }
            PoolStep::WithdrawStake { at, signed, to } => self.withdraw_request(provider, None, at, signed, to),
            PoolStep::Distribute => {
                let stake = self.stake(provider)?;
                require(stake.pool.is_some(), "staking PoolClosed")?;
                self.share_out(provider)
            }
            PoolStep::ClaimRevenue { holder, signed, to } => self.claim_revenue(provider, holder, signed, to),
            PoolStep::ClaimCommission { to } => self.claim_commission(provider, to),
            PoolStep::CloseDelegation { holder } => self.close_delegation(provider, holder),
            PoolStep::Close { by, to, with_revenue } => self.close_bond(provider, by, to, with_revenue),
            PoolStep::PayInsurance { fund } => self.pay_insurance(provider, fund),
            PoolStep::Sweep { by, to } => self.sweep_stake(provider, by, to),
            PoolStep::PayClaim { at, to_prover, signed, to } => self.pay_claim(provider, at, to_prover, signed, to),
            PoolStep::Activate { holder } => self.activate(provider, holder),
        }
    }

    /// The operator's own token account, or the one that a command names instead.
    fn named(&self, provider: usize, to: To) -> Result<Pubkey, String> {
        self.account(provider, to, self.providers[provider].payout).ok_or_else(|| NO_ACCOUNT.to_owned())
    }

    fn by_operator(&self, provider: usize, by: By) -> bool {
        let authority = self.providers[provider].authority;
        self.signer(by, authority) == authority
    }

    fn open_pool(&mut self, provider: usize, by: By, terms: &PoolTerms) -> Answer {
        let stake = *self.stake(provider)?;
        require(stake.pool.is_none(), THERE_ALREADY)?;
        require(self.by_operator(provider, by), "staking WrongAuthority")?;
        let payout = self.named(provider, terms.to)?;
        require(!self.is_vault(provider, payout), "staking WrongDestination")?;
        let commission = terms_of(terms.commission, terms.least).staking()?;
        let pool = Pool { revenue: Revenue::default(), commission, least: terms.least, payout };
        self.stake(provider)?.pool = Some(pool);
        self.tokens.insert(self.providers[provider].holdings.revenue, 0);
        Ok(())
    }

    fn change_pool(&mut self, provider: usize, by: By, terms: &PoolTerms) -> Answer {
        let now = self.now.ts;
        let stake = *self.stake(provider)?;
        require(self.by_operator(provider, by), "staking WrongAuthority")?;
        let pool = stake.pool.ok_or("staking PoolClosed")?;
        let payout = self.named(provider, terms.to)?;
        require(!self.is_vault(provider, payout), "staking WrongDestination")?;
        check_minimum(Atoms(terms.least)).staking()?;
        let mut commission = pool.commission;
        commission.set(Bps(terms.commission), now).staking()?;
        self.share_out(provider)?;
        let raised = commission.from != UnixTs::ZERO;
        if let Some(pool) = &mut self.stake(provider)?.pool {
            (pool.commission, pool.least, pool.payout) = (commission, terms.least, payout);
        }
        self.noted.push(if raised { "a higher commission was announced" } else { "a commission holds at once" });
        Ok(())
    }

    fn join(&mut self, provider: usize, holder: usize, by: By, amount: u64, to: To) -> Answer {
        let (delegator, authority) = (self.holder(holder), self.providers[provider].authority);
        let stake = *self.stake(provider)?;
        require(self.signer(by, delegator) == delegator, WRONG_SEEDS)?;
        let there = self.providers[provider].holdings.delegations.contains_key(&holder);
        require(!there, THERE_ALREADY)?;
        let destination = self.account(provider, to, self.wallet(holder)).ok_or(NO_ACCOUNT)?;
        let pool = stake.pool.ok_or("staking PoolClosed")?;
        require(delegator != authority, "staking OwnDelegation")?;
        require(!self.is_vault(provider, destination), "staking WrongDestination")?;
        let bond = self.providers[provider].bond_key;
        let holdings = &mut self.providers[provider].holdings;
        let holding = Holding {
            key: address::delegation(&bond, &delegator),
            rules: delegation::Delegation::default(),
            owed: 0,
            entry: pool.revenue.per_share,
            next_number: 0,
            destination,
        };
        holdings.delegations.insert(holder, holding);
        self.add_delegated(provider, holder, amount)
    }

    fn delegate(&mut self, provider: usize, holder: usize, by: By, amount: u64) -> Answer {
        let delegator = self.holder(holder);
        self.stake(provider)?;
        let there = self.providers[provider].holdings.delegations.contains_key(&holder);
        require(there, GONE_IN_STAKING)?;
        require(self.signer(by, delegator) == delegator, "staking WrongDelegator")?;
        self.add_delegated(provider, holder, amount)
    }

    fn add_delegated(&mut self, provider: usize, holder: usize, amount: u64) -> Answer {
        self.share_out(provider)?;
        let (mut stake, mut holding) = self.both(provider, holder)?;
        let pool = stake.pool.ok_or("staking PoolClosed")?;
        holding.settle(&pool.revenue)?;
        let issued = holding.rules.add(&mut stake.totals, Atoms(amount), Atoms(pool.least), self.now.ts).staking()?;
        stake.added = Atoms(stake.added).add(Atoms(amount)).staking()?.0;
        if issued != amount {
            self.noted.push("shares were given after a slash");
        }
        let places = &mut self.providers[provider].holdings.places;
        if !places.contains(&holder) {
            check_place(u8::try_from(places.len()).unwrap_or(u8::MAX)).staking()?;
            places.push(holder);
        }
        self.staking.caps().check_stake(stake.totals.amount().staking()?).staking()?;
        self.put_both(provider, holder, stake, holding);
        self.mark(provider, holder);
        self.transfer(self.wallet(holder), self.providers[provider].bond_vault, amount, true)
    }

    /// Copies of a bond and of one delegation to it.
    fn both(&self, provider: usize, holder: usize) -> Result<(Stake, Holding), String> {
        let owner = &self.providers[provider];
        let stake = owner.bond.ok_or(GONE_IN_STAKING)?;
        Ok((stake, *owner.holdings.delegations.get(&holder).ok_or(GONE_IN_STAKING)?))
    }

    fn put_both(&mut self, provider: usize, holder: usize, stake: Stake, holding: Holding) {
        let owner = &mut self.providers[provider];
        owner.bond = Some(stake);
        owner.holdings.delegations.insert(holder, holding);
    }

    /// Is there an open request of this owner with this number?
    fn has_request(&self, provider: usize, owner: Option<usize>, number: u32) -> bool {
        let requests = &self.providers[provider].holdings.requests;
        requests.iter().any(|request| (request.owner, request.number) == (owner, number))
    }

    fn unbond(&mut self, provider: usize, by: By, amount: u64, to: To, number_off: i8) -> Answer {
        let (now, authority) = (self.now.ts, self.providers[provider].authority);
        let stake = *self.stake(provider)?;
        let number = stake.next_number.saturating_add_signed(number_off.into());
        require(self.by_operator(provider, by), WRONG_SEEDS)?;
        require(!self.has_request(provider, None, number), THERE_ALREADY)?;
        if stake.requests >= MAX_REQUESTS {
            return Err(RuleError::TooManyRequests).staking();
        }
        require(number == stake.next_number, "staking WrongUnbonding")?;
        let destination = self.named(provider, to)?;
        require(!self.is_vault(provider, destination), "staking WrongDestination")?;
        let matures = matures(now).staking()?;
        self.share_out(provider)?;
        let bond = self.providers[provider].bond_key;
        let stake = self.stake(provider)?;
        let shares = stake.totals.unbond(Atoms(amount), now).staking()?;
        stake.requests += 1;
        stake.next_number += 1;
        let key = address::unbonding(&bond, &authority, number);
        let request = Request { key, owner: None, number, shares, matures, destination, rent_to: authority };
        self.providers[provider].holdings.requests.push(request);
        Ok(())
    }

    fn undelegate(&mut self, provider: usize, holder: usize, by: By, amount: u64, to: To, number_off: i8) -> Answer {
        let (now, delegator) = (self.now.ts, self.holder(holder));
        let (authority, bond) = (self.providers[provider].authority, self.providers[provider].bond_key);
        let signer = self.signer(by, delegator);
        let (_, holding) = self.both(provider, holder)?;
        let number = holding.next_number.saturating_add_signed(number_off.into());
        require(!self.has_request(provider, Some(holder), number), THERE_ALREADY)?;
        let own = signer == delegator;
        require(own || signer == authority, "staking WrongDelegator")?;
        require(number == holding.next_number, "staking WrongUnbonding")?;
        let destination = self.account(provider, to, holding.destination).ok_or(NO_ACCOUNT)?;
        if destination != holding.destination {
            let payable = !self.frozen.contains(&destination) && !self.is_vault(provider, destination);
            require(own && payable, "staking WrongDestination")?;
        }
        let matures = matures(now).staking()?;
        self.share_out(provider)?;
        let (mut stake, mut holding) = self.both(provider, holder)?;
        holding.settle(&stake.pool.ok_or("staking PoolClosed")?.revenue)?;
        let shares = holding.rules.request(&mut stake.totals, Atoms(amount), !own, now).staking()?;
        holding.next_number += 1;
        self.put_both(provider, holder, stake, holding);
        self.mark(provider, holder);
        let key = address::unbonding(&bond, &delegator, number);
        let request = Request { key, owner: Some(holder), number, shares, matures, destination, rent_to: signer };
        self.providers[provider].holdings.requests.push(request);
        self.noted.push(if own { "a delegator left" } else { "the operator sent a delegator off" });
        Ok(())
    }

    /// Pays out a request of the operator (`owner` is `None`) or of a delegator.
    fn withdraw_request(&mut self, provider: usize, owner: Option<usize>, at: u8, signed: bool, to: To) -> Answer {
        let now = self.now.ts;
        let mut stake = *self.stake(provider)?;
        let mut holding = match owner {
            Some(holder) => Some(self.both(provider, holder)?.1),
            None => None,
        };
        let place = self.providers[provider].holdings.request(owner, at).ok_or(GONE_IN_STAKING)?;
        let request = self.providers[provider].holdings.requests[place];
        let destination = self.account(provider, to, request.destination).ok_or(NO_ACCOUNT)?;
        let named = destination == request.destination || signed;
        require(named && !self.is_vault(provider, destination), "staking WrongDestination")?;
        let pool = if owner.is_some() { &stake.totals.delegated } else { &stake.totals.exit };
        check_matured(pool, request.shares, request.matures, now).staking()?;
        let Left { amount, shares } = if owner.is_some() {
            stake.totals.withdraw_delegated(request.shares).staking()?
        } else {
            stake.totals.withdraw(request.shares).staking()?
        };
        stake.withdrawn += amount.0;
        let all = shares == request.shares;
        if all {
            match &mut holding {
                Some(holding) => holding.rules.requests -= 1,
                None => stake.requests -= 1,
            }
            self.providers[provider].holdings.requests.remove(place);
            self.closed.push(request.key);
        } else {
            self.providers[provider].holdings.requests[place].shares -= shares;
        }
        self.noted.push(match (all, amount.is_zero(), now < request.matures) {
            (_, _, true) => "a request that a slash left nothing of was closed early",
            (true, true, _) => "a request was worth nothing",
            (true, false, _) => "a request was paid out",
            (false, ..) => "a request was paid in part, the rest stands behind leases",
        });
        self.providers[provider].bond = Some(stake);
        if let (Some(holder), Some(holding)) = (owner, holding) {
            self.providers[provider].holdings.delegations.insert(holder, holding);
        }
        self.pay_out(self.providers[provider].bond_vault, destination, amount)
    }

    fn claim_revenue(&mut self, provider: usize, holder: usize, signed: bool, to: To) -> Answer {
        let (_, holding) = self.both(provider, holder)?;
        let destination = self.account(provider, to, holding.destination).ok_or(NO_ACCOUNT)?;
        let named = destination == holding.destination || signed;
        require(named && !self.is_vault(provider, destination), "staking WrongDestination")?;
        self.share_out(provider)?;
        let (mut stake, mut holding) = self.both(provider, holder)?;
        let pool = stake.pool.as_mut().ok_or("staking PoolClosed")?;
        holding.settle(&pool.revenue)?;
        let amount = Atoms(core::mem::take(&mut holding.owed));
        pool.revenue.claim_delegator(amount).staking()?;
        self.put_both(provider, holder, stake, holding);
        self.pay_out(self.providers[provider].holdings.revenue, destination, amount)
    }

    fn claim_commission(&mut self, provider: usize, to: To) -> Answer {
        let pool = self.stake(provider)?.pool.ok_or(NO_ACCOUNT)?;
        let payout = self.account(provider, to, pool.payout).ok_or(NO_ACCOUNT)?;
        require(payout == pool.payout, "staking WrongDestination")?;
        self.share_out(provider)?;
        let pool = self.stake(provider)?.pool.as_mut().ok_or("staking PoolClosed")?;
        let amount = pool.revenue.claim_operator().staking()?;
        self.pay_out(self.providers[provider].holdings.revenue, payout, amount)
    }

    fn close_delegation(&mut self, provider: usize, holder: usize) -> Answer {
        let (_, holding) = self.both(provider, holder)?;
        let holdings = &mut self.providers[provider].holdings;
        let place = holdings.places.iter().position(|known| *known == holder);
        let may = !holding.rules.holds_place() && (place.is_some() || holding.owed == 0);
        require(may, "staking NotEmpty")?;
        if let Some(place) = place {
            holdings.places.swap_remove(place);
            holdings.kin.remove(&holder);
        }
        if holding.owed == 0 {
            holdings.delegations.remove(&holder);
            self.closed.push(holding.key);
        } else {
            self.noted.push("a place was freed whose delegator is still owed revenue");
        }
        Ok(())
    }

    fn close_bond(&mut self, provider: usize, by: By, to: To, with_revenue: bool) -> Answer {
        let stake = *self.stake(provider)?;
        let has_pool = stake.pool.is_some();
        require(has_pool || with_revenue, NO_ACCOUNT)?;
        require(self.by_operator(provider, by), "staking WrongAuthority")?;
        require(with_revenue, "staking WrongRevenue")?;
        let destination = self.named(provider, to)?;
        require(!self.is_vault(provider, destination), "staking WrongDestination")?;
        let owner = &self.providers[provider];
        let alone = owner.holdings.delegations.is_empty() && owner.holdings.requests.is_empty();
        let totals = &stake.totals;
        let bare = totals.amount().staking()?.is_zero() && totals.claims.shares == 0 && totals.delegated.shares == 0;
        let idle = bare && stake.leases == 0 && stake.insurance_owed == 0;
        require(alone && idle, "staking NotEmpty")?;
        let (bond, vault, revenue) = (owner.bond_key, owner.bond_vault, owner.holdings.revenue);
        let mut rest = false;
        for vault in [Some(vault), has_pool.then_some(revenue)].into_iter().flatten() {
            let amount = Atoms(self.tokens[&vault]);
            rest |= !amount.is_zero();
            self.pay_out(vault, destination, amount)?;
            self.tokens.remove(&vault);
            self.frozen.remove(&vault);
            self.closed.push(vault);
        }
        self.providers[provider].bond = None;
        self.closed.push(bond);
        self.noted.push(if rest { "a bond was closed with a rest" } else { "a bond was closed" });
        Ok(())
    }

    fn pay_insurance(&mut self, provider: usize, fund: u8) -> Answer {
        let (to, insurance) = (self.fund(fund, self.staking.insurance), self.staking.insurance);
        let stake = self.stake(provider)?;
        require(to == insurance, "staking WrongInsurance")?;
        if stake.insurance_owed == 0 {
            return Err(RuleError::NothingToClaim).staking();
        }
        let amount = Atoms(core::mem::take(&mut stake.insurance_owed));
        self.pay_out(self.providers[provider].bond_vault, insurance, amount)
    }

    fn sweep_stake(&mut self, provider: usize, by: By, to: To) -> Answer {
        let stake = *self.stake(provider)?;
        require(self.by_operator(provider, by), "staking WrongAuthority")?;
        let destination = self.named(provider, to)?;
        require(!self.is_vault(provider, destination), "staking WrongDestination")?;
        let kept = stake.totals.amount().staking()?.add(Atoms(stake.insurance_owed)).staking()?;
        let vault = self.providers[provider].bond_vault;
        let donated = Atoms(self.tokens[&vault]).saturating_sub(kept);
        if donated.is_zero() {
            return Err(RuleError::NothingToClaim).staking();
        }
        self.pay_out(vault, destination, donated)
    }
}
