//! What of an SPL Token account the program reads: its mint, its amount and whether it is frozen.
//!
//! Used as `Account<TokenAccount>`, so that Anchor sees to it that the account belongs to SPL Token. It is refused for what the
//! library's own type refuses, but the 165 bytes are not copied whole, field for field, for the three that count.

use anchor_lang::prelude::*;
use anchor_spl::token;
use gridlease_core::payout::Recorded;

use crate::derive;

/// The program of associated token accounts.
const ASSOCIATED_TOKEN: Pubkey = pubkey!("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/// Bytes of a token account.
const LEN: usize = 165;
/// Offset of the amount.
const AMOUNT_AT: usize = 64;
/// Offset of the state: 1 open, 2 frozen.
const STATE_AT: usize = 108;
/// Offsets of what says whether delegate, reserve and close authority are there: 0 or 1, in four bytes.
const OPTIONS_AT: [usize; 3] = [72, 109, 129];

/// A token account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenAccount {
    /// Of what it holds tokens.
    pub mint: Pubkey,
    /// How many, in atoms.
    pub amount: u64,
    frozen: bool,
}

impl TokenAccount {
    /// Is it frozen by the mint's freeze authority?
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    fn read(data: &[u8; LEN]) -> core::result::Result<Self, ProgramError> {
        let frozen = match data[STATE_AT] {
            1 => false,
            2 => true,
            0 => return Err(ProgramError::UninitializedAccount),
            _ => return Err(ProgramError::InvalidAccountData),
        };
        for at in OPTIONS_AT {
            let tag = data[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            if tag.is_none_or(|tag| tag > 1) {
                return Err(ProgramError::InvalidAccountData);
            }
        }
        let mint = data.first_chunk().ok_or(ProgramError::InvalidAccountData)?;
        let amount = data[AMOUNT_AT..].first_chunk().ok_or(ProgramError::InvalidAccountData)?;
        Ok(Self { mint: Pubkey::new_from_array(*mint), amount: u64::from_le_bytes(*amount), frozen })
    }
}

/// What became of a token account to which tokens of `mint` were to go. One that is no token account of that mint any more
/// counts as closed. (Whether it is a revenue vault its address says, not what is there.)
pub fn recorded(account: &AccountInfo, mint: &Pubkey) -> Recorded {
    let Ok(data) = account.try_borrow_data() else { return Recorded::Closed };
    let read = data.as_ref().try_into().ok().and_then(|data| TokenAccount::read(data).ok());
    match read.filter(|read| *account.owner == token::ID && read.mint == *mint) {
        None => Recorded::Closed,
        Some(read) if read.frozen => Recorded::Frozen,
        Some(_) => Recorded::Takes,
    }
}

/// The associated token account of `owner` for `mint`.
pub fn associated(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    derive::find(&ASSOCIATED_TOKEN, &[owner.as_ref(), token::ID.as_ref(), mint.as_ref()]).0
}

impl AccountDeserialize for TokenAccount {
    fn try_deserialize_unchecked(data: &mut &[u8]) -> Result<Self> {
        let data: &[u8; LEN] = (*data).try_into().map_err(|_| ProgramError::InvalidAccountData)?;
        Ok(Self::read(data)?)
    }
}

/// It is never written: only SPL Token does that.
impl AccountSerialize for TokenAccount {}

impl Owner for TokenAccount {
    fn owner() -> Pubkey {
        token::ID
    }
}

#[cfg(feature = "idl-build")]
impl anchor_lang::IdlBuild for TokenAccount {}

#[cfg(feature = "idl-build")]
impl anchor_lang::Discriminator for TokenAccount {
    const DISCRIMINATOR: &'static [u8] = &[];
}

#[cfg(test)]
mod tests {
    use anchor_lang::solana_program::program_pack::Pack;
    use anchor_spl::token::spl_token::state::{Account as Library, AccountState};

    use super::*;

    /// Reads the bytes as the library does, and as this module does.
    fn both(data: &[u8]) -> [core::result::Result<TokenAccount, ProgramError>; 2] {
        let theirs = Library::unpack(data).map(|account| TokenAccount {
            mint: account.mint,
            amount: account.amount,
            frozen: account.is_frozen(),
        });
        let ours = TokenAccount::try_deserialize(&mut &*data).map_err(|error| match error {
            Error::ProgramError(with) => with.program_error,
            Error::AnchorError(error) => ProgramError::Custom(error.error_code_number),
        });
        [theirs, ours]
    }

    #[test]
    fn it_takes_and_refuses_what_the_library_takes_and_refuses() {
        let account =
            Library { mint: Pubkey::new_unique(), amount: 7, state: AccountState::Frozen, ..Library::default() };
        let mut whole = [0; Library::LEN];
        Library::pack(account, &mut whole).unwrap();
        let [theirs, ours] = both(&whole);
        assert_eq!(ours, Ok(TokenAccount { mint: account.mint, amount: 7, frozen: true }));
        assert_eq!(theirs, ours);
        for at in 0..whole.len() {
            for byte in 0..=3 {
                let mut other = whole;
                other[at] = byte;
                let [theirs, ours] = both(&other);
                assert_eq!(theirs, ours, "byte {at} is {byte}");
            }
        }
        for len in [0, 82, 164, 166, 355] {
            let [theirs, ours] = both(&vec![1; len]);
            assert_eq!(theirs, ours, "{len} bytes");
            assert_eq!(ours, Err(ProgramError::InvalidAccountData));
        }
    }
}
