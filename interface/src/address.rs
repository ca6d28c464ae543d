//! Every address of the market, in one place.

use solana_pubkey::Pubkey;

pub use market_interface::address::*;
pub use staking_interface::address::*;

/// The market program.
pub const MARKET: Pubkey = market_interface::ID;
/// The staking program.
pub const STAKING: Pubkey = staking_interface::ID;

/// The PDA by which a program signs its events.
pub fn event_authority(program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[b"__event_authority"], program).0
}

/// Where the upgradeable loader keeps the data of `program`, which names its upgrade authority.
pub fn program_data(program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(&[program.as_ref()], &solana_sdk_ids::bpf_loader_upgradeable::ID).0
}

/// The associated token account of `owner` for `mint`, under classic SPL Token.
pub fn token_account(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    spl_associated_token_account_interface::address::get_associated_token_address(owner, mint)
}
