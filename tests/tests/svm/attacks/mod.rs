//! Attacks, one module a theme: each begins with somebody who wants another's money, stake, rent or lease, or to be in its
//! way. `docs/THREATS.md` says of every attack where it is stopped and which test tries it.

mod batch;
mod clock;
mod collide;
mod deadlines;
mod frozen;
mod griefing;
mod load;
mod order;
mod revive;
mod self_dealing;
mod threats;
mod tiny;

use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Those of the keys whose signature the instructions ask for.
fn asked<'a>(instructions: &[Instruction], keys: &[&'a Keypair]) -> Vec<&'a Keypair> {
    let signs = |key: &&&Keypair| {
        let mut metas = instructions.iter().flat_map(|instruction| &instruction.accounts);
        metas.any(|meta| meta.is_signer && meta.pubkey == key.pubkey())
    };
    keys.iter().filter(signs).copied().collect()
}
