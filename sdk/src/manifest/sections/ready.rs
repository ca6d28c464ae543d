//! `ready`, and the probe of a port.

use super::{string, words};
use crate::manifest::read::{Fields, Reader, join};
use crate::manifest::ready::Ready;
use crate::manifest::types::Probe;
use crate::manifest::units;
use crate::manifest::yaml::{Node, Value};

const PROBE_ADVICE: &str = "write { http: /healthz } or { tcp: true }";

pub(super) fn ready(reader: &mut Reader, fields: Fields<'_>) -> Ready {
    let path = "ready";
    let keys = ["exec", "healthcheck", "start_period", "interval", "timeout"];
    let Some(fields) = fields.get(path).and_then(|node| reader.fields(path, node, &keys)) else {
        return Ready::default();
    };
    let advice =
        "write program and arguments, such as [\"pg_isready\"], or a shell's: [\"sh\", \"-c\", \"test -e /tmp/up\"]";
    let exec = words(reader, fields, path, "exec", advice);
    if exec.is_empty()
        && let Some(node) = fields.get("exec").filter(|node| matches!(node.value, Value::List(_)))
    {
        reader.report("ready.exec", node.at, "is empty", advice);
    }
    let healthcheck = fields
        .get("healthcheck")
        .and_then(|node| reader.choice("ready.healthcheck", node, &[("true", true), ("false", false)]));
    let mut seconds = |key: &str| {
        let advice = "write a duration with a unit, such as 2s or 1m";
        fields.get(key).and_then(|node| reader.convert(&join(path, key), node, advice, units::seconds))
    };
    let (start_period_s, interval_s, timeout_s) = (seconds("start_period"), seconds("interval"), seconds("timeout"));
    Ready { exec, healthcheck, start_period_s, interval_s, timeout_s }
}

pub(super) fn probe(reader: &mut Reader, path: &str, node: &Node) -> Option<Probe> {
    let fields = reader.fields(path, node, &["http", "tcp"])?;
    match (fields.get("http"), fields.get("tcp")) {
        (Some(_), None) => {
            string(reader, fields, path, "http", "write a path such as { http: /healthz }").map(Probe::Http)
        }
        (None, Some(node)) => {
            let plain = match &node.value {
                Value::Scalar { text, .. } => text == "true",
                Value::Map(entries) => entries.is_empty(),
                Value::List(_) => false,
            };
            if !plain {
                let key = join(path, "tcp");
                reader.report(&key, node.at, "is neither true nor {}", "write { tcp: true }, or leave the probe out");
            }
            plain.then_some(Probe::Tcp)
        }
        (http, _) => {
            let problem = if http.is_some() { "is given twice" } else { "says nothing" };
            reader.report(path, fields.at(), problem, PROBE_ADVICE);
            None
        }
    }
}
