//! Values with units, to integers: no fractions are rounded where that could matter.

use super::read::quoted;

/// What is wrong, and what to write instead.
pub(super) type UnitError = (String, String);

const MIB: u128 = 1 << 20;
const SIZE_ADVICE: &str = "write a size with a unit, such as 512MiB, 24GiB or 1.5TiB";
const SIZE_UNITS: [(&str, u128); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// A size in MiB, rounded up: whoever writes 24GB gets at least that.
pub(super) fn size_mib(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split_number(text);
    let refuse = |advice: String| Err((format!("{} is not a size", quoted(text)), advice));
    let Some((digits, decimals)) = decimal(number) else {
        return refuse(SIZE_ADVICE.to_owned());
    };
    let found =
        SIZE_UNITS.iter().find(|(name, _)| *name == unit || (name.contains('i') && name.eq_ignore_ascii_case(unit)));
    let Some((_, factor)) = found else {
        // Mb is a megabit to some; a size that buys memory is not guessed.
        if let Some((name, _)) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) {
            return refuse(format!("did you mean {number}{name}?"));
        }
        // Kubernetes writes 24Gi, and many a tool 24G.
        let first = unit.chars().next().map(|c| c.to_ascii_uppercase());
        return match first {
            Some(first) if unit.len() <= 2 && "KMGT".contains(first) => {
                refuse(format!("did you mean {number}{first}iB?"))
            }
            None => Err((format!("{} has no unit", quoted(text)), format!("did you mean {number}GiB? {SIZE_ADVICE}"))),
            _ => refuse(SIZE_ADVICE.to_owned()),
        };
    };
    // At most 10^15 × 2^40, far below 2^128.
    let bytes = (digits * factor).div_ceil(10u128.pow(decimals));
    u64::try_from(bytes.div_ceil(MIB)).map_err(|_| (format!("{} is too large", quoted(text)), SIZE_ADVICE.to_owned()))
}

/// A duration in whole seconds.
pub(super) fn seconds(text: &str) -> Result<u32, UnitError> {
    let advice = "write a duration with a unit, such as 12s, 15m, 2h or 1h30m";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err((format!("{} has no unit", quoted(text)), format!("did you mean {text}s or {text}m? {advice}")));
    }
    let refuse = || (format!("{} is not a duration", quoted(text)), advice.to_owned());
    let duration = humantime::parse_duration(text).map_err(|_| refuse())?;
    if duration.subsec_nanos() != 0 {
        return Err((format!("{} is not a whole number of seconds", quoted(text)), advice.to_owned()));
    }
    u32::try_from(duration.as_secs()).map_err(|_| (format!("{} is too long", quoted(text)), advice.to_owned()))
}

/// USD to atoms (10⁻⁶), exactly.
pub(super) fn atoms(text: &str) -> Result<u64, UnitError> {
    let advice = "write US dollars per hour as a plain number, such as 1.80";
    let refuse = || (format!("{} is not a price", quoted(text)), advice.to_owned());
    if text.trim_start_matches('$').len() != text.len() || text.to_ascii_uppercase().contains("USD") {
        return Err((format!("{} names a currency", quoted(text)), format!("prices are in US dollars; {advice}")));
    }
    let (digits, decimals) = decimal(text).ok_or_else(refuse)?;
    if decimals > 6 {
        return Err((
            format!("{} has more than 6 decimals", quoted(text)),
            "the smallest price is 0.000001".to_owned(),
        ));
    }
    u64::try_from(digits * 10u128.pow(6 - decimals)).map_err(|_| refuse())
}

/// A fraction from 0 to 1 to basis points, exactly.
pub(super) fn basis_points(text: &str) -> Result<u32, UnitError> {
    let advice = "write a number with at most 4 decimals, such as 0.8".to_owned();
    let value = decimal(text)
        .filter(|(_, decimals)| *decimals <= 4)
        .map(|(digits, decimals)| digits * 10u128.pow(4 - decimals))
        .filter(|value| *value <= 10_000)
        .and_then(|value| u32::try_from(value).ok());
    value.ok_or_else(|| (format!("{} is not between 0 and 1", quoted(text)), advice))
}

/// `>=12.4` to 1204.
pub(super) fn cuda_version(text: &str) -> Result<u32, UnitError> {
    let advice = "write the lowest version, such as \">=12.4\"".to_owned();
    let refuse = || (format!("{} is not a CUDA version", quoted(text)), advice.clone());
    let version = text.strip_prefix(">=").ok_or_else(refuse)?.trim_start();
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    let number = |text: &str| -> Option<u32> {
        let plain = !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    match (number(major), number(minor)) {
        (Some(major), Some(minor)) if major > 0 => Ok(major * 100 + minor),
        _ => Err(refuse()),
    }
}

/// Cores to thousandths of a core, exactly: `4`, `0.5`, or `500m` as Kubernetes writes it.
pub(super) fn milli_cores(text: &str) -> Result<u32, UnitError> {
    let thousandths = text.strip_suffix('m');
    let value = match thousandths {
        Some(number) => decimal(number).filter(|(_, decimals)| *decimals == 0),
        None => decimal(text)
            .filter(|(_, decimals)| *decimals <= 3)
            .map(|(digits, decimals)| (digits * 10u128.pow(3 - decimals), 0)),
    };
    value.and_then(|(value, _)| u32::try_from(value).ok()).ok_or_else(|| {
        (format!("{} is not a number of cores", quoted(text)), "write cores, such as 4 or 0.5".to_owned())
    })
}

/// A whole number, without sign, point or leading zeros.
pub(super) fn whole(text: &str) -> Result<u32, UnitError> {
    let canonical = text == "0" || !text.starts_with('0');
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    match number {
        Some(number) if canonical => Ok(number),
        _ => Err((format!("{} is not a whole number", quoted(text)), "write digits only".to_owned())),
    }
}

/// Seconds in the largest unit that leaves nothing over, for messages.
pub(super) fn show_seconds(seconds: u64) -> String {
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds > 0 && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// Mebibytes in the largest unit that leaves nothing over, for messages.
pub(super) fn show_mib(mib: u64) -> String {
    for (unit, length) in [("TiB", 1 << 20), ("GiB", 1 << 10)] {
        if mib > 0 && mib.is_multiple_of(length) {
            return format!("{}{unit}", mib / length);
        }
    }
    format!("{mib}MiB")
}

/// Thousandths of a core as cores, for messages.
pub(super) fn show_cores(milli: u32) -> String {
    let (cores, rest) = (milli / 1000, milli % 1000);
    let text = format!("{cores}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The number at the front and the rest without blanks between them.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// `1.80` as (180, 2): all digits as one number, and how many stand behind the point.
fn decimal(text: &str) -> Option<(u128, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() > 15 {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let number = format!("{whole}{fraction}").parse().ok()?;
    Some((number, u32::try_from(fraction.len()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_mebibytes_rounded_up() {
        for (text, mib) in [
            ("512MiB", 512),
            ("24GiB", 24 * 1024),
            ("24 GiB", 24 * 1024),
            ("1.5gib", 1536),
            ("1TiB", 1 << 20),
            ("24GB", 22_889),
            ("1KiB", 1),
            ("0MiB", 0),
        ] {
            assert_eq!(size_mib(text), Ok(mib), "{text}");
        }
    }

    #[test]
    fn a_size_without_a_known_unit_is_refused_with_a_suggestion() {
        for (text, message) in [
            ("24", "\"24\" has no unit; did you mean 24GiB? write a size with a unit, such as 512MiB, 24GiB or 1.5TiB"),
            ("24Gi", "\"24Gi\" is not a size; did you mean 24GiB?"),
            ("24m", "\"24m\" is not a size; did you mean 24MiB?"),
            ("256Mb", "\"256Mb\" is not a size; did you mean 256MB?"),
            ("GiB", "\"GiB\" is not a size; write a size with a unit, such as 512MiB, 24GiB or 1.5TiB"),
            ("-1GiB", "\"-1GiB\" is not a size; write a size with a unit, such as 512MiB, 24GiB or 1.5TiB"),
            ("1e3GiB", "\"1e3GiB\" is not a size; write a size with a unit, such as 512MiB, 24GiB or 1.5TiB"),
            ("4 apples", "\"4 apples\" is not a size; write a size with a unit, such as 512MiB, 24GiB or 1.5TiB"),
            (
                "9999999999999999GiB",
                "\"9999999999999999GiB\" is not a size; write a size with a unit, such as 512MiB, 24GiB or 1.5TiB",
            ),
        ] {
            let (problem, advice) = size_mib(text).unwrap_err();
            assert_eq!(format!("{problem}; {advice}"), message);
        }
    }

    #[test]
    fn prices_are_exact_to_the_last_atom() {
        for (text, value) in [
            ("1.80", 1_800_000),
            ("2", 2_000_000),
            ("0.000001", 1),
            ("0.1", 100_000),
            ("100000", 100_000_000_000),
            ("0", 0),
            ("1.8000000", 1_800_000),
        ] {
            assert_eq!(atoms(text), Ok(value), "{text}");
        }
        for (text, problem) in [
            ("0.0000001", "\"0.0000001\" has more than 6 decimals"),
            ("1,80", "\"1,80\" is not a price"),
            ("-1", "\"-1\" is not a price"),
            (".5", "\".5\" is not a price"),
            ("1e3", "\"1e3\" is not a price"),
            ("nan", "\"nan\" is not a price"),
            ("$1.80", "\"$1.80\" names a currency"),
            ("1.80 USD", "\"1.80 USD\" names a currency"),
        ] {
            assert_eq!(atoms(text).unwrap_err().0, problem);
        }
    }

    #[test]
    fn durations_are_whole_seconds_with_a_unit() {
        for (text, value) in [("12s", 12), ("15m", 900), ("2h", 7200), ("1h 30m", 5400), ("1day", 86_400)] {
            assert_eq!(seconds(text), Ok(value), "{text}");
        }
        for (text, problem) in [
            ("12", "\"12\" has no unit"),
            ("1500ms", "\"1500ms\" is not a whole number of seconds"),
            ("soon", "\"soon\" is not a duration"),
            ("-1s", "\"-1s\" is not a duration"),
            ("1000000years", "\"1000000years\" is too long"),
        ] {
            assert_eq!(seconds(text).unwrap_err().0, problem);
        }
    }

    #[test]
    fn cores_become_thousandths_and_back() {
        for (text, milli) in [("4", 4000), ("0.5", 500), ("500m", 500), ("1.125", 1125), ("0", 0)] {
            assert_eq!(milli_cores(text), Ok(milli), "{text}");
        }
        for text in ["0.0001", "half", "1.5m", "-1", "m", "4 cores", "9999999999"] {
            assert!(milli_cores(text).is_err(), "{text}");
        }
        assert_eq!([4000, 500, 1125, 0].map(show_cores), ["4", "0.5", "1.125", "0"]);
    }

    #[test]
    fn cuda_versions_and_shares_become_integers() {
        assert_eq!(cuda_version(">=12.4"), Ok(1204));
        assert_eq!(cuda_version(">= 13"), Ok(1300));
        for text in ["12.4", ">=12.x", ">=", ">=0.4", ">=12.4.1", ">=123.1", "<=12.4"] {
            assert!(cuda_version(text).is_err(), "{text}");
        }
        assert_eq!(basis_points("0.8"), Ok(8_000));
        assert_eq!(basis_points("1"), Ok(10_000));
        for text in ["1.1", "80%", "0.12345", "-0.1", "80"] {
            assert!(basis_points(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_price_written_with_six_decimals_is_read_back_exactly(value in 0u64..1_000_000_000_000) {
            let text = format!("{}.{:06}", value / 1_000_000, value % 1_000_000);
            proptest::prop_assert_eq!(atoms(&text), Ok(value));
        }

        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,40}|[0-9.]{0,40}[a-zA-Z]{0,4}") {
            let _ = (size_mib(&text), seconds(&text), atoms(&text), basis_points(&text));
            let _ = (cuda_version(&text), whole(&text), milli_cores(&text));
        }
    }
}
