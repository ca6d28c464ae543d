//! The steps that migrate accounts.

use solana_signer::Signer as _;

use crate::context::Context;
use crate::first::Grown;
use crate::loader::FEE;
use crate::migration::{Doing, Event, Look, Observer, Step};
use crate::rounds::{self, PAUSE, ROUND, Rounds};

/// Migrates all accounts of a kind. Which of them are left is read from the chain, so it does not matter which transactions
/// were lost or landed twice, or who else migrates meanwhile.
#[derive(Debug)]
pub struct MigrateAll(pub Grown);

impl Step for MigrateAll {
    fn name(&self) -> String {
        format!("accounts: {}", self.0.plural)
    }

    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look> {
        Box::pin(async move {
            let left = self.0.left(context.client, &context.signer.pubkey()).await?.len();
            if left == 0 {
                return Ok(Look::Done { why: format!("no {} of the first layout are left", self.0.plural) });
            }
            let rent = |bytes| context.client.rent_exempt_lamports(bytes);
            let each = rent(self.0.added).await?.saturating_sub(rent(0).await?) + FEE;
            let grows = if self.0.added > 0 {
                format!(", each of which grows by {} bytes", self.0.added)
            } else {
                String::new()
            };
            let what = format!("migrate {left} {}{grows}", self.0.plural);
            Ok(Look::Due { what, lamports: each.saturating_mul(left as u64) })
        })
    }

    fn apply<'a>(&'a self, context: &'a Context<'_>, observer: &'a dyn Observer) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let (options, step) = (rounds::options(context), self.name());
            let (mut rounds, mut total) = (Rounds::default(), 0);
            loop {
                let mut left = self.0.left(context.client, &context.signer.pubkey()).await?;
                total = left.len().max(total);
                observer.tell(&Event::Progress { done: (total - left.len()) as u64, total: total as u64 });
                if left.is_empty() {
                    return Ok(Vec::new());
                }
                let idle = rounds.left(&step, left.len())?;
                // One that is refused, or was closed just now, must not keep back the others: another one is tried first.
                let first = idle % left.len();
                left.rotate_left(first);
                left.truncate(ROUND);
                match context.client.hand_over(&left, context.signer, &options).await {
                    Ok(handed) => rounds.handed(handed),
                    Err(error) => rounds.refused(&error),
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
    }
}
