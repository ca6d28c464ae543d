//! `restart`.

use super::{number, required};
use crate::manifest::read::{Fields, Reader, join, quoted};
use crate::manifest::restart::{DEFAULT_RESTART_DELAY_S, DEFAULT_RESTARTS, Restart};
use crate::manifest::units::{self, UnitError};
use crate::manifest::yaml::Value;

const ADVICE: &str = "write never, on-failure or on-failure:5";

pub(super) fn restart(reader: &mut Reader, fields: Fields<'_>, parent: &str) -> Option<Restart> {
    let path = join(parent, "restart");
    let node = fields.get("restart")?;
    if !matches!(node.value, Value::Map(_)) {
        return reader.convert(&path, node, ADVICE, policy).flatten();
    }
    let fields = reader.fields(&path, node, &["policy", "max", "delay"])?;
    let advice = "write never or on-failure";
    let policies = [("never", false), ("on-failure", true)];
    let policy = required(reader, fields, &path, "policy", advice)?;
    if !reader.choice(&join(&path, "policy"), policy, &policies)? {
        if fields.get("max").or(fields.get("delay")).is_some() {
            let problem = "has a number for restarts that there are not";
            reader.report(&path, fields.at(), problem, "write policy: on-failure, or never alone");
        }
        return None;
    }
    let max = number(reader, fields, &path, "max", Some(DEFAULT_RESTARTS), 1);
    let delay = fields.get("delay").and_then(|node| {
        let advice = "write a duration with a unit, such as 5s or 1m";
        reader.convert(&join(&path, "delay"), node, advice, units::seconds)
    });
    Some(Restart { max, delay_s: delay.unwrap_or(DEFAULT_RESTART_DELAY_S) })
}

/// A policy in one word, as Compose writes it.
fn policy(text: &str) -> Result<Option<Restart>, UnitError> {
    let refuse = || (format!("{} is not a policy", quoted(text)), ADVICE.to_owned());
    match text.split_once(':') {
        None if text == "never" || text == "no" => Ok(None),
        None if text == "on-failure" => Ok(Some(Restart::default())),
        Some(("on-failure", count)) => {
            let max = units::whole(count).map_err(|_| refuse())?;
            Ok(Some(Restart { max, ..Restart::default() }))
        }
        _ => Err(refuse()),
    }
}
