//! Did a step change anything? A step of the market that comes too late succeeds and does nothing, so success alone says
//! little. Whatever the market changes it tells as an event, for which it calls itself: that call stands in the logs. Pure.

use gridlease_sdk::address::MARKET;
use solana_pubkey::Pubkey;

/// Where a server has cut the logs.
const CUT: &str = "Log truncated";

/// For each of the `steps` instructions of a transaction, whether it changed something; `None` where the logs do not tell.
pub(super) fn effects(logs: &[String], steps: usize) -> Option<Vec<bool>> {
    let mut effects: Vec<bool> = Vec::with_capacity(steps);
    let mut inside = false;
    for line in logs {
        if line == CUT {
            return None;
        }
        let Some((program, depth)) = invoked(line) else { continue };
        if depth == 1 {
            inside = program == MARKET;
            if inside {
                effects.push(false);
            }
        } else if inside
            && program == MARKET
            && let Some(last) = effects.last_mut()
        {
            *last = true;
        }
    }
    (effects.len() == steps).then_some(effects)
}

/// The program and the depth in a line like `Program KEY invoke [1]`.
fn invoked(line: &str) -> Option<(Pubkey, u32)> {
    let (key, rest) = line.strip_prefix("Program ")?.split_once(" invoke [")?;
    Some((key.parse().ok()?, rest.strip_suffix(']')?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridlease_sdk::address::STAKING;

    fn logs(lines: &[(&str, u32)]) -> Vec<String> {
        lines.iter().map(|(program, depth)| format!("Program {program} invoke [{depth}]")).collect()
    }

    #[test]
    fn issue9_16_a_step_without_an_event_has_changed_nothing() {
        let (market, staking) = (MARKET.to_string(), STAKING.to_string());
        let budget = "ComputeBudget111111111111111111111111111111";
        let settled_and_too_late = logs(&[
            (budget, 1),
            (&market, 1),
            (&market, 2),
            ("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA", 2),
            (&market, 1),
        ]);
        assert_eq!(effects(&settled_and_too_late, 2), Some(vec![true, false]));
        // Another program's event is not the market's.
        assert_eq!(effects(&logs(&[(&market, 1), (&staking, 2), (&staking, 3)]), 1), Some(vec![false]));
    }

    #[test]
    fn logs_that_are_cut_or_of_another_transaction_tell_nothing() {
        let market = MARKET.to_string();
        let mut cut = logs(&[(&market, 1)]);
        assert_eq!(effects(&cut, 2), None);
        cut.push(CUT.to_owned());
        assert_eq!(effects(&cut, 1), None);
        assert_eq!(effects(&[], 1), None);
        // What a program says about itself is no call.
        let says = vec![format!("Program {market} invoke [1]"), format!("Program log: Program {market} invoke [2]")];
        assert_eq!(effects(&says, 1), Some(vec![false]));
    }
}
