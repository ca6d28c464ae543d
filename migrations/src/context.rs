//! What a run works with.

use std::path::PathBuf;
use std::sync::Arc;

use gridlease_sdk::address;
use gridlease_sdk::instruction::{create_token_account, purse, stake};
use gridlease_sdk::rpc::{Client, SendOptions};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;

use crate::program::{Program, ProgramError, find_program, find_program_in};

/// What a run works with.
#[derive(Debug)]
pub struct Context<'a> {
    /// The network.
    pub client: &'a Client,
    /// Who signs and pays: the programs' upgrade authority, and the market's admin from then on.
    pub signer: &'a Keypair,
    /// How transactions are sent.
    pub options: SendOptions,
    /// Folder of the built programs; where none is given they are looked for as [`find_program`] does.
    pub programs: Option<PathBuf>,
    /// Keypairs of programs that are not on the network yet.
    pub program_keys: Vec<Arc<Keypair>>,
    /// What a market that is not configured yet is told.
    pub genesis: Option<Genesis>,
}

impl<'a> Context<'a> {
    /// With the programs where they usually are, and nothing else.
    pub fn new(client: &'a Client, signer: &'a Keypair) -> Self {
        let options = SendOptions::default();
        Self { client, signer, options, programs: None, program_keys: Vec::new(), genesis: None }
    }

    /// The built program `name`.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub fn program(&self, name: &str) -> Result<Program, ProgramError> {
        match &self.programs {
            Some(folder) => find_program_in(folder, name),
            None => find_program(name),
        }
    }
}

/// What a market is told when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Genesis {
    /// The only mint that the market takes: classic SPL Token, 6 decimals. It can never be changed.
    pub usdc_mint: Pubkey,
    /// Token account for the fees; none for the admin's own, which is created.
    pub treasury: Option<Pubkey>,
    /// Token account of the insurance fund; none for the admin's own, which is created.
    pub insurance: Option<Pubkey>,
}

impl Genesis {
    /// The treasury, where `admin` founds the market.
    pub fn treasury(&self, admin: &Pubkey) -> Pubkey {
        self.treasury.unwrap_or_else(|| address::token_account(admin, &self.usdc_mint))
    }

    /// The insurance fund, where `admin` founds the market.
    pub fn insurance(&self, admin: &Pubkey) -> Pubkey {
        self.insurance.unwrap_or_else(|| address::token_account(admin, &self.usdc_mint))
    }

    /// Whether the admin's own token account is one of the two.
    pub fn uses_own_account(&self) -> bool {
        self.treasury.is_none() || self.insurance.is_none()
    }

    /// The instructions that configure both programs. `admin` signs, and must be their upgrade authority where they have
    /// one.
    pub fn instructions(&self, admin: &Pubkey) -> Vec<Instruction> {
        let mut instructions = Vec::new();
        if self.uses_own_account() {
            instructions.push(create_token_account(admin, admin, &self.usdc_mint));
        }
        instructions.extend([self.staking(admin), self.market(admin)]);
        instructions
    }

    /// The instruction that configures the staking program.
    pub(crate) fn staking(&self, admin: &Pubkey) -> Instruction {
        stake::init_config(admin, &self.usdc_mint, &self.insurance(admin))
    }

    /// The instruction that configures the market program.
    pub(crate) fn market(&self, admin: &Pubkey) -> Instruction {
        purse::init_config(admin, &self.usdc_mint, &self.treasury(admin))
    }
}
