//! Delegators, and the steps of stake that is delegated, unbonded and paid.

use gridlease_core::limits::ACTIVATION_DELAY;
use gridlease_sdk::account::{Bond, Delegation, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM, stake};
use gridlease_sdk::program::staking::client::{accounts, args};
use gridlease_sdk::program::staking::types::Taken;
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
        let open = stake::open_pool(&owner.authority.pubkey(), &self.mint, &owner.payout, commission, USDC, USDC);
        self.ok(&[open], &[&owner.authority]);
        owner
    }

    /// Somebody who delegated `amount` to `owner` a day ago, so that it is active, as the operator's stake is; it has as much
    /// again in its token account.
    pub fn delegator(&mut self, owner: &Provider, amount: u64) -> Delegator {
        let one = self.new_delegator(owner, amount);
        self.pass(ACTIVATION_DELAY.0);
        self.activate(&owner.bond, Some(&one.key.pubkey()));
        self.activate(&owner.bond, None);
        one
    }

    /// Somebody who delegates `amount` to `owner` now, and has as much again in its token account.
    pub fn new_delegator(&mut self, owner: &Provider, amount: u64) -> Delegator {
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

    /// Slashes the reservation of a lease that is made up: `claimed` for [`claimant`], the rest for the insurance fund.
    #[track_caller]
    pub fn slash(&mut self, owner: &Provider, lease: &Pubkey, claimed: u64, insurance: u64) -> Done {
        let fund = self.insurance;
        self.ok(&[slash_call(&owner.bond, lease, &fund, claimed, insurance)], &[])
    }

    /// What was ever claimed out of a lease's reservation, in atoms; nothing where that is gone.
    #[must_use]
    pub fn claimed(&self, lease: &Pubkey) -> u64 {
        self.find::<Reservation>(&address::reservation(lease)).map_or(0, |reservation| reservation.claimed)
    }

    /// Pays what `claimant` claims out of a lease's reservation, to its associated account.
    #[track_caller]
    pub fn pay_claim(&mut self, lease: &Pubkey, claimant: &Pubkey) -> Done {
        let wallet = self.associated(claimant);
        let reservation: Reservation = self.read(&address::reservation(lease));
        let pay = stake::pay_claim(&reservation.bond, lease, claimant, &wallet, &reservation.rent_to);
        self.ok(&[pay], &[])
    }

    /// What came in a day ago becomes active: a delegator's, or the operator's.
    #[track_caller]
    pub fn activate(&mut self, bond: &Pubkey, delegator: Option<&Pubkey>) -> Done {
        self.ok(&[stake::activate(bond, delegator)], &[])
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
pub fn slash_call(bond: &Pubkey, lease: &Pubkey, fund: &Pubkey, claimed: u64, insurance: u64) -> Instruction {
    let accounts = accounts::Slash {
        bond: *bond,
        reservation: address::reservation(lease),
        slasher: address::market_authority(),
        config: address::staking_config(),
        vault: address::bond_vault(bond),
        insurance_account: *fund,
        token_program: TOKEN_PROGRAM,
        event_authority: address::event_authority(&address::STAKING),
        program: address::STAKING,
    };
    let taken = Taken {
        buyer: claimed,
        prover: 0,
        insurance,
        buyer_key: if claimed > 0 { claimant() } else { Pubkey::default() },
        prover_key: Pubkey::default(),
    };
    call(&accounts, &args::Slash { taken })
}

/// Who claims out of a lease that is made up.
#[must_use]
pub fn claimant() -> Pubkey {
    Pubkey::new_from_array([77; 32])
}
