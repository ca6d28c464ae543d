//! The programs' refusals in words that a buyer or a provider understands.

use gridlease_core::RuleError;
use solana_pubkey::Pubkey;

/// First number of a rule's refusal in either program.
pub const RULE_BASE: u32 = 6_100;
/// First number of Anchor's own refusals.
const ANCHOR_RANGE: core::ops::Range<u32> = 100..5_000;

/// The sentence for error `code` of `program`; `None` for a program that is not ours.
pub fn name(program: &Pubkey, code: u32) -> Option<String> {
    let (label, own): (_, &[&str]) = if *program == crate::address::MARKET {
        ("market", &MARKET)
    } else if *program == crate::address::STAKING {
        ("staking", &STAKING)
    } else {
        return None;
    };
    let rule =
        code.checked_sub(RULE_BASE).and_then(|at| usize::try_from(at).ok()).and_then(|at| RuleError::ALL.get(at));
    if let Some(rule) = rule {
        return Some(format!("{} ({label} error {code})", rule_in_words(*rule)));
    }
    let at = code.checked_sub(6_000).and_then(|at| usize::try_from(at).ok());
    if let Some(words) = at.and_then(|at| own.get(at)) {
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
        RuleError::StillOwed => "settle the lease first",
        RuleError::OperatorShareTooSmall => "the operator adds stake, or delegators leave first",
        RuleError::NotMatured => "stake can be withdrawn seven days after it was asked back",
        _ => return rule.to_string(),
    };
    format!("{rule}: {hint}")
}

/// Refusals of the market, 6000 and up.
const MARKET: [&str; 22] = [
    "the mint is not the market's USDC mint",
    "intake is paused; settling, stopping and withdrawing stay open",
    "the signer is not the owner of this purse",
    "the signer is not the provider's node key",
    "the signer is not the provider's authority",
    "an account does not belong to this lease, job, offer or purse",
    "the offer has expired or was withdrawn",
    "the offer does not take automatic bids",
    "the bond is not the provider's bond",
    "the award needs the accounts of the next bidders in the book's order",
    "a job with this number or a higher one was posted already",
    "a text is empty, too long or of unexpected form",
    "the image digest is not the job's",
    "the spender's cap for this period is used up",
    "an offer lives at most an hour and must not end in the past",
    "too many of these are open; close some first",
    "this auction mode or verification class is not taken by this version of the market",
    "the ask is below the floor",
    "the units are outside their bounds, or fewer than the open leases",
    "the offer does not hold the rent of another lease",
    "the token account is not of the market's mint, or not the recorded one",
    "the account's layout version is not the one of the program",
];

/// Refusals of the staking program, 6000 and up.
const STAKING: [&str; 25] = [
    "the mint is not a classic SPL Token mint with 6 decimals",
    "the insurance account is not the configured one",
    "the vault is not the bond's",
    "the signer is not the bond's authority",
    "the signer may not reserve stake",
    "the signer did not make this reservation",
    "the reservation is not of this bond",
    "the rent does not go to who paid it",
    "the lease has a reservation already",
    "the account's layout version is not the one of the program",
    "a slash cannot pay the vault that it takes from",
    "a key must not be zero",
    "the tokens did not move",
    "the signer is not the program's upgrade authority; who deployed the program configures it",
    "the accounts are not this program and its program data",
    "the signer is not the admin, nor the one named to become it",
    "nothing was proposed",
    "the bond takes no delegations; its operator has opened no pool",
    "the account is not the bond's revenue vault",
    "the signer is neither the delegator nor the bond's operator",
    "the delegation is of another bond or delegator",
    "tokens go to the recorded account, or to another if their owner signs; never into the bond's own vaults",
    "the request to unbond is of another bond, owner or kind",
    "the bond has no lamport to lend to another reservation; send it some",
    "the operator adds stake; it does not delegate to itself",
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
