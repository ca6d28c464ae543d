//! A USDC-like token: a real SPL Token mint with 6 decimals, made by real instructions.

use std::sync::{MutexGuard, PoisonError};

pub use gridlease_core::limits::USDC_DECIMALS;
use solana_keypair::Keypair;
use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use spl_associated_token_account_interface::{
    address::get_associated_token_address, instruction::create_associated_token_account_idempotent,
};
use spl_token_interface::{
    ID as TOKEN_PROGRAM,
    instruction::{initialize_mint2, mint_to_checked},
    state::Mint,
};

use crate::{Localnet, LocalnetError};

/// The network's USDC.
pub(crate) struct Usdc {
    mint: Pubkey,
    authority: Keypair,
}

impl Localnet {
    /// Creates the network's USDC at the address of `mint`, with `authority` as mint authority (kept by the network
    /// for [`Localnet::mint_usdc`]) and no freeze authority. Returns the mint's address. The network pays.
    ///
    /// # Errors
    /// There is a mint already, the address is taken, or a transaction failed.
    pub async fn create_usdc_mint(&self, mint: &Keypair, authority: &Keypair) -> Result<Pubkey, LocalnetError> {
        const DOING: &str = "creating the USDC mint";
        if let Some(usdc) = self.lock_usdc().as_ref() {
            return Err(LocalnetError::MintExists { mint: usdc.mint });
        }
        let address = mint.pubkey();
        let rent = self
            .rpc
            .get_minimum_balance_for_rent_exemption(Mint::LEN)
            .await
            .map_err(|error| LocalnetError::rpc(DOING, error))?;
        let instructions = [
            solana_system_interface::instruction::create_account(
                &self.faucet.pubkey(),
                &address,
                rent,
                Mint::LEN as u64,
                &TOKEN_PROGRAM,
            ),
            initialize_mint2(&TOKEN_PROGRAM, &address, &authority.pubkey(), None, USDC_DECIMALS)
                .map_err(|error| instruction_error(DOING, &error))?,
        ];
        self.send(DOING, &instructions, &[mint]).await?;
        let mut usdc = self.lock_usdc();
        // Another call may have been quicker; its mint may be in use already.
        if let Some(usdc) = usdc.as_ref() {
            return Err(LocalnetError::MintExists { mint: usdc.mint });
        }
        *usdc = Some(Usdc { mint: address, authority: authority.insecure_clone() });
        Ok(address)
    }

    /// The USDC mint, once there is one.
    pub fn usdc_mint(&self) -> Option<Pubkey> {
        self.lock_usdc().as_ref().map(|usdc| usdc.mint)
    }

    /// Mints `atoms` (10⁻⁶ USDC) to `owner`'s associated token account, which is created if it is not there, and
    /// returns that account. Zero only creates it. Confirmed when this returns. The network pays.
    ///
    /// # Errors
    /// No mint yet ([`LocalnetError::NoMint`]), or the transaction failed.
    pub async fn mint_usdc(&self, owner: &Pubkey, atoms: u64) -> Result<Pubkey, LocalnetError> {
        let doing = format!("minting {atoms} USDC atoms to {owner}");
        let (mint, authority) = match self.lock_usdc().as_ref() {
            Some(usdc) => (usdc.mint, usdc.authority.insecure_clone()),
            None => return Err(LocalnetError::NoMint),
        };
        let account = get_associated_token_address(owner, &mint);
        let mut instructions =
            vec![create_associated_token_account_idempotent(&self.faucet.pubkey(), owner, &mint, &TOKEN_PROGRAM)];
        let mut signers = Vec::new();
        if atoms > 0 {
            instructions.push(
                mint_to_checked(&TOKEN_PROGRAM, &mint, &account, &authority.pubkey(), &[], atoms, USDC_DECIMALS)
                    .map_err(|error| instruction_error(&doing, &error))?,
            );
            signers.push(&authority);
        }
        self.send(&doing, &instructions, &signers).await?;
        Ok(account)
    }

    fn lock_usdc(&self) -> MutexGuard<'_, Option<Usdc>> {
        // The value is replaced as a whole, so a panic elsewhere cannot have left half of it.
        self.usdc.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn instruction_error(doing: &str, error: &dyn std::fmt::Display) -> LocalnetError {
    LocalnetError::Instruction { doing: doing.to_owned(), reason: error.to_string() }
}
