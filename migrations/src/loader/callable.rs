//! A program that was deployed just now.

use std::time::Duration;

use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{Standing, standing};
use crate::context::Context;
use crate::error::MigrateError;

/// How often the slot after a deployment is waited for, and the pause in between.
const SLOT_LOOKS: u32 = 100;
const SLOT_PAUSE: Duration = Duration::from_millis(100);

/// The signer may upgrade the program, and the slot has come from which on it can be called.
///
/// # Errors
/// [`MigrateError::Check`] of `step`, or the read's.
pub async fn check_callable(step: String, program: &Pubkey, context: &Context<'_>) -> Result<(), MigrateError> {
    let failed = |reason: String| Err(MigrateError::Check { step, reason });
    let Standing::Deployed(found) = standing(context.client, program).await? else {
        return failed(format!("there is no program at {program}"));
    };
    if found.authority != Some(context.signer.pubkey()) {
        return failed(format!("its upgrade authority is {:?}", found.authority));
    }
    for _ in 0..SLOT_LOOKS {
        if context.client.slot().await? > found.slot {
            return Ok(());
        }
        tokio::time::sleep(SLOT_PAUSE).await;
    }
    failed(format!("no slot follows {}, in which it was deployed", found.slot))
}
