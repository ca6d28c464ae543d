//! `network`.

use super::required;
use crate::manifest::network::{AllowedHost, Network};
use crate::manifest::read::{Fields, Reader, nearest, quoted};
use crate::manifest::yaml::Value;

const ADVICE: &str = "allowed: none, egress, or { allow: [hub.example, \"*.hub.example:443\"] }";

pub(super) fn network(reader: &mut Reader, fields: Fields<'_>) -> Network {
    let Some(node) = fields.get("network") else { return Network::None };
    if matches!(node.value, Value::Map(_)) {
        return reader.fields("network", node, &["allow"]).map_or(Network::None, |fields| allow(reader, fields));
    }
    let read = reader.convert("network", node, ADVICE, |text| match text {
        "none" => Ok(Network::None),
        "egress" => Ok(Network::Egress),
        _ => {
            let meant = nearest(text, &["none", "egress"]).map(|word| format!("did you mean `{word}`? "));
            Err((format!("{} is not known", quoted(text)), meant.unwrap_or_default() + ADVICE))
        }
    });
    read.unwrap_or(Network::None)
}

fn allow(reader: &mut Reader, fields: Fields<'_>) -> Network {
    let advice = "write a list such as [hub.example, \"*.hub.example:443\"]";
    let Some(node) = required(reader, fields, "network", "allow", advice) else { return Network::None };
    let key = "network.allow";
    let mut hosts = Vec::new();
    for (index, item) in reader.items(key, node, advice).iter().enumerate() {
        let read = reader.convert(&format!("{key}[{index}]"), item, advice, |text| {
            text.parse::<AllowedHost>().map_err(|bad| (bad.problem, bad.advice.to_owned()))
        });
        hosts.extend(read);
    }
    Network::Allow(hosts)
}
