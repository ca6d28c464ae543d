//! The steps that write a program's bytes onto the chain, from where they are deployed or take the place of others.

use solana_signer::Signer as _;

use crate::context::Context;
use crate::error::MigrateError;
use crate::loader::{self, Buffer, BufferStanding, FEE, Pieces};
use crate::migration::{Doing, Look, Observer, Step};
use crate::target::{Need, Target};

/// Opens the buffer.
#[derive(Debug)]
pub struct OpenBuffer(pub Target);
/// Writes the bytes into it.
#[derive(Debug)]
pub struct WriteBytes(pub Target);

impl Step for OpenBuffer {
    fn name(&self) -> String {
        format!("{}: buffer", self.0.name)
    }

    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look> {
        Box::pin(async move {
            let (so, buffer) = match self.0.need("buffer", context).await? {
                Need::Nothing(why) => return Ok(Look::Done { why }),
                Need::Bytes { so, buffer, .. } => (so, buffer),
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
            let Need::Bytes { so, buffer, .. } = self.0.need("buffer", context).await? else {
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
                Need::Bytes { so, buffer, .. } => (so, buffer),
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
            if let Need::Bytes { so, buffer, .. } = self.0.need("bytes", context).await? {
                loader::fill(&self.name(), &so, &buffer, context, observer).await?;
            }
            Ok(Vec::new())
        })
    }
}
