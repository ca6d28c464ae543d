//! Lockstep: the same random sequence applied to the rules of stake and to the built program. After every step the
//! stake, what was paid, and the refusal are compared; the world audits its books besides.

use gridlease_core::delegation::{Delegation as Position, Stake, check_matured, matures};
use gridlease_core::limits::{ACTIVATION_DELAY, MAX_REQUESTS, MIN_DELEGATION};
use gridlease_core::{Atoms, RuleError, UnixTs};
use gridlease_sdk::account::{Bond, Reservation};
use gridlease_sdk::instruction::stake;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Provider, USDC};
use gridlease_tests::svm::pools::{Delegator, claimant, release_call, reserve_call, slash_call};
use proptest::prelude::*;
use proptest::sample::Index;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Add(u64),
    Delegate(usize, u64),
    Unbond(u64),
    Undelegate(usize, u64),
    SendOff(usize),
    Withdraw(Index),
    Reserve(u64),
    Release(Index),
    Slash(Index, u64, u64),
    PayClaim(Index),
    Activate(usize),
}

fn some() -> impl Strategy<Value = u64> {
    prop_oneof![1 => 0u64..4, 4 => USDC..20 * USDC, 1 => 0u64..400 * USDC]
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0usize..3;
    prop_oneof![
        3 => (0u64..400_000).prop_map(Step::Pass),
        2 => some().prop_map(Step::Add),
        4 => (who(), some()).prop_map(|(who, amount)| Step::Delegate(who, amount)),
        3 => some().prop_map(Step::Unbond),
        4 => (who(), prop_oneof![3 => some(), 1 => Just(u64::MAX)]).prop_map(|(who, amount)| Step::Undelegate(who, amount)),
        1 => who().prop_map(Step::SendOff),
        6 => any::<Index>().prop_map(Step::Withdraw),
        3 => some().prop_map(Step::Reserve),
        2 => any::<Index>().prop_map(Step::Release),
        2 => (any::<Index>(), some(), some()).prop_map(|(at, claimed, fund)| Step::Slash(at, claimed, fund)),
        2 => any::<Index>().prop_map(Step::PayClaim),
        3 => (0usize..4).prop_map(Step::Activate),
    ]
}

/// A request to unbond: of a delegator, or of the operator (`None`).
#[derive(Clone, Copy, Debug)]
struct Request {
    owner: Option<usize>,
    number: u32,
    shares: u64,
    matures: UnixTs,
    /// The operator paid its rent.
    sent_off: bool,
}

/// What the rules say.
#[derive(Clone, Default)]
struct Model {
    stake: Stake,
    positions: [Position; 3],
    numbers: [u32; 3],
    own_number: u32,
    requests: Vec<Request>,
    /// What is left of each lease's reservation, what was claimed out of it, and the shares of that.
    leases: Vec<Reserved>,
    /// Those that were released and have claims.
    released: Vec<Reserved>,
}

#[derive(Clone, Copy)]
struct Reserved {
    lease: Pubkey,
    left: Atoms,
    claimed: Atoms,
    shares: u64,
    due: UnixTs,
}

type Ruling = Result<u64, RuleError>;

impl Model {
    fn unbond(&mut self, amount: u64, now: UnixTs) -> Ruling {
        if self.requests.iter().filter(|r| r.owner.is_none()).count() >= usize::from(MAX_REQUESTS) {
            return Err(RuleError::TooManyRequests);
        }
        let shares = self.stake.unbond(Atoms(amount), now)?;
        let (number, matures) = (self.own_number, matures(now)?);
        self.requests.push(Request { owner: None, number, shares, matures, sent_off: false });
        self.own_number += 1;
        Ok(0)
    }

    fn undelegate(&mut self, who: usize, amount: u64, sent_off: bool, now: UnixTs) -> Ruling {
        let shares = self.positions[who].request(&mut self.stake, Atoms(amount), sent_off, now)?;
        let (number, matures) = (self.numbers[who], matures(now)?);
        self.requests.push(Request { owner: Some(who), number, shares, matures, sent_off });
        self.numbers[who] += 1;
        Ok(0)
    }

    /// Returns what is paid.
    fn withdraw(&mut self, at: usize, now: UnixTs) -> Ruling {
        let request = self.requests[at];
        let left = if let Some(who) = request.owner {
            check_matured(&self.stake.delegated, request.shares, request.matures, now)?;
            let left = self.stake.withdraw_delegated(request.shares)?;
            self.positions[who].requests -= u8::from(left.shares == request.shares);
            left
        } else {
            check_matured(&self.stake.exit, request.shares, request.matures, now)?;
            self.stake.withdraw(request.shares)?
        };
        self.requests[at].shares -= left.shares;
        if self.requests[at].shares == 0 {
            self.requests.remove(at);
        }
        Ok(left.amount.0)
    }

    fn slash(&mut self, at: usize, claimed: u64, fund: u64, now: UnixTs) -> Ruling {
        if claimed == 0 && fund == 0 {
            return Err(RuleError::ZeroAmount);
        }
        let mut one = self.leases[at];
        if claimed > 0 {
            let got = self.stake.claim(one.left, one.claimed, Atoms(claimed))?;
            if got.amount != Atoms(claimed) {
                return Err(RuleError::SlashAboveReservation);
            }
            one = Reserved {
                left: got.left,
                claimed: one.claimed.add(got.amount)?,
                shares: one.shares + got.shares,
                due: matures(now)?,
                ..one
            };
        }
        if fund > 0 {
            one.left = self.stake.slash(one.left, Atoms(fund))?.left;
        }
        self.leases[at] = one;
        Ok(0)
    }

    /// Returns what is paid.
    fn pay_claim(&mut self, at: usize, now: UnixTs) -> Ruling {
        let open = self.leases.len();
        let one = if at < open { &mut self.leases[at] } else { &mut self.released[at - open] };
        if one.shares == 0 {
            return Err(RuleError::NothingToClaim);
        }
        check_matured(&self.stake.claims, one.shares, one.due, now)?;
        let paid = self.stake.pay_claim(core::mem::take(&mut one.shares))?;
        if at >= open {
            self.released.remove(at - open);
        }
        Ok(paid.0)
    }
}

/// The program, and the rules beside it.
struct Both {
    w: World,
    owner: Provider,
    delegators: Vec<Delegator>,
    claimant_wallet: Pubkey,
    model: Model,
    sent: u32,
    refused: u32,
}

impl Both {
    fn new() -> Self {
        let mut w = World::unsigned();
        w.make_leases_up();
        let owner = w.pool(20 * USDC, 1_000);
        let delegators: Vec<_> = (0..3).map(|_| w.delegator(&owner, USDC)).collect();
        w.mint_to(&owner.payout, 1_000_000 * USDC);
        for delegator in &delegators {
            w.mint_to(&delegator.wallet, 1_000_000 * USDC);
        }
        let mut model = Model::default();
        // As the world had it: each came in, and was activated a day later together with the operator's.
        let first = UnixTs(w.now().ts.0 - 3 * ACTIVATION_DELAY.0);
        model.stake.add(Atoms(20 * USDC), first).unwrap();
        for (day, position) in (0..).zip(&mut model.positions) {
            let then = UnixTs(first.0 + day * ACTIVATION_DELAY.0);
            position.add(&mut model.stake, Atoms(USDC), MIN_DELEGATION, then).unwrap();
            let later = UnixTs(then.0 + ACTIVATION_DELAY.0);
            position.activate(&mut model.stake, later).unwrap();
            model.stake.activate(later).unwrap();
        }
        let claimant_wallet = w.associated(&claimant());
        Self { w, owner, delegators, claimant_wallet, model, sent: 0, refused: 0 }
    }

    /// The instruction of a step, and what the rules make of it.
    fn ask(&mut self, step: &Step) -> Option<(Instruction, Ruling)> {
        let (key, bond, payout) = (self.owner.authority.pubkey(), self.owner.bond, self.owner.payout);
        let (now, model) = (self.w.now().ts, &mut self.model);
        let asked = match *step {
            Step::Pass(seconds) => {
                self.w.pass(seconds);
                return None;
            }
            Step::Add(amount) => {
                (stake::add_stake(&key, &payout, amount), model.stake.add(Atoms(amount), now).map(|()| 0))
            }
            Step::Delegate(who, amount) => {
                let by = &self.delegators[who];
                let ruling = model.positions[who].add(&mut model.stake, Atoms(amount), MIN_DELEGATION, now).map(|_| 0);
                (stake::delegate(&by.key.pubkey(), &bond, &by.wallet, amount), ruling)
            }
            Step::Unbond(amount) => (stake::unbond(&key, &payout, amount, model.own_number), model.unbond(amount, now)),
            Step::Undelegate(who, amount) => {
                let (by, me) = (&self.delegators[who], self.delegators[who].key.pubkey());
                let request = stake::undelegate(&me, &bond, &me, &by.wallet, amount, model.numbers[who]);
                (request, model.undelegate(who, amount, false, now))
            }
            Step::SendOff(who) => {
                let (by, them) = (&self.delegators[who], self.delegators[who].key.pubkey());
                let request = stake::undelegate(&key, &bond, &them, &by.wallet, u64::MAX, model.numbers[who]);
                (request, model.undelegate(who, u64::MAX, true, now))
            }
            Step::Withdraw(at) if !model.requests.is_empty() => {
                let at = at.index(model.requests.len());
                let request = model.requests[at];
                let withdrawal = if let Some(who) = request.owner {
                    let (by, them) = (&self.delegators[who], self.delegators[who].key.pubkey());
                    let rent_to = if request.sent_off { key } else { them };
                    stake::withdraw_delegation(&bond, &them, request.number, &by.wallet, &rent_to)
                } else {
                    stake::withdraw_stake(&bond, &key, request.number, &payout, &key)
                };
                (withdrawal, model.withdraw(at, now))
            }
            Step::Reserve(amount) => {
                let free = model.stake.bond().unwrap().free().unwrap().0;
                let amount = amount % (free + 2); // now and then an atom too much
                let lease = self.w.key().pubkey();
                let rent = self.w.rent(Reservation::SPACE);
                self.w.airdrop(&gridlease_sdk::address::reservation(&lease), rent);
                let ruling = model.stake.reserve(Atoms(amount)).map(|()| {
                    let left = Atoms(amount);
                    model.leases.push(Reserved { lease, left, claimed: Atoms(0), shares: 0, due: UnixTs(0) });
                    0
                });
                (reserve_call(&bond, &lease, &payout, amount), ruling)
            }
            Step::Release(at) if !model.leases.is_empty() => {
                let one = model.leases.remove(at.index(model.leases.len()));
                if one.shares > 0 {
                    model.released.push(one);
                }
                (release_call(&bond, &one.lease, &payout), model.stake.release(one.left).map(|()| 0))
            }
            Step::Slash(at, claim, fund) if !model.leases.is_empty() => {
                let at = at.index(model.leases.len());
                let Reserved { lease, left, claimed, .. } = model.leases[at];
                // Now and then an atom more than there is.
                let part = model.stake.operators_part_down(left, claimed).unwrap();
                let (claim, fund) = (claim % (part.0 + 2), fund % (left.0 / 2 + 2));
                (slash_call(&bond, &lease, &self.w.insurance, claim, fund), model.slash(at, claim, fund, now))
            }
            Step::PayClaim(at) if !model.leases.is_empty() || !model.released.is_empty() => {
                let at = at.index(model.leases.len() + model.released.len());
                let open = at < model.leases.len();
                let lease = if open { model.leases[at].lease } else { model.released[at - model.leases.len()].lease };
                let rent_to = if open { payout } else { key };
                let pay = stake::pay_claim(&bond, &lease, &claimant(), &self.claimant_wallet, &rent_to);
                (pay, model.pay_claim(at, now))
            }
            Step::Activate(who) => match self.delegators.get(who) {
                Some(by) => {
                    let ruling = model.positions[who].activate(&mut model.stake, now).map(|_| 0);
                    (stake::activate(&bond, Some(&by.key.pubkey())), ruling)
                }
                None => (stake::activate(&bond, None), model.stake.activate(now).map(|_| 0)),
            },
            Step::Withdraw(_) | Step::Release(_) | Step::Slash(..) | Step::PayClaim(_) => return None,
        };
        Some(asked)
    }

    fn take(&mut self, step: &Step) {
        let before = self.model.clone();
        let vault = gridlease_sdk::address::bond_vault(&self.owner.bond);
        let had = self.w.tokens(&vault);
        let Some((instruction, ruling)) = self.ask(step) else { return };
        self.sent += 1;
        let answer = self.w.send(&[instruction], &[]);
        match (answer, ruling) {
            (Ok(_), Ok(paid)) => {
                let out = matches!(step, Step::Withdraw(_) | Step::PayClaim(_));
                assert!(!out || had - self.w.tokens(&vault) == paid, "{step:?} paid something else");
            }
            (Err(refused), Err(rule)) => {
                assert_eq!(refused.to_string(), format!("staking {rule:?}"), "{step:?}");
                self.model = before;
                self.refused += 1;
            }
            (answer, ruling) => panic!("{step:?}: the program {answer:?}, the rules {ruling:?}", answer = answer.err()),
        }
        let bond: Bond = self.w.read(&self.owner.bond);
        assert_eq!(bond.stake(), self.model.stake, "after {step:?}");
        assert_eq!(bond.amounts(), self.model.stake.bond().unwrap(), "after {step:?}");
    }
}

/// Sequences to try: 24, or as many as `GRIDLEASE_LOCKSTEP_CASES` says.
fn cases() -> u32 {
    std::env::var("GRIDLEASE_LOCKSTEP_CASES").ok().and_then(|number| number.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_program_does_what_the_rules_say(steps in prop::collection::vec(step(), 60..120)) {
        let mut both = Both::new();
        for step in &steps {
            both.take(step);
        }
        eprintln!("{} of {} steps were sent, {} refused", both.sent, steps.len(), both.refused);
    }
}
