//! The steps that bring a program onto the chain.

use std::time::Duration;

use gridlease_sdk::rpc::send::AnySigner;
use solana_keypair::Keypair;
use solana_signer::Signer as _;

use super::Target;
use crate::context::Context;
use crate::error::MigrateError;
use crate::loader::{self, Buffer, BufferStanding, Deployed, Pieces, Standing};
use crate::migration::{Doing, Look, Observer, Step};
use crate::program::Program;

/// Fee of a transaction with one signature, in lamports.
const FEE: u64 = 5_000;
/// How often the slot after a deployment is waited for, and the pause in between.
const SLOT_LOOKS: u32 = 100;
const SLOT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the buffer.
#[derive(Debug)]
pub struct OpenBuffer(pub Target);
/// Writes the bytes into it.
#[derive(Debug)]
pub struct WriteBytes(pub Target);
/// Deploys the program from it.
#[derive(Debug)]
pub struct Deploy(pub Target);

/// What the program needs.
enum Need {
    /// Nothing.
    Nothing(String),
    /// To be deployed.
    Deployment {
        so: Vec<u8>,
        buffer: Buffer,
        /// Whether its account is there, empty.
        reserved: bool,
    },
}

impl Target {
    fn refuse(&self, step: &str, reason: String) -> MigrateError {
        MigrateError::Precondition { step: format!("{}: {step}", self.name), reason }
    }

    /// What the program needs, by what stands at its address.
    async fn need(&self, step: &str, context: &Context<'_>) -> Result<Need, MigrateError> {
        let standing = loader::standing(context.client, &self.id).await?;
        if let Standing::Deployed(found) = &standing
            && context.client.lamports(&self.config).await? > 0
        {
            // It lives: which bytes it runs is the business of later migrations.
            return Ok(Need::Nothing(format!("{} is deployed and configured, program hash {}", self.id, found.hash())));
        }
        let program = context.program(self.name)?;
        match standing {
            Standing::Deployed(found) if found.is(&program.so) => {
                Ok(Need::Nothing(format!("{} is deployed, program hash {}", self.id, found.hash())))
            }
            Standing::Deployed(found) => {
                Err(self.refuse(step, other_bytes(self, &found, &program)))
            }
            Standing::Foreign { owner } => Err(self.refuse(
                step,
                format!(
                    "the address {} holds an account of {owner} that is no program of the upgradeable loader; build the \
                     programs with other addresses",
                    self.id
                ),
            )),
            Standing::Absent | Standing::Reserved => {
                let buffer = Buffer::of(&context.signer.pubkey(), &program.so).map_err(MigrateError::send(self.name))?;
                let reserved = matches!(standing, Standing::Reserved);
                Ok(Need::Deployment { so: program.so, buffer, reserved })
            }
        }
    }
}

fn other_bytes(target: &Target, found: &Deployed, program: &Program) -> String {
    format!(
        "{} runs a program with hash {}, {} has {}, and nothing is configured; name the folder with the bytes that are deployed \
         (--programs), or upgrade them with `solana program deploy` first",
        target.id,
        found.hash(),
        program.path.display(),
        loader::program_hash(&program.so)
    )
}

impl Step for OpenBuffer {
    fn name(&self) -> String {
        format!("{}: buffer", self.0.name)
    }

    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look> {
        Box::pin(async move {
            let (so, buffer) = match self.0.need("buffer", context).await? {
                Need::Nothing(why) => return Ok(Look::Done { why }),
                Need::Deployment { so, buffer, .. } => (so, buffer),
            };
            match buffer.standing(context.client, &context.signer.pubkey(), &so).await? {
                BufferStanding::Open { .. } => Ok(Look::Done { why: format!("the buffer {} is open", buffer.address) }),
                BufferStanding::Foreign => Err(self.0.refuse("buffer", format!(
                    "the account {} is not the signer's buffer for {} bytes; was its authority handed over? Close it with \
                     `solana program close {}`",
                    buffer.address, so.len(), buffer.address
                ))),
                BufferStanding::Absent { lamports } => {
                    let rent = context.client.rent_exempt_lamports(Buffer::bytes(&so)).await?;
                    Ok(Look::Due {
                        what: format!("open the buffer {} for {} bytes", buffer.address, so.len()),
                        lamports: rent.saturating_sub(lamports) + FEE,
                    })
                }
            }
        })
    }

    fn apply<'a>(&'a self, context: &'a Context<'_>, _: &'a dyn Observer) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let Need::Deployment { so, buffer, .. } = self.0.need("buffer", context).await? else {
                return Ok(Vec::new());
            };
            let key = context.signer.pubkey();
            let BufferStanding::Absent { lamports } = buffer.standing(context.client, &key, &so).await? else {
                return Ok(Vec::new());
            };
            let rent = context.client.rent_exempt_lamports(Buffer::bytes(&so)).await?;
            let open = buffer.open(&key, &so, rent, lamports).map_err(MigrateError::send(&self.name()))?;
            let sent = context.client.send(&open, context.signer, &[], &context.options).await;
            Ok(vec![sent.map_err(MigrateError::send(&self.name()))?.signature.to_string()])
        })
    }
}

impl Step for WriteBytes {
    fn name(&self) -> String {
        format!("{}: bytes", self.0.name)
    }

    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look> {
        Box::pin(async move {
            let (so, buffer) = match self.0.need("bytes", context).await? {
                Need::Nothing(why) => return Ok(Look::Done { why }),
                Need::Deployment { so, buffer, .. } => (so, buffer),
            };
            let pieces = Pieces::of(&so, &buffer, context).map_err(MigrateError::send(&self.name()))?;
            let left = match buffer.standing(context.client, &context.signer.pubkey(), &so).await? {
                BufferStanding::Open { bytes } => pieces.missing(&bytes).len(),
                // The step before says what is wrong with it, or opens it.
                BufferStanding::Absent { .. } | BufferStanding::Foreign => pieces.of_a_new_buffer(),
            };
            if left == 0 {
                return Ok(Look::Done { why: format!("the buffer {} holds all {} bytes", buffer.address, so.len()) });
            }
            let what = format!("write {left} pieces of {} bytes into the buffer {}", so.len(), buffer.address);
            Ok(Look::Due { what, lamports: left as u64 * FEE })
        })
    }

    fn apply<'a>(&'a self, context: &'a Context<'_>, observer: &'a dyn Observer) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            if let Need::Deployment { so, buffer, .. } = self.0.need("bytes", context).await? {
                loader::fill(&self.name(), &so, &buffer, context, observer).await?;
            }
            Ok(Vec::new())
        })
    }
}

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
                Need::Deployment { so, reserved, .. } => (so, reserved),
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
            let Need::Deployment { so, buffer, reserved } = self.0.need("deploy", context).await? else {
                return Ok(Vec::new());
            };
            let (create, signers): (_, Vec<&AnySigner>) = if reserved {
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
        Box::pin(async move {
            let failed = |reason: String| Err(MigrateError::Check { step: self.name(), reason });
            let Standing::Deployed(found) = loader::standing(context.client, &self.0.id).await? else {
                return failed(format!("there is no program at {}", self.0.id));
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
        })
    }
}
