//! The system program, as far as the programs call it.

use anchor_lang::prelude::{AccountInfo, ProgramError};
use gridlease_sdk::instruction::SYSTEM_PROGRAM;
use solana_pubkey::Pubkey;

use super::bytes::Bytes;
use super::runtime::{Done, set_lamports};

/// Its own errors: the account is there already, and there are too few lamports.
const IN_USE: ProgramError = ProgramError::Custom(0);
const TOO_FEW: ProgramError = ProgramError::Custom(1);

pub fn process(accounts: &[AccountInfo], data: &[u8]) -> Done {
    let mut input = Bytes(data);
    match (input.short(4), accounts) {
        (0, [from, to, ..]) => {
            let (lamports, space, owner) = (input.number(), input.number(), key(&mut input)?);
            if to.lamports() > 0 {
                return Err(IN_USE);
            }
            allocate(to, space)?;
            assign(to, &owner)?;
            transfer(from, to, lamports)
        }
        (1, [account, ..]) => assign(account, &key(&mut input)?),
        (2, [from, to, ..]) => transfer(from, to, input.number()),
        (8, [account, ..]) => allocate(account, input.number()),
        _ => Err(ProgramError::InvalidInstructionData),
    }
}

fn key(input: &mut Bytes) -> Result<Pubkey, ProgramError> {
    Pubkey::try_from(input.take(32)).map_err(|_| ProgramError::InvalidInstructionData)
}

fn signed(account: &AccountInfo) -> Done {
    if account.is_signer { Ok(()) } else { Err(ProgramError::MissingRequiredSignature) }
}

fn written(account: &AccountInfo) -> Done {
    if account.is_writable { Ok(()) } else { Err(ProgramError::Immutable) }
}

fn allocate(account: &AccountInfo, space: u64) -> Done {
    signed(account)?;
    if !account.data_is_empty() || *account.owner != SYSTEM_PROGRAM {
        return Err(IN_USE);
    }
    written(account)?;
    account.resize(usize::try_from(space).map_err(|_| ProgramError::InvalidRealloc)?)
}

fn assign(account: &AccountInfo, owner: &Pubkey) -> Done {
    if account.owner == owner {
        return Ok(());
    }
    signed(account)?;
    written(account)?;
    if *account.owner != SYSTEM_PROGRAM {
        return Err(ProgramError::IllegalOwner);
    }
    account.assign(owner);
    Ok(())
}

fn transfer(from: &AccountInfo, to: &AccountInfo, lamports: u64) -> Done {
    signed(from)?;
    if !from.data_is_empty() {
        return Err(ProgramError::InvalidArgument);
    }
    let less = from.lamports().checked_sub(lamports).ok_or(TOO_FEW)?;
    if lamports > 0 && *from.owner != SYSTEM_PROGRAM {
        return Err(ProgramError::IllegalOwner);
    }
    set_lamports(from, less)?;
    let more = to.lamports().checked_add(lamports).ok_or(ProgramError::ArithmeticOverflow)?;
    set_lamports(to, more)
}
