//! Writing a program's bytes into its buffer: thousands of small transactions. Which of them landed is read from the buffer
//! itself, so it does not matter which were lost, landed twice, or were sent by a run that was killed.

use gridlease_sdk::rpc::SendError;
use gridlease_sdk::rpc::send::room_for_data;
use solana_instruction::Instruction;
use solana_loader_v3_interface::instruction as loader;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{Buffer, BufferStanding};
use crate::context::Context;
use crate::error::MigrateError;
use crate::migration::{Event, Observer};
use crate::rounds::{self, PAUSE, ROUND, Rounds};

/// Bytes of a write that are not the program's: tag, offset, length.
const OVERHEAD: usize = 16;

/// The pieces of a program.
#[derive(Clone, Copy, Debug)]
pub struct Pieces<'a> {
    so: &'a [u8],
    size: usize,
}

impl<'a> Pieces<'a> {
    /// `so` in pieces that fill a transaction each.
    ///
    /// # Errors
    /// [`SendError`], which cannot be for a key that signs.
    pub fn of(so: &'a [u8], buffer: &Buffer, context: &Context<'_>) -> Result<Self, SendError> {
        let key = context.signer.pubkey();
        let room = room_for_data(&loader::write(&buffer.address, &key, 0, Vec::new()), context.signer)?;
        let size = room.checked_sub(OVERHEAD).filter(|size| *size > 0).ok_or(SendError::TooLarge { bytes: 0 })?;
        Ok(Self { so, size })
    }

    /// Those that differ from what is written, with their places: the zeros of a new buffer need no writing.
    pub fn missing(&self, written: &[u8]) -> Vec<(u32, &'a [u8])> {
        let pieces = self.so.chunks(self.size).enumerate().map(|(number, piece)| (number * self.size, piece));
        let differs = pieces.filter(|(at, piece)| written.get(*at..*at + piece.len()) != Some(piece));
        differs.filter_map(|(at, piece)| Some((u32::try_from(at).ok()?, piece))).collect()
    }

    /// Those that a new buffer needs.
    pub fn of_a_new_buffer(&self) -> usize {
        self.missing(&vec![0; self.so.len()]).len()
    }
}

/// Writes what is missing of `so` into its buffer, which is open.
///
/// # Errors
/// [`MigrateError::Stuck`] where nothing lands any more, and what sending and reading fail with. What was written stays.
pub async fn fill(
    step: &str,
    so: &[u8],
    buffer: &Buffer,
    context: &Context<'_>,
    observer: &dyn Observer,
) -> Result<(), MigrateError> {
    let key = context.signer.pubkey();
    let pieces = Pieces::of(so, buffer, context).map_err(MigrateError::send(step))?;
    let total = so.len() as u64;
    let (options, mut rounds) = (rounds::options(context), Rounds::default());
    loop {
        let BufferStanding::Open { bytes } = buffer.standing(context.client, &key, so).await? else {
            return Err(MigrateError::Precondition {
                step: step.to_owned(),
                reason: format!("the buffer {} was closed or taken over while it was being written", buffer.address),
            });
        };
        let missing = pieces.missing(&bytes);
        let left: usize = missing.iter().map(|(_, piece)| piece.len()).sum();
        observer.tell(&Event::Progress { done: total.saturating_sub(left as u64), total });
        if missing.is_empty() {
            return Ok(());
        }
        rounds.left(step, missing.len())?;
        let handed = context.client.hand_over(&writes(&missing, buffer, &key), context.signer, &options).await;
        rounds.handed(handed.map_err(MigrateError::send(step))?);
        tokio::time::sleep(PAUSE).await;
    }
}

/// The writes of the next round.
fn writes(missing: &[(u32, &[u8])], buffer: &Buffer, key: &Pubkey) -> Vec<Instruction> {
    let round = missing.iter().take(ROUND);
    round.map(|(at, piece)| loader::write(&buffer.address, key, *at, piece.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_written() {
        let so = [vec![1; 10], vec![0; 10], vec![2; 5]].concat();
        let pieces = Pieces { so: &so, size: 10 };
        assert_eq!(pieces.of_a_new_buffer(), 2, "zeros are there already");
        let mut written = so.clone();
        assert!(pieces.missing(&written).is_empty());
        written[24] = 9;
        assert_eq!(pieces.missing(&written), [(20, &[2u8; 5][..])]);
        assert_eq!(pieces.missing(&so[..15]), [(10, &[0u8; 10][..]), (20, &[2u8; 5][..])]);
    }

    #[test]
    fn the_overhead_of_a_write_is_what_the_loader_s_builder_adds() {
        let data = |bytes: usize| loader::write(&Pubkey::default(), &Pubkey::default(), 7, vec![1; bytes]).data.len();
        assert_eq!((data(0), data(900)), (OVERHEAD, 900 + OVERHEAD));
    }
}
