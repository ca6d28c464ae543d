//! `figures`: the tables of docs/OPERATORS.md that follow from `core` and from the sizes of accounts: what is locked, how long
//! things take, what they cost.
//!
//! A table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`; what is between them is replaced.

use std::fmt::Write as _;

use anyhow::Result;
use gridlease_core::limits::{
    CHALLENGE_TIME, DEFAULT_ATTEMPTS, FEE_BPS, GOVERNANCE_DELAY, GOVERNANCE_WINDOW, GRACE, MAX_ATTEMPTS, MAX_DURATION,
    MAX_FEE_BPS, MAX_OFFER_LIFE, MAX_REJECTS, MAX_UNITS, MIN_CHARGE_TIME, MIN_DURATION, MIN_RESERVATION,
    MIN_RESERVATION_TIME, MIN_STAKE_RESERVATION, PAYOUT_DELAY, REJECT_TIME, SLASH_ABANDONED, SLASH_NO_START,
    SLASH_UNREACHABLE, SLOT_MS, SLOT_MS_BOUNDS, STAKE_HORIZON, STAKE_MULTIPLE, START_BASE, START_MAX, START_PER_GB,
    UNBONDING_TIME, WINDOW_BOUNDS,
};
use gridlease_core::tip::{self, LATENESS, MAX_TIP, PARTY_GRACE, TIP};
use gridlease_core::{Atoms, Bps, Seconds};

use crate::accounts::{Idls, token_account_rent};
use crate::marks;
use crate::workspace::Workspace;

/// The document.
const DOCUMENT: &str = "docs/OPERATORS.md";
/// The marks of its tables.
const MARKS: marks::Marks = marks::Marks { begin: "figures", end: "<!-- end of figures -->" };

/// A table: its name and its rows.
type Table = (&'static str, Vec<[String; 2]>);

/// Writes the tables into the document.
///
/// # Errors
/// The document or an IDL cannot be read, or the document lacks the marks of a table.
pub fn write(workspace: &Workspace) -> Result<()> {
    marks::write(workspace, DOCUMENT, &MARKS, &parts(&Idls::read(workspace)?)?)
}

/// Are the tables of the document those of `core` and the IDLs?
///
/// # Errors
/// As of [`write`].
pub fn check(workspace: &Workspace) -> Result<bool> {
    marks::check(workspace, DOCUMENT, &MARKS, &parts(&Idls::read(workspace)?)?, "cargo xtask figures")
}

fn parts(idls: &Idls) -> Result<Vec<(&'static str, String)>> {
    let tables = [buyer_sol(idls)?, buyer(), provider_sol(idls)?, provider(), keeper(), market()];
    Ok(tables.into_iter().map(|(name, rows)| (name, markdown(name, &rows))).collect())
}

/// The SOL that a buyer locks.
fn buyer_sol(idls: &Idls) -> Result<Table> {
    let job = |attempts| Ok::<_, anyhow::Error>(idls.rent("market", "Job")? + tip::prepaid_job(attempts));
    let purse = idls.rent("market", "Purse")? + token_account_rent();
    let rows = vec![
        row("a purse and its vault", format!("{}, until the purse is closed", lamports(purse))),
        row(
            &format!("a job with {DEFAULT_ATTEMPTS} attempts (the default)"),
            format!(
                "{}, until the job is closed: {} of rent, and {} set aside for [tips](PROTOCOL.md#tips), of which what keepers did not earn comes back",
                lamports(job(DEFAULT_ATTEMPTS)?),
                number(idls.rent("market", "Job")?),
                number(tip::prepaid_job(DEFAULT_ATTEMPTS))
            ),
        ),
        row("each attempt more or less", lamports(job(DEFAULT_ATTEMPTS + 1)? - job(DEFAULT_ATTEMPTS)?)),
    ];
    Ok(("buyer-sol", rows))
}

/// What a buyer has to count with.
fn buyer() -> Table {
    let (shortest, longest) = WINDOW_BOUNDS;
    let rows = vec![
        row("bidding window", format!("{} to {}", time(shortest), time(longest))),
        row("duration", format!("{} to {}", time(MIN_DURATION), time(MAX_DURATION))),
        row("attempts", format!("1 to {MAX_ATTEMPTS}")),
        row(
            "least reservation",
            format!(
                "the larger of {} and {} at the job's highest price",
                usdc(MIN_RESERVATION),
                time(MIN_RESERVATION_TIME)
            ),
        ),
        row("least charge where the buyer stops", format!("{} at the lease's price", time(MIN_CHARGE_TIME))),
        row("grace for a top-up once the money is used up", time(GRACE)),
        row("fee, part of the price", bps(FEE_BPS)),
    ];
    ("buyer", rows)
}

/// The SOL that a provider locks.
fn provider_sol(idls: &Idls) -> Result<Table> {
    let unit = idls.rent("market", "Lease")? + idls.rent("staking", "Reservation")? + tip::prepaid_lease();
    let offer = idls.rent("market", "Offer")? + unit;
    let rows = vec![
        row(
            "the provider record (cold key)",
            format!("{}, until the record is closed", lamports(idls.rent("market", "Provider")?)),
        ),
        row(
            "each further machine (cold key)",
            format!("{}, until the machine is closed", lamports(idls.rent("market", "Machine")?)),
        ),
        row(
            "the bond and its vault (cold key)",
            format!(
                "{}, until the bond is closed, and what the bond lends to its reservations",
                lamports(idls.rent("staking", "Bond")? + token_account_rent())
            ),
        ),
        row(
            "an offer of one unit (hot key)",
            format!(
                "{}, until the offer is withdrawn, less [tips](PROTOCOL.md#tips) that keepers earned",
                lamports(offer)
            ),
        ),
        row("each further unit (hot key)", lamports(unit)),
        row(
            "each GPU of the offer (hot key)",
            format!("{}, until the offer is withdrawn", lamports(idls.rent("market", "GpuClaim")?)),
        ),
    ];
    Ok(("provider-sol", rows))
}

/// What a provider has to count with.
fn provider() -> Table {
    let rows = vec![
        row(
            "stake that a lease reserves",
            format!(
                "{STAKE_MULTIPLE} × what it can earn in its first {}, at least {}",
                time(STAKE_HORIZON),
                usdc(MIN_STAKE_RESERVATION)
            ),
        ),
        row(
            "time to start, from the award",
            format!(
                "{}, and {} for each 10⁹ bytes of image begun; at most {}",
                time(START_BASE),
                time(START_PER_GB),
                time(START_MAX)
            ),
        ),
        row("slash for a start that fails", reserved(SLASH_NO_START)),
        row("slash for a running lease that is abandoned", reserved(SLASH_ABANDONED)),
        row("slash for a node that is unreachable", reserved(SLASH_UNREACHABLE)),
        row("time to answer a challenge", time(CHALLENGE_TIME)),
        row(
            "the buyer can reject a start, for nothing",
            format!("for {} from ready on, {MAX_REJECTS} times in a job", time(REJECT_TIME)),
        ),
        row("life of an offer without a refresh", format!("at most {}", time(MAX_OFFER_LIFE))),
        row("units of an offer", format!("1 to {}", number(MAX_UNITS.into()))),
        row("a new payout account takes effect after", time(PAYOUT_DELAY)),
        row("unbonding takes", time(UNBONDING_TIME)),
    ];
    ("provider", rows)
}

/// What a keeper earns.
fn keeper() -> Table {
    let rows = vec![
        row("no tip until a step is late by", time(PARTY_GRACE)),
        row("the tip from then on", lamports(TIP)),
        row("more for each further", format!("{}: {}", time(LATENESS), lamports(TIP))),
        row("at most", lamports(MAX_TIP)),
    ];
    ("keeper", rows)
}

/// What a market begins with, and what its admin can change.
fn market() -> Table {
    let rows = vec![
        row("fee", format!("{}, never above {}", bps(FEE_BPS), bps(MAX_FEE_BPS))),
        row(
            "length of a slot as it is billed at most",
            format!("{SLOT_MS} ms, never outside of {} to {} ms", SLOT_MS_BOUNDS.0, number(SLOT_MS_BOUNDS.1.into())),
        ),
        row("a proposed change can be executed after", time(GOVERNANCE_DELAY)),
        row("and lapses, where nobody executes it, so long after that", time(GOVERNANCE_WINDOW)),
    ];
    ("market", rows)
}

fn row(what: &str, value: String) -> [String; 2] {
    [what.to_owned(), value]
}

fn markdown(name: &str, rows: &[[String; 2]]) -> String {
    let heading = if name.ends_with("sol") { "| SOL locked for | how much, until when |" } else { "| what | figure |" };
    let mut out = format!("{heading}\n|---|---|\n");
    for [what, value] in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {what} | {value} |");
    }
    out
}

/// 1,234,567.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn lamports(value: u64) -> String {
    format!("{} lamports", number(value))
}

fn usdc(atoms: Atoms) -> String {
    format!("{}.{:02} USDC", number(atoms.0 / 1_000_000), atoms.0 % 1_000_000 / 10_000)
}

fn bps(value: Bps) -> String {
    let (whole, rest) = (value.0 / 100, value.0 % 100);
    if rest == 0 { format!("{whole} %") } else { format!("{whole}.{rest:02} %") }
}

fn reserved(slash: Bps) -> String {
    format!("{} of the stake reserved for the lease", bps(slash))
}

/// A length of time in the largest unit that leaves no rest.
fn time(length: Seconds) -> String {
    let units = [(24 * 3_600, "days"), (3_600, "h"), (60, "min"), (1, "s")];
    // Up to two days people count hours, up to two minutes seconds.
    let fits = |(seconds, _): &&(u64, &str)| length.0.is_multiple_of(*seconds) && length.0 > 2 * *seconds;
    let (seconds, unit) = units.iter().find(fits).unwrap_or(&units[3]);
    format!("{} {unit}", number(length.0 / seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::tests::idls;

    #[test]
    fn issue9_22_what_is_locked_is_rent_and_tips_together() {
        let parts = parts(&idls()).unwrap();
        let part = |name| &parts.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!(part("buyer-sol").contains("| a job with 3 attempts (the default) | 7,742,480 lamports"));
        assert!(part("buyer-sol").contains("| a purse and its vault | 5,491,440 lamports"));
        assert!(part("provider-sol").contains("| an offer of one unit (hot key) | 12,252,560 lamports"));
        assert!(part("provider").contains("| unbonding takes | 7 days |"));
    }

    #[test]
    fn numbers_and_times_are_written_as_people_read_them() {
        assert_eq!([0, 999, 1_000, 7_742_480].map(number), ["0", "999", "1,000", "7,742,480"]);
        let times = [15, 60, 90, 120, 600, 3_600, 24 * 3_600, 48 * 3_600, 720 * 3_600, 7 * 24 * 3_600];
        assert_eq!(
            times.map(|seconds| time(Seconds(seconds))),
            ["15 s", "60 s", "90 s", "120 s", "10 min", "60 min", "24 h", "48 h", "30 days", "7 days"]
        );
        assert_eq!(
            (usdc(Atoms(100_000)), bps(Bps(200)), bps(Bps(250))),
            ("0.10 USDC".into(), "2 %".into(), "2.50 %".into())
        );
    }
}
