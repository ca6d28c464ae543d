//! The formulas that `core/proofs/*.smt2` prove things about are those of the code: each definition in those files is read
//! and evaluated, and compared with the function that it mirrors. The proofs themselves are run by `cargo xtask prove`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "helpers of tests are tests")]

mod formula;

use formula::Formulas;
use gridlease_core::delegation::{SharePool, Stake};
use gridlease_core::purse::{Purse, Swept};
use gridlease_core::revenue::Revenue;
use gridlease_core::rounding::{
    accrued_down, cost_down, cost_up, mul_div_down, mul_div_up, runway_down, share_down, share_up,
};
use gridlease_core::score::{Merit, Weights, score};
use gridlease_core::slash::{Case, Fault, SlashSplit, slash_for};
use gridlease_core::stream::{accrued, billable_ms};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs};
use proptest::prelude::*;
use std::collections::BTreeSet;

const FILES: [(&str, &str); 7] = [
    ("accrual", include_str!("../../proofs/accrual.smt2")),
    ("purse", include_str!("../../proofs/purse.smt2")),
    ("revenue", include_str!("../../proofs/revenue.smt2")),
    ("rounding", include_str!("../../proofs/rounding.smt2")),
    ("score", include_str!("../../proofs/score.smt2")),
    ("shares", include_str!("../../proofs/shares.smt2")),
    ("split", include_str!("../../proofs/split.smt2")),
];

/// The definitions of one file, and which of them were compared with the code.
struct Tie(Formulas);

impl Tie {
    fn of(file: &str) -> Self {
        Self(Formulas::read(FILES.iter().find(|(name, _)| *name == file).unwrap().1))
    }

    /// The value of a formula, as the code would give it: above u64 it is refused.
    fn amount(&self, name: &str, arguments: &[u64]) -> Result<u64, RuleError> {
        u64::try_from(self.value(name, arguments)).map_err(|_| RuleError::Overflow)
    }

    fn value(&self, name: &str, arguments: &[u64]) -> i128 {
        let arguments: Vec<_> = arguments.iter().map(|argument| i128::from(*argument)).collect();
        self.0.value(name, &arguments)
    }

    fn holds(&self, name: &str, arguments: &[u64]) -> bool {
        self.value(name, arguments) == 1
    }
}

/// Numbers of any length up to 62 bits, so that no product leaves the evaluator's 128.
fn number() -> impl Strategy<Value = u64> {
    (0u32..=62, any::<u64>()).prop_map(|(bits, any)| if bits == 0 { 0 } else { any >> (64 - bits) })
}

/// Small numbers, of which some meet.
fn small() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..8, 0u64..1_000, number()]
}

#[test]
fn every_formula_of_every_file_is_compared_with_the_code() {
    let text = include_str!("main.rs");
    let mut helpers = BTreeSet::from(["minimum", "maximum", "clamp", "monus", "tenthousandth_up", "sound"]);
    for (file, smt) in FILES {
        let formulas = Formulas::read(smt);
        assert!(!formulas.names().is_empty(), "{file}.smt2 defines nothing");
        for name in formulas.names() {
            let compared = text.contains(&format!("\"{name}\", &["));
            assert!(compared || helpers.contains(name), "{file}.smt2: `{name}` is compared with nothing");
        }
    }
    helpers.retain(|name| !FILES.iter().any(|(_, smt)| smt.contains(&format!("(define-fun {name} "))));
    assert!(helpers.is_empty(), "no file defines {helpers:?} any more");
}

#[test]
fn every_file_names_the_code_that_it_mirrors_and_says_what_each_answer_should_be() {
    let root = env!("CARGO_MANIFEST_DIR");
    for (file, smt) in FILES {
        let mirrored = smt.split("core/src/").skip(1).map(|rest| rest.split([' ', ':', '(', ',']).next().unwrap());
        let mirrored: Vec<_> = mirrored.map(|name| name.trim_end_matches('.')).collect();
        assert!(!mirrored.is_empty(), "{file}.smt2 mirrors nothing");
        for name in mirrored {
            assert!(std::path::Path::new(root).join("src").join(name).exists(), "{file}.smt2: there is no {name}");
        }
        let (echoed, asked) = (smt.matches("(echo \"").count(), smt.matches("(check-sat)").count());
        assert_eq!(echoed, asked, "{file}.smt2: one announcement for each question");
        assert!(smt.contains("(echo \"possible: "), "{file}.smt2 does not show that what it assumes is possible");
    }
    let found = std::fs::read_dir(format!("{root}/proofs")).unwrap().count();
    assert_eq!(found, FILES.len(), "a file of core/proofs is not read here");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn rounding_is_its_formula(a in number(), b in number(), d in 1u64..u64::MAX, e in small()) {
        let tie = Tie::of("rounding");
        for d in [d, e.max(1), 3_600, 10_000, 3_600_000] {
            prop_assert_eq!(mul_div_down(a, b, d), tie.amount("mul_div_down", &[a, b, d]));
            prop_assert_eq!(mul_div_up(a, b, d), tie.amount("mul_div_up", &[a, b, d]));
        }
        prop_assert_eq!(mul_div_down(a, b, 0), Err(RuleError::Overflow));
        prop_assert_eq!(mul_div_up(a, b, 0), Err(RuleError::Overflow));
    }

    #[test]
    fn accrual_is_its_formula(p in number(), ms in number(), funds in number(), slots in 0u64..1 << 40, slot_ms in 0u32..2_000) {
        let (tie, price) = (Tie::of("accrual"), PricePerHour(p));
        let get = |result: Result<Atoms, RuleError>| result.map(|atoms| atoms.0);
        prop_assert_eq!(get(accrued_down(price, ms)), tie.amount("accrued_down", &[p, ms]));
        prop_assert_eq!(get(accrued(price, ms, Atoms(funds))), tie.amount("accrued", &[p, ms, funds]));
        prop_assert_eq!(get(cost_up(price, Seconds(ms))), tie.amount("cost_up", &[p, ms]));
        prop_assert_eq!(get(cost_down(price, Seconds(ms))), tie.amount("cost_down", &[p, ms]));
        if p > 0 {
            let runway = runway_down(Atoms(funds), price).map(|seconds| seconds.0);
            prop_assert_eq!(runway, tie.amount("runway_down", &[funds, p]));
        }
        let seconds = ms >> 22; // below 2^40: its milliseconds fit
        let now = Now { slot: slots, ts: UnixTs(seconds) };
        let billed = billable_ms(Now::default(), now, UnixTs::MAX, slot_ms);
        prop_assert_eq!(Ok(billed), tie.amount("billable_ms", &[slots, slot_ms.into(), seconds]));
        let made = slots.saturating_mul(slot_ms.into());
        prop_assert_eq!(Ok(billed), tie.amount("billed", &[slots, made, seconds]));
    }

    #[test]
    fn fees_shares_and_slashes_are_their_formulas(
        amount in number(), bps in 0u16..=10_000, p in number(), charged in number(), left in number(),
        victim in number(), insurance in number(),
    ) {
        let tie = Tie::of("split");
        let bits = u64::from(bps);
        prop_assert_eq!(share_up(Atoms(amount), Bps(bps)).map(|a| a.0), tie.amount("share_up", &[amount, bits]));
        prop_assert_eq!(share_down(Atoms(amount), Bps(bps)).map(|a| a.0), tie.amount("share_down", &[amount, bits]));
        let case = |fault, sealed_bond| Case {
            fault, reservation: Atoms(amount), price: PricePerHour(p), charged: Atoms(charged), sealed_bond: Atoms(sealed_bond),
        };
        if p <= u64::MAX / 3 {
            let total = tie.amount("share_down", &[amount, 1_000]).unwrap();
            let parts = slash_for(&case(Fault::Abandoned, 0)).unwrap();
            prop_assert_eq!(Ok(parts.victim.0), tie.amount("victim", &[total, p, charged]));
            prop_assert_eq!(parts.total().unwrap().0, total);
            let one = tie.amount("share_down", &[amount, 100]).unwrap();
            let parts = slash_for(&case(Fault::NoStart, left)).unwrap();
            prop_assert_eq!(Ok(parts.total().unwrap().0), tie.amount("no_start", &[one, left, amount]));
        }
        let whole = SlashSplit { victim: Atoms(victim), insurance: Atoms(insurance) };
        let cut = whole.at_most(Atoms(left));
        prop_assert_eq!(Ok(cut.victim.0), tie.amount("victim_of_left", &[victim, left]));
        prop_assert_eq!(Ok(cut.insurance.0), tie.amount("insurance_of_left", &[victim, insurance, left]));
        let parts = whole.out_of(Atoms(left)).unwrap();
        prop_assert_eq!(Ok(parts.victim.0), tie.amount("victim_out_of", &[victim, left]));
        prop_assert_eq!(Ok(parts.insurance.0), tie.amount("insurance_out_of", &[victim, insurance, left]));
    }

    #[test]
    fn a_purse_takes_the_steps_of_its_formula(left in small(), r in small(), f in small(), n in small(), m in small()) {
        let (tie, b) = (Tie::of("purse"), left.saturating_add(r).saturating_add(f));
        let purse = Purse { balance: Atoms(b), reserved: Atoms(r), fees_owed: Atoms(f), forfeits_owed: Atoms::ZERO };
        prop_assume!(purse.free().is_ok());
        prop_assert_eq!(purse.free().map(|free| free.0), tie.amount("free", &[b, r, f]));
        let after = |step: fn(&mut Purse, Atoms) -> Result<(), RuleError>| {
            let mut purse = purse;
            step(&mut purse, Atoms(n)).ok().map(|()| (purse.balance.0, purse.reserved.0, purse.fees_owed.0))
        };
        let takes = tie.holds("can_withdraw", &[b, r, f, n]);
        prop_assert_eq!(after(Purse::deposit), (n > 0).then(|| (b + n, r, f)));
        prop_assert_eq!(after(Purse::withdraw), takes.then(|| (b - n, r, f)));
        prop_assert_eq!(after(Purse::reserve), takes.then(|| (b, r + n, f)));
        prop_assert_eq!(after(Purse::release), tie.holds("can_release", &[r, n]).then(|| (b, r - n, f)));
        let mut paid = purse;
        let done = paid.pay(Atoms(n), Atoms(m)).is_ok();
        prop_assert_eq!(done, tie.holds("can_pay", &[r, n, m]));
        if done {
            let (balance, reserved, fees_owed) = (Atoms(b - n), Atoms(r - n - m), Atoms(f + m));
            prop_assert_eq!(paid, Purse { balance, reserved, fees_owed, ..purse });
        }
        let mut forfeited = purse;
        let done = forfeited.forfeit(Atoms(n)).is_ok();
        prop_assert_eq!(done, tie.holds("can_pay", &[r, 0, n]));
        if done {
            prop_assert_eq!(forfeited, Purse { reserved: Atoms(r - n), forfeits_owed: Atoms(n), ..purse });
        }
        // What is owed is fees and forfeits in any parts.
        let forfeits_owed = Atoms(m.min(f));
        let mut swept = Purse { fees_owed: Atoms(f - forfeits_owed.0), forfeits_owed, ..purse };
        prop_assert_eq!(swept.sweep_fees(), Ok(Swept { fees: Atoms(f - forfeits_owed.0), forfeits: forfeits_owed }));
        prop_assert_eq!(swept, Purse { balance: Atoms(b - f), fees_owed: Atoms::ZERO, ..purse });
    }

    #[test]
    fn a_pool_divides_by_its_formulas(a in small(), more in small(), n in small(), most in small()) {
        let tie = Tie::of("shares");
        prop_assume!(a > 0 || more > 0);
        let (pool, all) = (SharePool { assets: Atoms(a), shares: a + more }, a + more);
        let shares = n.min(all);
        let worth = tie.amount("worth_down", &[shares, a, all]).unwrap();
        prop_assert_eq!(pool.worth_down(shares), Ok(Atoms(worth)));
        prop_assert_eq!(pool.cost_up(Atoms(n)), tie.amount("cost_up", &[n, a, all]));
        let mut joined = pool;
        match joined.join(Atoms(n)) {
            Ok(issued) => prop_assert_eq!(Ok(issued), tie.amount("issued", &[n, a, all])),
            Err(RuleError::PoolSpent) => prop_assert!(u128::from(all) > u128::from(a) * 1_000_000),
            Err(error) => prop_assert!(n == 0 || error == RuleError::Overflow),
        }
        let mut left = pool;
        let gone = left.leave(shares, Atoms(most)).unwrap();
        if worth <= most {
            prop_assert_eq!((gone.amount.0, gone.shares), (worth, shares));
        } else {
            let cost = tie.amount("cost_up", &[most, a, all]).unwrap();
            prop_assert_eq!((gone.amount.0, gone.shares), (most, cost));
            prop_assert!(cost <= shares, "the proof says that the least of both is always this one");
        }
    }

    #[test]
    fn stake_leaves_and_is_slashed_by_its_formulas(
        own in small(), exit in small(), claims in small(), delegated in small(), bound in small(), n in small(),
    ) {
        let tie = Tie::of("shares");
        let pool = |atoms| SharePool { assets: Atoms(atoms), shares: atoms };
        let whole = own + exit + claims + delegated;
        let stake = Stake {
            own: Atoms(own), exit: pool(exit), claims: pool(claims), delegated: pool(delegated), leaving: delegated,
            reserved: Atoms(bound.min(whole - claims)), ..Stake::default()
        };
        let reserved = stake.reserved.0;
        let out = tie.amount("can_leave", &[own, exit, reserved]).unwrap().min(exit);
        let got = { stake }.withdraw(exit).map(|left| left.amount.0);
        prop_assert_eq!(got.unwrap_or(0), out);
        prop_assert!(got.is_ok() || out == 0);
        let out = tie.amount("can_leave_delegated", &[own, exit, claims, delegated, reserved]).unwrap().min(delegated);
        let got = { stake }.withdraw_delegated(delegated).map(|left| left.amount.0);
        prop_assert_eq!(got.unwrap_or(0), out);
        prop_assert!(got.is_ok() || out == 0);
        let amount = n.min(reserved);
        let mut after = stake;
        let borne = after.slash(stake.reserved, Atoms(amount)).unwrap();
        prop_assert_eq!(Ok(own - after.own.0), tie.amount("of_own", &[amount, own]));
        prop_assert_eq!(Ok(exit - after.exit.assets.0), tie.amount("of_exit", &[amount, own, exit]));
        prop_assert_eq!(Ok(borne.delegators.0), tie.amount("of_delegated", &[amount, own, exit, claims]));
        prop_assert_eq!(delegated - after.delegated.assets.0, borne.delegators.0);
        prop_assert_eq!(Ok(borne.claims.0), tie.amount("of_claims", &[amount, own, exit, claims]));
        prop_assert_eq!(claims - after.claims.assets.0, borne.claims.0);
        let part = tie.amount("operators_part_down", &[reserved, n, own, exit, whole]);
        prop_assert_eq!(stake.operators_part_down(stake.reserved, Atoms(n)).map(|part| part.0), part);
        let part = tie.amount("operators_part_down", &[reserved, 0, own, exit, whole]);
        let mut after = stake;
        let claimed = after.claim(stake.reserved, Atoms::ZERO, Atoms(n)).unwrap();
        prop_assert_eq!(claimed.amount.0, part.unwrap().min(n));
        prop_assert_eq!(Ok(own - after.own.0), tie.amount("of_own", &[claimed.amount.0, own]));
        prop_assert_eq!(Ok(exit - after.exit.assets.0), tie.amount("of_exit", &[claimed.amount.0, own, exit]));
        prop_assert_eq!(after.pay_claim(claimed.shares), Ok(claimed.amount));
    }

    #[test]
    fn revenue_is_divided_by_its_formulas(arrived in small(), own in small(), d in small(), bps in 0u16..=3_000, shares in small()) {
        let tie = Tie::of("revenue");
        let delegated = SharePool { assets: Atoms(d), shares: d };
        let stake = Stake { own: Atoms(own), delegated, ..Stake::default() };
        let mut revenue = Revenue::default();
        let parts = revenue.distribute(Atoms(arrived), &stake, Bps(bps)).unwrap();
        let rate = u64::from(bps);
        let gross = tie.amount("gross", &[arrived, d, own]).unwrap();
        prop_assert!(gross <= arrived);
        let kept = tie.amount("share_up", &[gross, rate]).unwrap();
        prop_assert_eq!(Ok(parts.delegators.0), tie.amount("net", &[arrived, d, own, rate]));
        prop_assert_eq!((parts.operator.0, parts.delegators.0), (arrived - gross + kept, gross - kept));
        if d > 0 {
            let rise = tie.value("rise", &[parts.delegators.0, d]);
            prop_assert_eq!(i128::try_from(revenue.per_share), Ok(rise));
            if rise < 1 << 64 {
                let shares = shares.min(d);
                let earned = tie.amount("earned_down", &[u64::try_from(rise).unwrap(), shares]);
                prop_assert_eq!(revenue.earned_down(shares, 0).map(|atoms| atoms.0), earned);
            }
        }
    }

    #[test]
    fn a_price_scores_by_its_formula(max in 1u64..=100_000_000_000, part in any::<u64>(), weight in 0u16..=10_000) {
        let tie = Tie::of("score");
        let price = 1 + part % max;
        let weights = Weights::new([10_000 - weight, weight, 0, 0]).unwrap();
        let nothing = Merit { reputation: Bps(0), uptime: Bps(0), speed: Bps(0) };
        let scored = score(&weights, &nothing, PricePerHour(price), PricePerHour(max)).map(u64::from);
        prop_assert_eq!(scored, tie.amount("by_price", &[weight.into(), price, max]));
    }
}
