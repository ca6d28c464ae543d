//! What other programs and clients rely on: discriminators and numbers never change by accident.

use anchor_lang::error::Error;
use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, ZeroCopy};
use gridlease_core::Atoms;

use crate::checks::{Checked as _, check_list, check_slasher};
use crate::error::{OrRule, StakingError};
use crate::new_account::write_new;
use crate::state::{Config, Header, Reservation};
use crate::{ID, event, instruction};

fn code(error: Error) -> u32 {
    match error {
        Error::AnchorError(error) => error.error_code_number,
        Error::ProgramError(error) => match error.program_error {
            ProgramError::Custom(code) => code,
            other => panic!("not an error of this program: {other}"),
        },
    }
}

#[test]
fn every_instruction_has_its_discriminator() {
    assert_eq!(instruction::InitConfig::DISCRIMINATOR, &[23, 235, 115, 232, 168, 96, 1, 231]);
    assert_eq!(instruction::OpenBond::DISCRIMINATOR, &[104, 15, 47, 167, 89, 122, 159, 22]);
    assert_eq!(instruction::AddStake::DISCRIMINATOR, &[58, 135, 189, 105, 160, 120, 165, 224]);
    assert_eq!(instruction::Reserve::DISCRIMINATOR, &[92, 99, 244, 209, 28, 65, 213, 157]);
    assert_eq!(instruction::Release::DISCRIMINATOR, &[253, 249, 15, 206, 28, 127, 193, 241]);
    assert_eq!(instruction::Extend::DISCRIMINATOR, &[228, 127, 0, 1, 227, 154, 54, 168]);
    assert_eq!(instruction::Slash::DISCRIMINATOR, &[204, 141, 18, 161, 8, 177, 92, 142]);
    assert_eq!(instruction::AcceptAdmin::DISCRIMINATOR, &[112, 42, 45, 90, 116, 181, 13, 170]);
    assert_eq!(instruction::CancelConfig::DISCRIMINATOR, &[91, 124, 207, 75, 179, 108, 227, 13]);
    assert_eq!(instruction::ChangePool::DISCRIMINATOR, &[141, 221, 123, 235, 35, 9, 145, 201]);
    assert_eq!(instruction::ClaimCommission::DISCRIMINATOR, &[12, 9, 15, 170, 155, 235, 124, 254]);
    assert_eq!(instruction::ClaimRevenue::DISCRIMINATOR, &[4, 22, 151, 70, 183, 79, 73, 189]);
    assert_eq!(instruction::CloseBond::DISCRIMINATOR, &[47, 18, 254, 114, 33, 116, 141, 41]);
    assert_eq!(instruction::CloseDelegation::DISCRIMINATOR, &[41, 110, 46, 165, 0, 109, 193, 193]);
    assert_eq!(instruction::Delegate::DISCRIMINATOR, &[90, 147, 75, 178, 85, 88, 4, 137]);
    assert_eq!(instruction::Distribute::DISCRIMINATOR, &[191, 44, 223, 207, 164, 236, 126, 61]);
    assert_eq!(instruction::ExecuteConfig::DISCRIMINATOR, &[189, 36, 99, 231, 117, 10, 8, 134]);
    assert_eq!(instruction::OpenDelegation::DISCRIMINATOR, &[238, 71, 30, 247, 240, 93, 134, 141]);
    assert_eq!(instruction::OpenPool::DISCRIMINATOR, &[96, 215, 110, 61, 1, 246, 205, 228]);
    assert_eq!(instruction::PayInsurance::DISCRIMINATOR, &[144, 170, 105, 32, 236, 86, 72, 139]);
    assert_eq!(instruction::ProposeAdmin::DISCRIMINATOR, &[121, 214, 199, 212, 87, 39, 117, 234]);
    assert_eq!(instruction::ProposeConfig::DISCRIMINATOR, &[163, 247, 238, 160, 236, 129, 153, 160]);
    assert_eq!(instruction::SweepDonation::DISCRIMINATOR, &[137, 169, 125, 232, 42, 147, 66, 175]);
    assert_eq!(instruction::Unbond::DISCRIMINATOR, &[151, 129, 36, 46, 102, 195, 111, 122]);
    assert_eq!(instruction::Undelegate::DISCRIMINATOR, &[131, 148, 180, 198, 91, 104, 42, 238]);
    assert_eq!(instruction::WithdrawDelegation::DISCRIMINATOR, &[198, 233, 141, 169, 204, 178, 110, 250]);
    assert_eq!(instruction::WithdrawStake::DISCRIMINATOR, &[153, 8, 22, 138, 105, 176, 87, 66]);
}

#[test]
fn every_event_has_its_discriminator() {
    assert_eq!(event::BondOpened::DISCRIMINATOR, &[144, 64, 233, 238, 81, 248, 153, 251]);
    assert_eq!(event::StakeAdded::DISCRIMINATOR, &[139, 170, 134, 90, 22, 96, 23, 193]);
    assert_eq!(event::Reserved::DISCRIMINATOR, &[113, 14, 94, 126, 13, 203, 14, 65]);
    assert_eq!(event::Released::DISCRIMINATOR, &[232, 229, 255, 136, 101, 189, 15, 220]);
    assert_eq!(event::Extended::DISCRIMINATOR, &[5, 76, 91, 44, 187, 214, 114, 165]);
    assert_eq!(event::Slashed::DISCRIMINATOR, &[98, 59, 249, 154, 233, 53, 98, 194]);
    assert_eq!(event::AdminAccepted::DISCRIMINATOR, &[174, 12, 76, 139, 158, 99, 110, 254]);
    assert_eq!(event::AdminProposed::DISCRIMINATOR, &[129, 249, 226, 227, 199, 82, 110, 243]);
    assert_eq!(event::BondClosed::DISCRIMINATOR, &[227, 55, 88, 183, 234, 17, 203, 66]);
    assert_eq!(event::CommissionClaimed::DISCRIMINATOR, &[39, 106, 107, 183, 92, 78, 148, 99]);
    assert_eq!(event::ConfigProposed::DISCRIMINATOR, &[148, 34, 23, 129, 45, 161, 66, 192]);
    assert_eq!(event::ConfigWritten::DISCRIMINATOR, &[12, 81, 48, 53, 155, 145, 88, 93]);
    assert_eq!(event::Delegated::DISCRIMINATOR, &[52, 201, 7, 194, 24, 79, 100, 159]);
    assert_eq!(event::DelegationClosed::DISCRIMINATOR, &[225, 66, 187, 107, 192, 71, 85, 138]);
    assert_eq!(event::DonationSwept::DISCRIMINATOR, &[167, 54, 255, 65, 46, 254, 188, 183]);
    assert_eq!(event::InsurancePaid::DISCRIMINATOR, &[170, 6, 42, 247, 52, 247, 87, 104]);
    assert_eq!(event::PoolChanged::DISCRIMINATOR, &[79, 81, 38, 228, 57, 200, 168, 142]);
    assert_eq!(event::PoolOpened::DISCRIMINATOR, &[44, 53, 197, 215, 31, 61, 56, 170]);
    assert_eq!(event::RevenueClaimed::DISCRIMINATOR, &[5, 254, 104, 87, 133, 137, 45, 116]);
    assert_eq!(event::RevenueDistributed::DISCRIMINATOR, &[78, 195, 188, 214, 203, 219, 199, 87]);
    assert_eq!(event::StakeWithdrawn::DISCRIMINATOR, &[33, 120, 159, 58, 140, 255, 174, 79]);
    assert_eq!(event::UnbondingRequested::DISCRIMINATOR, &[35, 100, 228, 77, 118, 27, 223, 244]);
}

#[test]
fn the_program_s_own_errors_keep_their_numbers() {
    let own = [
        StakingError::WrongMint,
        StakingError::WrongInsurance,
        StakingError::WrongVault,
        StakingError::WrongAuthority,
        StakingError::UnknownSlasher,
        StakingError::WrongSlasher,
        StakingError::WrongBond,
        StakingError::WrongRentTo,
        StakingError::ReservationExists,
        StakingError::WrongVersion,
        StakingError::PaysItself,
        StakingError::ZeroKey,
        StakingError::NotMoved,
        StakingError::NotUpgradeAuthority,
        StakingError::WrongProgramData,
        StakingError::WrongAdmin,
        StakingError::NothingProposed,
        StakingError::PoolClosed,
        StakingError::WrongRevenue,
        StakingError::WrongDelegator,
        StakingError::WrongDelegation,
        StakingError::WrongDestination,
        StakingError::WrongUnbonding,
        StakingError::NoSpareLamport,
        StakingError::OwnDelegation,
    ];
    for (number, error) in (6_000..).zip(own) {
        assert_eq!(u32::from(error), number, "{error}");
    }
}

#[test]
fn a_list_of_slashers_names_one_at_least_and_none_twice() {
    let (a, b, none) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]), Pubkey::default());
    assert_eq!(check_list(&[none; 4]).map_err(code), Err(6_011));
    assert_eq!(check_list(&[a, none, a, none]).map_err(code), Err(6_004));
    assert_eq!(check_list(&[none, a, none, b]), Ok(()));
    let mut config: Config = bytemuck::Zeroable::zeroed();
    config.slashers[0] = a;
    assert!(config.adds(&[b, none, none, none]));
    assert!(config.adds(&[a, b, none, none]));
    assert!(!config.adds(&[none, a, none, none]));
}

#[test]
fn only_a_named_slasher_is_one_and_a_zero_key_never_is() {
    let named = Pubkey::new_from_array([7; 32]);
    let mut config: Config = bytemuck::Zeroable::zeroed();
    config.slashers[2] = named;
    assert_eq!(check_slasher(&config, &named), Ok(()));
    assert_eq!(check_slasher(&config, &Pubkey::new_from_array([8; 32])).map_err(code), Err(6_004));
    assert_eq!(check_slasher(&config, &Pubkey::default()).map_err(code), Err(6_004));
}

#[test]
fn a_header_of_another_version_is_refused() {
    let mut header = Header::new(&Pubkey::new_from_array([9; 32]), 254);
    assert_eq!((header.version, header.state, header.shard, header.bump, header.due_ts), (2, 1, 9, 254, 0));
    for (version, read) in [(0, Err(6_009)), (1, Ok(())), (2, Ok(())), (3, Err(6_009))] {
        header.version = version;
        assert_eq!(header.check().map_err(code), read, "version {version}");
    }
}

fn written<T: ZeroCopy>(value: &T, length: usize) -> std::result::Result<Vec<u8>, u32> {
    let key = Pubkey::default();
    let mut lamports = 0;
    let mut data = vec![0; length];
    let account = AccountInfo::new(&key, false, true, &mut lamports, &mut data, &ID, false);
    write_new(&account, value).map_err(code)?;
    drop(account);
    Ok(data)
}

#[test]
fn a_new_account_is_written_whole_or_not_at_all() {
    let reservation = Reservation { amount: 0x0102_0304_0506_0708, ..bytemuck::Zeroable::zeroed() };
    let data = written(&reservation, Reservation::SPACE).unwrap();
    assert_eq!(data[..8], *Reservation::DISCRIMINATOR);
    assert_eq!(data[152..160], [8, 7, 6, 5, 4, 3, 2, 1]);
    for length in [0, 7, Reservation::SPACE - 1, Reservation::SPACE + 1] {
        assert_eq!(written(&reservation, length), Err(6_126));
    }
}

#[test]
fn the_or_rule_of_a_good_result_is_its_value() {
    assert_eq!(Atoms(1).add(Atoms(2)).or_rule(), Ok(Atoms(3)));
}
