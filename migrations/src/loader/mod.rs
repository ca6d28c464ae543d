//! Programs under Solana's upgradeable loader: what stands at an address, and how bytes get there.
//!
//! A program is too large for a transaction, so its bytes are first written into a *buffer* account, piece by piece, and then
//! deployed from there. The buffer's address follows from the signer and the bytes' hash, so a run that was cut off finds
//! what it wrote by asking the chain, and no key of the buffer has to be kept.

mod callable;
mod fill;

use gridlease_sdk::rpc::{Client, SendError};
use sha2::{Digest as _, Sha256};
use solana_instruction::Instruction;
use solana_loader_v3_interface::instruction as loader;
use solana_loader_v3_interface::state::UpgradeableLoaderState as State;
use solana_pubkey::Pubkey;
use solana_system_interface::instruction as system;

pub use callable::check_callable;
pub use fill::{Pieces, fill};

use crate::error::MigrateError;

/// Fee of a transaction with one signature, in lamports.
pub const FEE: u64 = 5_000;
/// The loader.
const LOADER: Pubkey = solana_sdk_ids::bpf_loader_upgradeable::ID;
/// The loader's tag of a buffer (u32, little endian), and a byte that says whether an authority follows.
const BUFFER: [u8; 5] = [1, 0, 0, 0, 1];
/// Its tag of a program.
const PROGRAM: [u8; 4] = [2, 0, 0, 0];
/// Its tag of a program's data; slot (u64) and authority (a byte, 32 bytes) follow.
const PROGRAM_DATA: [u8; 4] = [3, 0, 0, 0];
/// The least by which the loader extends a program, unless that is all that an account may have.
const LEAST_EXTENSION: usize = 10_240;
/// Bytes of a program that an account may have.
const MAX_PROGRAM: usize = 10 * 1024 * 1024 - State::size_of_programdata_metadata();
/// Characters of a seed that the System program takes at most.
const SEED_CHARACTERS: usize = 32;

/// What stands at a program's address.
#[derive(Debug)]
pub enum Standing {
    /// Nothing.
    Absent,
    /// An empty account of the loader's: the address is taken, and anyone can deploy there.
    Reserved,
    /// A program.
    Deployed(Deployed),
    /// Something that this loader has nothing to do with.
    Foreign {
        /// Who owns it.
        owner: Pubkey,
    },
}

/// A program that is deployed.
#[derive(Debug)]
pub struct Deployed {
    /// Who may upgrade it; nobody where it is final, or where the zero key may.
    pub authority: Option<Pubkey>,
    /// The slot of its deployment. It can be called from the next one on.
    pub slot: u64,
    /// Its bytes, without the zeros behind them that make room for an upgrade.
    pub bytes: Vec<u8>,
    /// How many bytes fit.
    pub room: usize,
}

impl Deployed {
    /// Whether it is `so`.
    pub fn is(&self, so: &[u8]) -> bool {
        self.bytes == trimmed(so)
    }

    /// Its hash.
    pub fn hash(&self) -> String {
        program_hash(&self.bytes)
    }
}

/// The hash by which a program is known on any chain: SHA-256, in lower-case hex, of its bytes without the zeros at the end,
/// as `solana-verify` prints it for a file and for an address.
pub fn program_hash(so: &[u8]) -> String {
    hex::encode(Sha256::digest(trimmed(so)))
}

/// Without the zeros at the end.
fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

/// What stands at `program`.
///
/// # Errors
/// The read's.
pub async fn standing(client: &Client, program: &Pubkey) -> Result<Standing, MigrateError> {
    let Some(account) = client.account(program).await?.filter(|account| account.lamports > 0) else {
        return Ok(Standing::Absent);
    };
    if account.owner != LOADER {
        return Ok(Standing::Foreign { owner: account.owner });
    }
    let Some(named) = account.data.strip_prefix(&PROGRAM) else { return Ok(Standing::Reserved) };
    let address = named.first_chunk::<32>().map(|bytes| Pubkey::new_from_array(*bytes)).unwrap_or_default();
    let data = client.account(&address).await?.filter(|account| account.owner == LOADER);
    // A program whose data was closed can never be deployed again.
    Ok(data.and_then(|account| deployed(&account.data)).map_or(Standing::Foreign { owner: LOADER }, Standing::Deployed))
}

fn deployed(data: &[u8]) -> Option<Deployed> {
    let (slot, rest) = data.strip_prefix(&PROGRAM_DATA)?.split_first_chunk::<8>()?;
    let (flag, rest) = rest.split_first()?;
    let key = rest.first_chunk::<32>()?;
    let bytes = data.get(State::size_of_programdata_metadata()..)?;
    // Nobody signs for the zero key: it is the System program's address.
    let authority = (*flag == 1).then_some(Pubkey::new_from_array(*key)).filter(|key| *key != Pubkey::default());
    Some(Deployed { authority, slot: u64::from_le_bytes(*slot), bytes: trimmed(bytes).to_vec(), room: bytes.len() })
}

/// A buffer for the bytes of one program, at the address that follows from them.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Its address.
    pub address: Pubkey,
    seed: String,
}

/// What is at a buffer's address.
#[derive(Debug)]
pub enum BufferStanding {
    /// No buffer; at most lamports that somebody sent there.
    Absent {
        /// Those.
        lamports: u64,
    },
    /// The buffer, with what was written into it so far.
    Open {
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Something else.
    Foreign,
}

impl Buffer {
    /// The buffer of `signer` for `so`.
    ///
    /// # Errors
    /// [`SendError::Invalid`] where the seed is out of bounds, which it is for no bytes.
    pub fn of(signer: &Pubkey, so: &[u8]) -> Result<Self, SendError> {
        let mut seed = hex::encode(Sha256::digest(so));
        seed.truncate(SEED_CHARACTERS);
        let address = Pubkey::create_with_seed(signer, &seed, &LOADER).map_err(invalid)?;
        Ok(Self { address, seed })
    }

    /// What is there.
    ///
    /// # Errors
    /// The read's.
    pub async fn standing(&self, client: &Client, signer: &Pubkey, so: &[u8]) -> Result<BufferStanding, MigrateError> {
        let Some(account) = client.account(&self.address).await? else {
            return Ok(BufferStanding::Absent { lamports: 0 });
        };
        if account.owner == solana_sdk_ids::system_program::ID && account.data.is_empty() {
            return Ok(BufferStanding::Absent { lamports: account.lamports });
        }
        let body = account.data.strip_prefix(&BUFFER).and_then(|rest| rest.strip_prefix(&signer.to_bytes()));
        Ok(match body {
            Some(bytes) if account.owner == LOADER && bytes.len() == so.len() => {
                BufferStanding::Open { bytes: bytes.to_vec() }
            }
            _ => BufferStanding::Foreign,
        })
    }

    /// The instructions that open it. Lamports that are there already count, so nobody can keep it shut by sending some.
    ///
    /// # Errors
    /// [`SendError::Invalid`] where the loader's own builder fails.
    pub fn open(&self, signer: &Pubkey, so: &[u8], rent: u64, there: u64) -> Result<Vec<Instruction>, SendError> {
        let space = Self::bytes(so) as u64;
        let mut instructions = Vec::new();
        if there < rent {
            instructions.push(system::transfer(signer, &self.address, rent - there));
        }
        instructions.push(system::allocate_with_seed(&self.address, signer, &self.seed, space, &LOADER));
        // The loader's own builder creates the account in another way; of what it makes only the second part is wanted.
        let both = loader::create_buffer(signer, &self.address, signer, rent, so.len()).map_err(invalid)?;
        instructions.extend(both.into_iter().skip(1));
        Ok(instructions)
    }

    /// Bytes of the account.
    pub fn bytes(so: &[u8]) -> usize {
        State::size_of_buffer(so.len())
    }
}

/// Bytes of a program account.
pub const fn program_bytes() -> usize {
    State::size_of_program()
}

/// The instructions that deploy `so` from its buffer to `program`, which is created where `create` says with how many
/// lamports.
///
/// # Errors
/// [`SendError::Invalid`] where the loader's own builder fails.
pub fn deploy(
    program: &Pubkey,
    buffer: &Buffer,
    signer: &Pubkey,
    so: &[u8],
    create: Option<u64>,
) -> Result<Vec<Instruction>, SendError> {
    let rent = create.unwrap_or(0);
    let both = loader::deploy_with_max_program_len(signer, program, &buffer.address, signer, rent, so.len());
    // The first creates the account.
    Ok(both.map_err(invalid)?.into_iter().skip(usize::from(create.is_none())).collect())
}

/// By how many bytes a program's account that holds `room` is extended for `bytes`: never by less than the loader takes.
pub fn growth(bytes: usize, room: usize) -> usize {
    match bytes.saturating_sub(room) {
        0 => 0,
        missing => missing.max(LEAST_EXTENSION).min(MAX_PROGRAM.saturating_sub(room)).max(missing),
    }
}

/// The instructions that put `so` from its buffer in the place of the program's bytes. Of those `room` fit so far.
///
/// # Errors
/// [`SendError::Invalid`] where there are more bytes than an account holds.
pub fn upgrade(
    program: &Pubkey,
    buffer: &Buffer,
    signer: &Pubkey,
    so: &[u8],
    room: usize,
) -> Result<Vec<Instruction>, SendError> {
    let more = u32::try_from(growth(so.len(), room)).map_err(invalid)?;
    let extend = (more > 0).then(|| loader::extend_program(program, Some(signer), more));
    Ok(extend.into_iter().chain([loader::upgrade(program, &buffer.address, signer, signer)]).collect())
}

fn invalid(error: impl std::fmt::Display) -> SendError {
    SendError::Invalid { reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_data_is_read_as_the_loader_writes_it() {
        let key = Pubkey::new_from_array([7; 32]);
        let written = |authority: Option<Pubkey>| {
            let mut data = vec![3, 0, 0, 0];
            data.extend(9u64.to_le_bytes());
            data.push(u8::from(authority.is_some()));
            data.extend(authority.unwrap_or_default().to_bytes());
            data.extend(b"\x7fELF bytes\0\0\0");
            deployed(&data).unwrap()
        };
        let found = written(Some(key));
        assert_eq!((found.authority, found.slot, found.bytes.as_slice()), (Some(key), 9, &b"\x7fELF bytes"[..]));
        assert!(found.is(b"\x7fELF bytes") && found.is(b"\x7fELF bytes\0") && !found.is(b"\x7fELF byte"));
        assert_eq!(written(None).authority, None);
        assert_eq!(written(Some(Pubkey::default())).authority, None, "nobody signs for the zero key");
        assert!(deployed(&[3, 0, 0, 0, 1]).is_none());
    }

    #[test]
    fn a_program_is_extended_by_no_less_than_the_loader_takes_and_to_no_more_than_an_account_holds() {
        assert_eq!((growth(100, 100), growth(99, 100)), (0, 0));
        assert_eq!((growth(101, 100), growth(20_000, 100)), (10_240, 19_900));
        assert_eq!(growth(MAX_PROGRAM, MAX_PROGRAM - 5), 5);
    }

    #[test]
    fn a_buffers_address_follows_from_signer_and_bytes_and_its_opening_pays_only_what_is_missing() {
        let (one, other) = (Pubkey::new_unique(), Pubkey::new_unique());
        let buffer = Buffer::of(&one, b"so").unwrap();
        assert_eq!(buffer.address, Buffer::of(&one, b"so").unwrap().address);
        assert_ne!(buffer.address, Buffer::of(&other, b"so").unwrap().address);
        assert_ne!(buffer.address, Buffer::of(&one, b"os").unwrap().address);
        let count = |there| buffer.open(&one, b"so", 100, there).unwrap().len();
        assert_eq!((count(0), count(99), count(100)), (3, 3, 2));
        assert_eq!(deploy(&other, &buffer, &one, b"so", Some(5)).unwrap().len(), 2);
        assert_eq!(deploy(&other, &buffer, &one, b"so", None).unwrap().len(), 1);
    }
}
