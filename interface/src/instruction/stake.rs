//! The staking program's instructions that a person sends. Reserving, releasing and slashing are the market's.

use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, TOKEN_PROGRAM, staking, staking_events};
use crate::address;
use crate::program::staking::client::{accounts, args};

/// Writes the staking program's configuration: the market's authority PDA is the one that may reserve and slash. `admin`
/// must be the program's upgrade authority, where it has one.
pub fn init_config(admin: &Pubkey, usdc_mint: &Pubkey, insurance: &Pubkey) -> Instruction {
    staking(
        &accounts::InitConfig {
            admin: *admin,
            config: address::staking_config(),
            usdc_mint: *usdc_mint,
            insurance: *insurance,
            system_program: SYSTEM_PROGRAM,
            program_data: address::program_data(&address::STAKING),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::InitConfig { slasher: address::market_authority() },
    )
}

/// Opens the bond of `authority`, who signs and pays the rent.
pub fn open_bond(authority: &Pubkey, usdc_mint: &Pubkey) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::OpenBond {
            authority: *authority,
            payer: *authority,
            config: address::staking_config(),
            bond,
            vault: address::bond_vault(&bond),
            usdc_mint: *usdc_mint,
            token_program: TOKEN_PROGRAM,
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::OpenBond {},
    )
}

/// Adds `amount` atoms of stake out of `from`, a token account of `authority`.
pub fn add_stake(authority: &Pubkey, from: &Pubkey, amount: u64) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::AddStake {
            authority: *authority,
            bond,
            vault: address::bond_vault(&bond),
            from: *from,
            token_program: TOKEN_PROGRAM,
            revenue: address::bond_revenue(&bond),
            config: address::staking_config(),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::AddStake { amount },
    )
}

/// Opens the bond of `authority` to delegators, for a `commission` in basis points and additions of at least
/// `min_delegation` atoms; delegations from `kin_least` atoms on make it kin to others of the same delegator; the operator's part
/// of the revenue goes to `payout`.
pub fn open_pool(
    authority: &Pubkey,
    usdc_mint: &Pubkey,
    payout: &Pubkey,
    commission: u16,
    min_delegation: u64,
    kin_least: u64,
) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::OpenPool {
            authority: *authority,
            payer: *authority,
            config: address::staking_config(),
            bond,
            revenue: address::bond_revenue(&bond),
            payout: *payout,
            usdc_mint: *usdc_mint,
            token_program: TOKEN_PROGRAM,
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::OpenPool { commission, min_delegation, kin_least },
    )
}

/// Changes the terms of the pool of `authority`. A higher commission holds three days later.
pub fn change_pool(
    authority: &Pubkey,
    payout: &Pubkey,
    commission: u16,
    min_delegation: u64,
    kin_least: u64,
) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::ChangePool {
            authority: *authority,
            config: address::staking_config(),
            bond,
            revenue: address::bond_revenue(&bond),
            payout: *payout,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::ChangePool { commission, min_delegation, kin_least },
    )
}

/// Opens the delegation of `delegator` to `bond` with `amount` atoms out of `from`. Revenue goes to `destination`.
pub fn open_delegation(
    delegator: &Pubkey,
    bond: &Pubkey,
    from: &Pubkey,
    destination: &Pubkey,
    amount: u64,
) -> Instruction {
    staking(
        &accounts::OpenDelegation {
            delegator: *delegator,
            payer: *delegator,
            config: address::staking_config(),
            bond: *bond,
            delegation: address::delegation(bond, delegator),
            vault: address::bond_vault(bond),
            from: *from,
            destination: *destination,
            revenue: address::bond_revenue(bond),
            token_program: TOKEN_PROGRAM,
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::OpenDelegation { amount },
    )
}

/// Adds `amount` atoms out of `from` to the open delegation of `delegator` to `bond`.
pub fn delegate(delegator: &Pubkey, bond: &Pubkey, from: &Pubkey, amount: u64) -> Instruction {
    staking(
        &accounts::Delegate {
            delegator: *delegator,
            bond: *bond,
            delegation: address::delegation(bond, delegator),
            vault: address::bond_vault(bond),
            from: *from,
            revenue: address::bond_revenue(bond),
            token_program: TOKEN_PROGRAM,
            config: address::staking_config(),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::Delegate { amount },
    )
}

/// Puts `amount` atoms of the stake of `authority` on their way out to `destination`; `number` is the bond's `next_number`.
pub fn unbond(authority: &Pubkey, destination: &Pubkey, amount: u64, number: u32) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::Unbond {
            authority: *authority,
            payer: *authority,
            config: address::staking_config(),
            bond,
            unbonding: address::unbonding(&bond, authority, number),
            destination: *destination,
            revenue: address::bond_revenue(&bond),
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::Unbond { amount, number },
    )
}

/// Puts `amount` atoms of a delegator's stake on their way out to `destination` (all for [`u64::MAX`]); `number` is the
/// delegation's `next_number`. `signer` is the delegator, or the bond's operator who sends it off whole.
pub fn undelegate(
    signer: &Pubkey,
    bond: &Pubkey,
    delegator: &Pubkey,
    destination: &Pubkey,
    amount: u64,
    number: u32,
) -> Instruction {
    staking(
        &accounts::Undelegate {
            signer: *signer,
            payer: *signer,
            config: address::staking_config(),
            bond: *bond,
            delegation: address::delegation(bond, delegator),
            delegator: *delegator,
            unbonding: address::unbonding(bond, delegator, number),
            destination: *destination,
            revenue: address::bond_revenue(bond),
            system_program: SYSTEM_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::Undelegate { amount, number },
    )
}

/// Pays out the operator's matured request `number`. `rent_to` is who paid its rent. Where `destination` is not the
/// recorded one, mark the owner as signer: [`signed_by_owner`].
pub fn withdraw_stake(
    bond: &Pubkey,
    owner: &Pubkey,
    number: u32,
    destination: &Pubkey,
    rent_to: &Pubkey,
) -> Instruction {
    staking(
        &accounts::WithdrawStake {
            owner: *owner,
            bond: *bond,
            unbonding: address::unbonding(bond, owner, number),
            vault: address::bond_vault(bond),
            destination: *destination,
            rent_to: *rent_to,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::WithdrawStake {},
    )
}

/// Pays out a delegator's matured request `number`. `rent_to` is who paid its rent. Where `destination` is not the
/// recorded one, mark the owner as signer: [`signed_by_owner`].
pub fn withdraw_delegation(
    bond: &Pubkey,
    owner: &Pubkey,
    number: u32,
    destination: &Pubkey,
    rent_to: &Pubkey,
) -> Instruction {
    staking(
        &accounts::WithdrawDelegation {
            owner: *owner,
            bond: *bond,
            delegation: address::delegation(bond, owner),
            unbonding: address::unbonding(bond, owner, number),
            vault: address::bond_vault(bond),
            destination: *destination,
            rent_to: *rent_to,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::WithdrawDelegation {},
    )
}

/// Has a withdrawal or a claim of revenue paid past the account that is recorded for it, which is closed: to the associated
/// token account of whom it is for, which the instruction names as its destination.
#[must_use]
pub fn past_closed(mut instruction: Instruction, recorded: &Pubkey) -> Instruction {
    instruction.accounts.push(AccountMeta::new_readonly(*recorded, false));
    instruction
}

/// Pays what `claimant` claims out of the reservation of `lease`, to its associated account of the market's mint, which must be
/// open. `rent_to` is whom the reservation records. For another destination, change it and mark the claimant as signer:
/// [`signed_by_owner`].
pub fn pay_claim(
    bond: &Pubkey,
    lease: &Pubkey,
    claimant: &Pubkey,
    destination: &Pubkey,
    rent_to: &Pubkey,
) -> Instruction {
    staking(
        &accounts::PayClaim {
            claimant: *claimant,
            bond: *bond,
            reservation: address::reservation(lease),
            vault: address::bond_vault(bond),
            destination: *destination,
            rent_to: *rent_to,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::PayClaim {},
    )
}

/// Activates the new stake of `delegator` in `bond`, or the operator's where none is named.
pub fn activate(bond: &Pubkey, delegator: Option<&Pubkey>) -> Instruction {
    staking(
        &accounts::Activate {
            bond: *bond,
            delegation: delegator.map(|delegator| address::delegation(bond, delegator)),
            revenue: address::bond_revenue(bond),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::Activate {},
    )
}

/// Divides what arrived in the revenue vault of `bond`.
pub fn distribute(bond: &Pubkey) -> Instruction {
    staking(
        &accounts::Distribute {
            bond: *bond,
            revenue: address::bond_revenue(bond),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::Distribute {},
    )
}

/// Pays a delegator what it earned. Where `destination` is not the recorded one, mark the delegator as signer:
/// [`signed_by_owner`].
pub fn claim_revenue(bond: &Pubkey, delegator: &Pubkey, destination: &Pubkey) -> Instruction {
    staking(
        &accounts::ClaimRevenue {
            delegator: *delegator,
            bond: *bond,
            delegation: address::delegation(bond, delegator),
            revenue: address::bond_revenue(bond),
            destination: *destination,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::ClaimRevenue {},
    )
}

/// Pays the operator of `bond` its part of the revenue, to the `payout` account that the bond records.
pub fn claim_commission(bond: &Pubkey, payout: &Pubkey) -> Instruction {
    staking(
        &accounts::ClaimCommission {
            bond: *bond,
            revenue: address::bond_revenue(bond),
            payout: *payout,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::ClaimCommission {},
    )
}

/// Closes an empty delegation; its rent goes to the delegator.
pub fn close_delegation(bond: &Pubkey, delegator: &Pubkey) -> Instruction {
    staking(
        &accounts::CloseDelegation {
            bond: *bond,
            delegation: address::delegation(bond, delegator),
            delegator: *delegator,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::CloseDelegation {},
    )
}

/// Closes the empty bond of `authority`; what is left in its vaults goes to `destination`. `has_pool`: it has a revenue vault.
pub fn close_bond(authority: &Pubkey, destination: &Pubkey, has_pool: bool) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::CloseBond {
            authority: *authority,
            bond,
            vault: address::bond_vault(&bond),
            revenue: has_pool.then(|| address::bond_revenue(&bond)),
            destination: *destination,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::CloseBond {},
    )
}

/// Takes what nobody staked out of the vault of the bond of `authority`.
pub fn sweep_donation(authority: &Pubkey, destination: &Pubkey) -> Instruction {
    let bond = address::bond(authority);
    staking(
        &accounts::SweepDonation {
            authority: *authority,
            bond,
            vault: address::bond_vault(&bond),
            destination: *destination,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::SweepDonation {},
    )
}

/// Pays the insurance fund what its account could not take when `bond` was slashed.
pub fn pay_insurance(bond: &Pubkey, insurance: &Pubkey) -> Instruction {
    staking(
        &accounts::PayInsurance {
            config: address::staking_config(),
            bond: *bond,
            vault: address::bond_vault(bond),
            insurance_account: *insurance,
            token_program: TOKEN_PROGRAM,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::PayInsurance {},
    )
}

/// Names who is to become the admin; the zero key takes that back.
pub fn propose_admin(admin: &Pubkey, pending_admin: &Pubkey) -> Instruction {
    staking(
        &accounts::ProposeAdmin {
            admin: *admin,
            config: address::staking_config(),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::ProposeAdmin { pending_admin: *pending_admin },
    )
}

/// Makes the one who was named the admin.
pub fn accept_admin(pending_admin: &Pubkey) -> Instruction {
    staking(
        &accounts::AcceptAdmin {
            pending_admin: *pending_admin,
            config: address::staking_config(),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::AcceptAdmin {},
    )
}

/// Proposes another insurance account, other slashers (the zero key is an unused place) and another cap of bonds, in atoms.
pub fn propose_config(admin: &Pubkey, insurance: &Pubkey, slashers: [Pubkey; 4], bond_cap: u64) -> Instruction {
    staking(
        &accounts::ProposeConfig {
            admin: *admin,
            config: address::staking_config(),
            insurance: *insurance,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::ProposeConfig { slashers, bond_cap },
    )
}

/// Lowers the cap of bonds, in atoms, at once.
pub fn lower_cap(admin: &Pubkey, bond_cap: u64) -> Instruction {
    staking(
        &accounts::LowerCap {
            admin: *admin,
            config: address::staking_config(),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::LowerCap { bond_cap },
    )
}

/// Takes the proposal back.
pub fn cancel_config(admin: &Pubkey) -> Instruction {
    staking(
        &accounts::CancelConfig {
            admin: *admin,
            config: address::staking_config(),
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::CancelConfig {},
    )
}

/// Executes the proposal, whose `insurance` account this must be.
pub fn execute_config(insurance: &Pubkey) -> Instruction {
    staking(
        &accounts::ExecuteConfig {
            config: address::staking_config(),
            insurance: *insurance,
            event_authority: staking_events(),
            program: address::STAKING,
        },
        &args::ExecuteConfig {},
    )
}

/// The same instruction with `owner` as a signer, who then may name any destination.
pub fn signed_by_owner(mut instruction: Instruction, owner: &Pubkey) -> Instruction {
    for meta in instruction.accounts.iter_mut().filter(|meta| meta.pubkey == *owner) {
        meta.is_signer = true;
    }
    instruction
}
