//! SPL Token, as far as the programs call it. Of wrapped SOL and of accounts of several signers, which the programs never see
//! without the fuzzer, it wants to know nothing.

use anchor_lang::prelude::{AccountInfo, ProgramError, Rent};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM};
use solana_pubkey::Pubkey;

use super::bytes::Bytes;
use super::runtime::{Done, set_lamports};

/// Bytes of an account and of a mint.
const ACCOUNT: usize = 165;
const MINT: usize = 82;
/// Where in an account stand the owner, the amount, the delegate (behind a number that says whether there is one), the state
/// (0 none, 1 open, 2 frozen), whether it holds SOL, what the delegate may still move, and who may close it.
const OWNER: usize = 32;
const AMOUNT: usize = 64;
const DELEGATE: usize = 72;
const STATE: usize = 108;
const NATIVE: usize = 109;
const DELEGATED: usize = 121;
const CLOSER: usize = 129;
/// Where in a mint stand the decimals, and whether there is one.
const DECIMALS: usize = 44;
const IS_MINT: usize = 45;
const OPEN: u8 = 1;
const FROZEN: u8 = 2;

/// Its own errors, by their numbers.
mod refused {
    use super::ProgramError;

    pub const NO_RENT: ProgramError = ProgramError::Custom(0);
    pub const TOO_FEW: ProgramError = ProgramError::Custom(1);
    pub const NO_MINT: ProgramError = ProgramError::Custom(2);
    pub const OTHER_MINT: ProgramError = ProgramError::Custom(3);
    pub const OTHER_OWNER: ProgramError = ProgramError::Custom(4);
    pub const IN_USE: ProgramError = ProgramError::Custom(6);
    pub const HAS_BALANCE: ProgramError = ProgramError::Custom(11);
    pub const OVERFLOW: ProgramError = ProgramError::Custom(14);
    pub const IS_FROZEN: ProgramError = ProgramError::Custom(17);
    pub const OTHER_DECIMALS: ProgramError = ProgramError::Custom(18);
}

/// What of a token account counts.
pub struct Holding {
    pub mint: Pubkey,
    pub owner: Pubkey,
    pub amount: u64,
    pub frozen: bool,
    native: bool,
    delegate: Option<Pubkey>,
    delegated: u64,
    closer: Option<Pubkey>,
}

impl Holding {
    /// Reads a token account that is open.
    pub fn read(program: &Pubkey, data: &[u8]) -> Option<Self> {
        let open = data.len() == ACCOUNT && [OPEN, FROZEN].contains(&data[STATE]);
        if *program != TOKEN_PROGRAM || !open {
            return None;
        }
        let flag = |at: usize| match Bytes(&data[at..]).short(4) {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        let perhaps = |at: usize| flag(at).map(|there| there.then(|| key(data, at + 4)));
        Some(Self {
            mint: key(data, 0),
            owner: key(data, OWNER),
            amount: number(data, AMOUNT),
            frozen: data[STATE] == FROZEN,
            native: flag(NATIVE)?,
            delegate: perhaps(DELEGATE)?,
            delegated: number(data, DELEGATED),
            closer: perhaps(CLOSER)?,
        })
    }

    /// Does nobody but `owner` have a say?
    pub fn is_of(&self, owner: &Pubkey) -> bool {
        self.owner == *owner && self.delegate.is_none() && self.closer.is_none() && !self.native
    }
}

fn key(data: &[u8], at: usize) -> Pubkey {
    Pubkey::try_from(&data[at..at + 32]).unwrap()
}

fn number(data: &[u8], at: usize) -> u64 {
    Bytes(&data[at..]).number()
}

pub fn process(accounts: &[AccountInfo], data: &[u8]) -> Done {
    let mut input = Bytes(data);
    match (input.byte(), accounts) {
        (3, [from, to, by, ..]) => transfer(from, to, by, input.number()),
        (12, [from, mint, to, by, ..]) => {
            let (amount, decimals) = (input.number(), input.byte());
            if holding(from)?.mint != *mint.key {
                return Err(refused::OTHER_MINT);
            }
            if check_mint(mint)? != decimals {
                return Err(refused::OTHER_DECIMALS);
            }
            transfer(from, to, by, amount)
        }
        (9, [account, to, by, ..]) => close(account, to, by),
        (18, [account, mint, ..]) => open(account, mint, input.take(32)),
        _ => Err(ProgramError::InvalidInstructionData),
    }
}

fn holding(account: &AccountInfo) -> Result<Holding, ProgramError> {
    let holding = Holding::read(account.owner, &account.data.borrow()).ok_or(ProgramError::InvalidAccountData)?;
    if holding.native { Err(ProgramError::InvalidAccountData) } else { Ok(holding) }
}

/// Returns its decimals.
fn check_mint(mint: &AccountInfo) -> Result<u8, ProgramError> {
    let data = mint.data.borrow();
    let is_mint = *mint.owner == TOKEN_PROGRAM && data.len() == MINT && data[IS_MINT] == 1;
    if is_mint { Ok(data[DECIMALS]) } else { Err(refused::NO_MINT) }
}

fn transfer(from: &AccountInfo, to: &AccountInfo, by: &AccountInfo, amount: u64) -> Done {
    let (source, target) = (holding(from)?, holding(to)?);
    if source.frozen || target.frozen {
        return Err(refused::IS_FROZEN);
    }
    let less = source.amount.checked_sub(amount).ok_or(refused::TOO_FEW)?;
    if source.mint != target.mint {
        return Err(refused::OTHER_MINT);
    }
    let by_delegate = source.delegate == Some(*by.key);
    if !by_delegate && source.owner != *by.key {
        return Err(refused::OTHER_OWNER);
    }
    if !by.is_signer {
        return Err(ProgramError::MissingRequiredSignature);
    }
    let left = source.delegated.checked_sub(amount);
    if by_delegate && left.is_none() {
        return Err(refused::TOO_FEW);
    }
    if !from.is_writable || !to.is_writable {
        return Err(ProgramError::Immutable);
    }
    if from.key == to.key {
        return Ok(());
    }
    let more = target.amount.checked_add(amount).ok_or(refused::OVERFLOW)?;
    let mut data = from.try_borrow_mut_data()?;
    data[AMOUNT..AMOUNT + 8].copy_from_slice(&less.to_le_bytes());
    if let Some(left) = left.filter(|_| by_delegate) {
        data[DELEGATED..DELEGATED + 8].copy_from_slice(&left.to_le_bytes());
        if left == 0 {
            data[DELEGATE..DELEGATE + 4].copy_from_slice(&[0; 4]);
        }
    }
    to.try_borrow_mut_data()?[AMOUNT..AMOUNT + 8].copy_from_slice(&more.to_le_bytes());
    Ok(())
}

fn close(account: &AccountInfo, to: &AccountInfo, by: &AccountInfo) -> Done {
    if account.key == to.key {
        return Err(ProgramError::InvalidAccountData);
    }
    let holding = holding(account)?;
    if holding.amount > 0 {
        return Err(refused::HAS_BALANCE);
    }
    if holding.closer.unwrap_or(holding.owner) != *by.key {
        return Err(refused::OTHER_OWNER);
    }
    if !by.is_signer {
        return Err(ProgramError::MissingRequiredSignature);
    }
    let sum = to.lamports().checked_add(account.lamports()).ok_or(refused::OVERFLOW)?;
    set_lamports(to, sum)?;
    set_lamports(account, 0)?;
    account.resize(0)?;
    account.assign(&SYSTEM_PROGRAM);
    Ok(())
}

fn open(account: &AccountInfo, mint: &AccountInfo, owner: &[u8]) -> Done {
    if *account.owner != TOKEN_PROGRAM || account.data_len() != ACCOUNT {
        return Err(ProgramError::InvalidAccountData);
    }
    let mut data = account.try_borrow_mut_data()?;
    if data[STATE] != 0 {
        return Err(refused::IN_USE);
    }
    if !Rent::default().is_exempt(account.lamports(), ACCOUNT) {
        return Err(refused::NO_RENT);
    }
    check_mint(mint)?;
    if !account.is_writable {
        return Err(ProgramError::Immutable);
    }
    data.fill(0);
    data[..32].copy_from_slice(mint.key.as_ref());
    data[OWNER..OWNER + 32].copy_from_slice(owner);
    data[STATE] = OPEN;
    Ok(())
}
