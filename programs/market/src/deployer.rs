//! Who may write the first configuration: whoever may upgrade the program.

use anchor_lang::prelude::*;
use program_common::{require, require_keys_eq};

use crate::error::MarketError;

const UPGRADEABLE_LOADER: Pubkey = pubkey!("BPFLoaderUpgradeab1e11111111111111111111111");
const FIXED_LOADERS: [Pubkey; 2] =
    [pubkey!("BPFLoader2111111111111111111111111111111111"), pubkey!("BPFLoader1111111111111111111111111111111111")];
/// Tag of a program account of the upgradeable loader.
const PROGRAM: &[u8] = &[2, 0, 0, 0];
/// Tag of its program data.
const PROGRAM_DATA: &[u8] = &[3, 0, 0, 0];
/// Where the program data tells of the upgrade authority: a byte (1: there is one) and its key.
const AUTHORITY_AT: usize = 12;

/// Refuses everybody but the program's upgrade authority.
///
/// - A program of the upgradeable loader shall pass its program data, and the authority that stands there shall be `signer`.
/// - Where nobody can be the authority (the program was made final, the key there is the zero key, or its loader knows no
///   upgrades) the first caller shall pass: there is nobody to prefer. Who deploys such a program sends the configuration
///   before making it final, or looks at the admin that the configuration names before telling anybody of the program.
/// - A program of a loader that is not known here shall not be configured.
pub fn check(program: &AccountInfo, program_data: &AccountInfo, signer: &Pubkey) -> Result<()> {
    require_keys_eq!(*program.key, crate::ID, MarketError::NotDeployer);
    if FIXED_LOADERS.contains(program.owner) {
        return Ok(());
    }
    require_keys_eq!(*program.owner, UPGRADEABLE_LOADER, MarketError::NotDeployer);
    let own = program.try_borrow_data()?;
    let address = own.strip_prefix(PROGRAM).ok_or(MarketError::NotDeployer)?;
    require!(address.get(..32) == Some(program_data.key.as_ref()), MarketError::NotDeployer);
    require_keys_eq!(*program_data.owner, UPGRADEABLE_LOADER, MarketError::NotDeployer);
    let data = program_data.try_borrow_data()?;
    require!(data.starts_with(PROGRAM_DATA), MarketError::NotDeployer);
    let (flag, key) =
        data.get(AUTHORITY_AT..AUTHORITY_AT + 33).and_then(<[u8]>::split_first).ok_or(MarketError::NotDeployer)?;
    let nobody = *flag == 0 || key == Pubkey::default().as_ref();
    require!(nobody || key == signer.as_ref(), MarketError::NotDeployer);
    Ok(())
}
