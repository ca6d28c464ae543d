//! The step that makes a program of the bytes in its buffer.

use gridlease_sdk::rpc::send::AnySigner;
use solana_keypair::Keypair;
use solana_signer::Signer as _;

use crate::context::Context;
use crate::error::MigrateError;
use crate::loader::{self, FEE, Standing};
use crate::migration::{Doing, Look, Observer, Step};
use crate::target::{Need, Target};

/// Deploys the program from it.
#[derive(Debug)]
pub struct Deploy(pub Target);

impl Deploy {
    /// The keypair of the program's address.
    fn key<'a>(&self, context: &'a Context<'_>) -> Result<&'a Keypair, MigrateError> {
        let found = context.program_keys.iter().find(|key| key.pubkey() == self.0.id);
        found.map(|key| &**key).ok_or_else(|| MigrateError::Argument {
            step: self.name(),
            reason: format!(
                "there is no program at {} on {} yet, and only its own keypair can create it; name that file with \
                 --program-keypair",
                self.0.id,
                context.client.url().shown_rpc()
            ),
        })
    }
}

impl Step for Deploy {
    fn name(&self) -> String {
        format!("{}: deploy", self.0.name)
    }

    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look> {
        Box::pin(async move {
            let (so, reserved) = match self.0.need("deploy", context).await? {
                Need::Nothing(why) => return Ok(Look::Done { why }),
                Need::Bytes { so, standing, .. } => (so, matches!(standing, Standing::Reserved)),
            };
            let mut lamports = FEE;
            if !reserved {
                self.key(context)?;
                lamports += FEE + context.client.rent_exempt_lamports(loader::program_bytes()).await?;
            }
            let what = format!(
                "deploy {} bytes at {}; {} may upgrade the program",
                so.len(),
                self.0.id,
                context.signer.pubkey()
            );
            Ok(Look::Due { what, lamports })
        })
    }

    fn apply<'a>(&'a self, context: &'a Context<'_>, _: &'a dyn Observer) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let Need::Bytes { so, buffer, standing } = self.0.need("deploy", context).await? else {
                return Ok(Vec::new());
            };
            let (create, signers): (_, Vec<&AnySigner>) = if matches!(standing, Standing::Reserved) {
                (None, Vec::new())
            } else {
                let rent = context.client.rent_exempt_lamports(loader::program_bytes()).await?;
                (Some(rent), vec![self.key(context)?])
            };
            let deploy = loader::deploy(&self.0.id, &buffer, &context.signer.pubkey(), &so, create);
            let deploy = deploy.map_err(MigrateError::send(&self.name()))?;
            let sent = context.client.send(&deploy, context.signer, &signers, &context.options).await;
            Ok(vec![sent.map_err(MigrateError::send(&self.name()))?.signature.to_string()])
        })
    }

    /// Waits for the slot from which on the program can be called.
    fn check<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, ()> {
        Box::pin(loader::check_callable(self.name(), &self.0.id, context))
    }
}
