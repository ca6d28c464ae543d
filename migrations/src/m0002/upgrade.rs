//! The step that puts the bytes in a buffer in the place of a program's.

use solana_signer::Signer as _;

use crate::context::Context;
use crate::error::MigrateError;
use crate::loader::{self, Deployed, FEE, Standing};
use crate::migration::{Doing, Look, Observer, Step};
use crate::target::{Need, Target};

/// Upgrades the program from its buffer.
#[derive(Debug)]
pub struct Upgrade(pub Target);

impl Upgrade {
    /// What is deployed, which a need of bytes says that there is.
    fn deployed(&self, standing: Standing) -> Result<Deployed, MigrateError> {
        match standing {
            Standing::Deployed(found) => Ok(found),
            _ => Err(self.0.refuse("upgrade", format!("there is no program at {}", self.0.id))),
        }
    }
}

impl Step for Upgrade {
    fn name(&self) -> String {
        format!("{}: upgrade", self.0.name)
    }

    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look> {
        Box::pin(async move {
            let (so, standing) = match self.0.need("upgrade", context).await? {
                Need::Nothing(why) => return Ok(Look::Done { why }),
                Need::Bytes { so, standing, .. } => (so, standing),
            };
            let found = self.deployed(standing)?;
            let rent = |bytes| context.client.rent_exempt_lamports(bytes);
            let grown = found.room + loader::growth(so.len(), found.room);
            let more = rent(grown).await?.saturating_sub(rent(found.room).await?);
            let what =
                format!("upgrade {} from program hash {} to {}", self.0.id, found.hash(), loader::program_hash(&so));
            Ok(Look::Due { what, lamports: FEE + more })
        })
    }

    fn apply<'a>(&'a self, context: &'a Context<'_>, _: &'a dyn Observer) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let Need::Bytes { so, buffer, standing } = self.0.need("upgrade", context).await? else {
                return Ok(Vec::new());
            };
            let room = self.deployed(standing)?.room;
            let upgrade = loader::upgrade(&self.0.id, &buffer, &context.signer.pubkey(), &so, room);
            let mut signatures = Vec::new();
            // A program can be extended or upgraded once in a slot, so these are two transactions.
            for instruction in upgrade.map_err(MigrateError::send(&self.name()))? {
                let sent = context.client.send(&[instruction], context.signer, &[], &context.options).await;
                signatures.push(sent.map_err(MigrateError::send(&self.name()))?.signature.to_string());
                loader::check_callable(self.name(), &self.0.id, context).await?;
            }
            Ok(signatures)
        })
    }
}
