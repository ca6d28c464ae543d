//! Effect before check: whatever an instruction did, a later one of its transaction that is refused undoes it.

use gridlease_sdk::instruction::purse;
use solana_signer::Signer;

use crate::fixtures;
use crate::stage::Stage;

#[test]
fn every_instruction_leaves_nothing_behind_where_the_next_one_of_its_transaction_is_refused() {
    let stage = Stage::new();
    for fixture in fixtures::all() {
        // Before there is a configuration there is no purse either.
        let mut scene = stage.fork();
        let case = (fixture.make)(&mut scene);
        let key = scene.buyer.key.pubkey();
        let doomed = purse::withdraw(&key, &scene.buyer.wallet, u64::MAX);
        // The world compares every account before and after a transaction that is refused, but for its payer's fee.
        let refused = scene.w.send(&[case.instruction, doomed], &[]).err();
        let at = refused.as_ref().and_then(|refused| refused.instruction);
        assert_eq!(at, Some(1), "{} {}: {refused:?}", fixture.program, fixture.name());
    }
}
