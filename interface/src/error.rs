//! The programs' refusals in words that a buyer or a provider understands.

use gridlease_core::RuleError;
use solana_pubkey::Pubkey;

/// First number of a rule's refusal in either program.
pub const RULE_BASE: u32 = 6_100;
/// First number of Anchor's own refusals.
const ANCHOR_RANGE: core::ops::Range<u32> = 100..5_000;

/// The sentence for error `code` of `program`; `None` for a program that is not ours.
pub fn name(program: &Pubkey, code: u32) -> Option<String> {
    let (label, own) = if *program == crate::address::MARKET {
        ("market", MARKET)
    } else if *program == crate::address::STAKING {
        ("staking", STAKING)
    } else {
        return None;
    };
    let rule = code.checked_sub(RULE_BASE).and_then(RuleError::from_code);
    if let Some(rule) = rule {
        return Some(format!("{} ({label} error {code})", rule_in_words(rule)));
    }
    if let Some((_, words)) = own.iter().find(|(number, _)| *number == code) {
        return Some(format!("{words} ({label} error {code})"));
    }
    if ANCHOR_RANGE.contains(&code) {
        return Some(format!(
            "an account of the transaction is missing or not the one expected ({label} error {code})"
        ));
    }
    Some(format!("unknown {label} error {code}; this program may be newer than this software"))
}

fn rule_in_words(rule: RuleError) -> String {
    let hint = match rule {
        RuleError::InsufficientFree => "deposit more with `gridlease purse deposit`",
        RuleError::InsufficientStake => "add stake with `gridlease provider stake`",
        RuleError::BidNotImproved => "bid lower than your standing bid",
        RuleError::WindowClosed => "wait for the next job",
        RuleError::WindowOpen | RuleError::TooEarly => "try again when its time has come",
        RuleError::WrongState => "somebody was faster, or it is over already",
        RuleError::WrongMode => "look at the job's auction mode: open, instant or sealed",
        RuleError::RevealOpen => "wait for the end of the revealing",
        RuleError::RevealClosed => "its bond is forfeited",
        RuleError::WrongFate => "one that was not revealed in time is forfeited, one whose job ended first is released",
        RuleError::GpusUnclaimed => "the provider's node must claim the rest first",
        RuleError::GpusInUse => "release them when those leases are over",
        RuleError::NumberOutOfBounds => "number the job one above the purse's last",
        RuleError::ArrayFull => "close a task that is over first",
        RuleError::ArrayShort => "deposit more with `gridlease purse deposit`",
        RuleError::TasksOpen => "close its tasks first",
        RuleError::StillOwed => "settle the lease first",
        RuleError::NotATrade => "only paid leases of ten minutes or more enter the price index",
        RuleError::OperatorShareTooSmall => "the operator adds stake, or delegators leave first",
        RuleError::NotMatured => "stake can be withdrawn seven days after it was asked back",
        _ => return rule.to_string(),
    };
    format!("{rule}: {hint}")
}

/// Refusals of the market, 6000 and up.
const MARKET: &[(u32, &str)] = &[
    (6_000, "the mint is not the market's USDC mint"),
    (6_001, "intake is paused; settling, stopping and withdrawing stay open"),
    (6_002, "the signer is not the owner of this purse, nor a spender that may post for it"),
    (6_003, "the signer is not the provider's node key"),
    (6_004, "the signer is not the provider's authority"),
    (6_005, "an account does not belong to this lease, job, offer or purse"),
    (6_006, "the offer has expired or was withdrawn"),
    (6_007, "the offer does not take automatic bids"),
    (6_008, "the bond is not the provider's bond"),
    (6_009, "the award needs the accounts of the next bidders in the book's order"),
    (6_010, "a job with this number or a higher one was posted already"),
    (6_011, "the node's endpoint or the manifest's address is empty, too long, or not plain ASCII without blanks"),
    (6_012, "the image digest is not the job's"),
    (6_013, "the spender's cap for this period is used up"),
    (6_014, "an offer lives at most an hour and must not end in the past"),
    (6_015, "the purse has as many jobs, or the provider as many offers, as it can have; close some first"),
    (6_016, "this auction mode or verification class is not taken by this version of the market"),
    (6_017, "the ask is below the floor"),
    (6_018, "the units are outside their bounds, or fewer than the open leases"),
    (6_019, "the offer does not hold the rent of another lease"),
    (6_020, "the token account is not of the market's mint, or not the recorded one"),
    (6_021, "the account's layout version is not the one of the program"),
    (6_022, "none of the offers can take the job now; nothing was posted: choose others, or post an auction"),
    (6_023, "an instant posting names one to four offers"),
    (6_024, "price, salt and offer are not those of the sealed bid"),
    (6_030, "only the market's admin may do this"),
    (6_031, "only the program's upgrade authority may configure the market; sign with its key"),
    (6_032, "nobody, or somebody else, was named to become the admin"),
    (6_033, "a change of the configuration is proposed already; execute or cancel it first"),
    (6_034, "no change of the configuration is proposed"),
    (6_035, "a GPU is claimed already, for this offer or another; it must be released there first"),
    (6_036, "the GPU claims passed are not the offer's, or there are too many or too few of them"),
    (6_037, "the token account is frozen; name another one"),
    (6_038, "no other payout account is proposed"),
    (6_039, "a benchmark needs a result and the hash of its record"),
    (6_045, "the job is a task of an array: close it with close_task"),
    (6_046, "bids and awards of a replica need the group of its task before the other additional accounts"),
    (6_047, "the array does not hold the rent of another task; close a task that is over, or send it SOL"),
    (6_055, "the buyer is the provider itself; such a lease does not count as a trade"),
    (6_056, "the price index is of another GPU model or region than the lease's offer"),
    (
        6_060,
        "the answer is not the slot hash that the challenge asked for; read the lease again and answer with its nonce",
    ),
    (6_062, "the leases settled together must have one purse and one payout account"),
];

/// Refusals of the staking program, 6000 and up.
const STAKING: &[(u32, &str)] = &[
    (6_000, "the mint is not a classic SPL Token mint with 6 decimals"),
    (6_001, "the insurance account is not the configured one"),
    (6_002, "the vault is not the bond's"),
    (6_003, "the signer is not the bond's authority"),
    (6_004, "the signer may not reserve stake"),
    (6_005, "the signer did not make this reservation"),
    (6_006, "the reservation is not of this bond"),
    (6_007, "the rent does not go to who paid it"),
    (6_008, "the lease has a reservation already"),
    (6_009, "the account's layout version is not the one of the program"),
    (6_010, "a slash cannot pay the vault that it takes from"),
    (6_011, "a key must not be zero"),
    (6_012, "the tokens did not move"),
    (6_013, "the signer is not the program's upgrade authority; who deployed the program configures it"),
    (6_014, "the accounts are not this program and its program data"),
    (6_015, "the signer is not the admin, nor the one named to become it"),
    (6_016, "no change and no admin is proposed"),
    (6_017, "the bond takes no delegations; its operator has opened no pool"),
    (6_018, "the account is not the bond's revenue vault"),
    (6_019, "the signer is neither the delegator nor the bond's operator"),
    (6_020, "the delegation is of another bond or delegator"),
    (6_021, "tokens go to the recorded account, or to another if their owner signs; never into the bond's own vaults"),
    (6_022, "the request to unbond is of another bond, owner or kind"),
    (6_023, "the bond has no lamport to lend to another reservation; send it some"),
    (6_024, "the operator adds stake; it does not delegate to itself"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(idl: &[u8]) -> Vec<u32> {
        let idl: serde_json::Value = serde_json::from_slice(idl).unwrap();
        let errors = idl["errors"].as_array().unwrap();
        errors.iter().map(|error| u32::try_from(error["code"].as_u64().unwrap()).unwrap()).collect()
    }

    #[test]
    fn every_error_of_both_programs_has_a_sentence() {
        let all = [
            (crate::address::MARKET, codes(include_bytes!("../idls/market.json"))),
            (crate::address::STAKING, codes(include_bytes!("../idls/staking.json"))),
        ];
        for (program, codes) in all {
            for code in codes {
                let words = name(&program, code).unwrap();
                assert!(!words.starts_with("unknown"), "{program} {code}: {words}");
            }
        }
    }

    #[test]
    fn an_unknown_program_has_no_sentence() {
        assert_eq!(name(&Pubkey::new_unique(), 6_000), None);
    }
}
