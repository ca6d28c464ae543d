//! Delegators, and the steps of stake that is delegated, unbonded and paid.

use gridlease_sdk::account::{Bond, Delegation, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM, stake};
use gridlease_sdk::program::staking::client::{accounts, args};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::World;
use super::outcome::Done;
use super::parties::{Provider, USDC};

/// Somebody with a delegation.
pub struct Delegator {
    /// Its key.
    pub key: Keypair,
    /// Its token account, which is the recorded destination.
    pub wallet: Pubkey,
    /// The bond.
    pub bond: Pubkey,
    /// The delegation.
    pub delegation: Pubkey,
}

impl World {
    /// A provider with `stake` whose bond is open to delegators; its operator's part goes to its own token account.
    pub fn pool(&mut self, stake: u64, commission: u16) -> Provider {
        let owner = self.registered(stake);
        let open = stake::open_pool(&owner.authority.pubkey(), &self.mint, &owner.payout, commission, USDC);
        self.ok(&[open], &[&owner.authority]);
        owner
    }

    /// Somebody who delegates `amount` to `owner`, and has as much again in its token account.
    pub fn delegator(&mut self, owner: &Provider, amount: u64) -> Delegator {
        let (key, wallet) = self.wallet(2 * amount);
        let open = stake::open_delegation(&key.pubkey(), &owner.bond, &wallet, &wallet, amount);
        self.ok(&[open], &[&key]);
        let delegation = address::delegation(&owner.bond, &key.pubkey());
        Delegator { bond: owner.bond, delegation, wallet, key }
    }

    /// The delegator's request for `amount` back, with its number.
    #[must_use]
    pub fn undelegation_of(&self, by: &Delegator, amount: u64) -> (Instruction, u32) {
        let (key, number) = (by.key.pubkey(), self.read::<Delegation>(&by.delegation).next_number);
        (stake::undelegate(&key, &by.bond, &key, &by.wallet, amount, number), number)
    }

    /// The delegator asks for `amount` back; returns the number of its request.
    #[track_caller]
    pub fn undelegate(&mut self, by: &Delegator, amount: u64) -> u32 {
        let (request, number) = self.undelegation_of(by, amount);
        self.ok(&[request], &[&by.key]);
        number
    }

    /// The operator asks for `amount` back; returns the number of its request.
    #[track_caller]
    pub fn unbond(&mut self, owner: &Provider, amount: u64) -> u32 {
        let number = self.read::<Bond>(&owner.bond).next_number;
        let request = stake::unbond(&owner.authority.pubkey(), &owner.payout, amount, number);
        self.ok(&[request], &[&owner.authority]);
        number
    }

    /// The payment of the operator's request `number`, to the recorded account.
    #[must_use]
    pub fn withdrawal_of_stake(&self, owner: &Provider, number: u32) -> Instruction {
        let key = owner.authority.pubkey();
        stake::withdraw_stake(&owner.bond, &key, number, &owner.payout, &key)
    }

    /// The payment of a delegator's request `number`, to the recorded account.
    #[must_use]
    pub fn withdrawal_of_delegation(&self, by: &Delegator, number: u32) -> Instruction {
        let key = by.key.pubkey();
        stake::withdraw_delegation(&by.bond, &key, number, &by.wallet, &key)
    }

    /// Anybody distributes what arrived.
    #[track_caller]
    pub fn distribute(&mut self, bond: &Pubkey) -> Done {
        self.ok(&[stake::distribute(bond)], &[])
    }

    /// Reserves `amount` as the market would, for a lease that is made up; returns that lease. Only in a world that
    /// checks no signature.
    #[track_caller]
    pub fn reserve(&mut self, owner: &Provider, amount: u64) -> Pubkey {
        let lease = self.key().pubkey();
        let rent = self.rent(8 + size_of::<Reservation>());
        self.airdrop(&address::reservation(&lease), rent);
        self.ok(&[reserve_call(&owner.bond, &lease, &owner.payout, amount)], &[]);
        lease
    }

    /// Releases the reservation of a lease that is made up.
    #[track_caller]
    pub fn release(&mut self, owner: &Provider, lease: &Pubkey) -> Done {
        self.ok(&[release_call(&owner.bond, lease, &owner.payout)], &[])
    }

    /// Slashes the reservation of a lease that is made up.
    #[track_caller]
    pub fn slash(&mut self, owner: &Provider, lease: &Pubkey, victim: u64, insurance: u64) -> Done {
        let (to, fund) = (self.treasury, self.insurance);
        self.ok(&[slash_call(&owner.bond, lease, &to, &fund, victim, insurance)], &[])
    }
}

fn call(accounts: &impl anchor_lang::ToAccountMetas, args: &impl anchor_lang::InstructionData) -> Instruction {
    Instruction { program_id: address::STAKING, accounts: accounts.to_account_metas(None), data: args.data() }
}

/// The market's call to reserve.
#[must_use]
pub fn reserve_call(bond: &Pubkey, lease: &Pubkey, rent_to: &Pubkey, amount: u64) -> Instruction {
    let accounts = accounts::Reserve {
        bond: *bond,
        reservation: address::reservation(lease),
        slasher: address::market_authority(),
        config: address::staking_config(),
        lease: *lease,
        rent_to: *rent_to,
        system_program: SYSTEM_PROGRAM,
        event_authority: address::event_authority(&address::STAKING),
        program: address::STAKING,
    };
    call(&accounts, &args::Reserve { amount })
}

/// The market's call to release.
#[must_use]
pub fn release_call(bond: &Pubkey, lease: &Pubkey, rent_to: &Pubkey) -> Instruction {
    let accounts = accounts::Release {
        bond: *bond,
        reservation: address::reservation(lease),
        slasher: address::market_authority(),
        rent_to: *rent_to,
        event_authority: address::event_authority(&address::STAKING),
        program: address::STAKING,
    };
    call(&accounts, &args::Release {})
}

/// The market's call to slash.
#[must_use]
pub fn slash_call(
    bond: &Pubkey,
    lease: &Pubkey,
    to: &Pubkey,
    fund: &Pubkey,
    victim: u64,
    insurance: u64,
) -> Instruction {
    let accounts = accounts::Slash {
        bond: *bond,
        reservation: address::reservation(lease),
        slasher: address::market_authority(),
        config: address::staking_config(),
        vault: address::bond_vault(bond),
        victim_account: *to,
        insurance_account: *fund,
        token_program: TOKEN_PROGRAM,
        event_authority: address::event_authority(&address::STAKING),
        program: address::STAKING,
    };
    call(&accounts, &args::Slash { victim, insurance })
}
