//! Which questions are asked at all.

use gridlease_sdk::manifest::{AllowedHost, HostPattern};
use simple_dns::{Name, QTYPE, TYPE};

/// Names that mean something in the owner's own network only, or nothing at all.
const LOCAL: [&str; 12] = [
    "local",
    "localhost",
    "localdomain",
    "lan",
    "home",
    "internal",
    "intranet",
    "corp",
    "private",
    "arpa",
    "onion",
    "invalid",
];

/// What is done with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is asked. The ports that its addresses may be reached at; `None`: all.
    Ask(Option<Vec<u16>>),
    /// There is no such record: what could only be asked for in vain, so that nobody waits for it.
    Empty,
    /// Nobody may know.
    Refuse,
}

/// Which names a lease may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::net) enum Names {
    /// All of the public internet.
    Public,
    /// Those of this allow list.
    Only(Vec<AllowedHost>),
}

impl Names {
    /// What is done with a question for `name`, which has no dot at its end.
    pub(super) fn judge(&self, name: &str, kind: QTYPE) -> Verdict {
        let name = name.to_ascii_lowercase();
        let top = name.rsplit_once('.').map(|(_, top)| top);
        if top.is_none_or(|top| LOCAL.contains(&top)) {
            return Verdict::Refuse;
        }
        let ports = match self {
            Self::Public => None,
            Self::Only(hosts) => {
                let mut ports: Vec<u16> =
                    hosts.iter().filter(|host| host.names(&name)).flat_map(AllowedHost::ports).collect();
                if ports.is_empty() {
                    return Verdict::Refuse;
                }
                ports.sort_unstable();
                ports.dedup();
                Some(ports)
            }
        };
        let QTYPE::TYPE(kind) = kind else { return Verdict::Refuse };
        match kind {
            TYPE::A | TYPE::CNAME | TYPE::MX | TYPE::NS | TYPE::SOA | TYPE::SRV | TYPE::TXT | TYPE::CAA => {
                Verdict::Ask(ports)
            }
            // Containers have no IPv6, and hints in other records would go around the filter of addresses.
            TYPE::AAAA | TYPE::HTTPS | TYPE::SVCB => Verdict::Empty,
            _ => Verdict::Refuse,
        }
    }

    /// The entries that are addresses, with their ports.
    pub(in crate::net) fn places(&self) -> Option<Vec<(std::net::Ipv4Addr, u16)>> {
        let Self::Only(hosts) = self else { return None };
        let of = |host: &AllowedHost| match host.host() {
            HostPattern::Address(address) => host.ports().into_iter().map(|port| (*address, port)).collect(),
            _ => Vec::new(),
        };
        Some(hosts.iter().flat_map(of).collect())
    }
}

/// A name as text, without a dot at its end; `None` where a label holds what no host's name does, which could be read in two ways.
pub(super) fn text(name: &Name<'_>) -> Option<String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let labels = name.get_labels().iter().map(|label| {
        let label: &[u8] = label.as_ref();
        label.iter().all(plain).then(|| String::from_utf8_lossy(label).into_owned())
    });
    Some(labels.collect::<Option<Vec<_>>>()?.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: QTYPE = QTYPE::TYPE(TYPE::A);

    fn only(hosts: &[&str]) -> Names {
        Names::Only(hosts.iter().map(|host| host.parse().unwrap()).collect())
    }

    #[test]
    fn threat_05_names_of_the_owner_s_network_are_asked_of_nobody() {
        for name in [
            "nas",
            "router.lan",
            "printer.local",
            "1.0.168.192.in-addr.arpa",
            "db.corp",
            "metadata.google.internal",
            "",
        ] {
            assert_eq!(Names::Public.judge(name, A), Verdict::Refuse, "{name}");
        }
        assert_eq!(Names::Public.judge("Hub.example", A), Verdict::Ask(None));
    }

    #[test]
    fn threat_05_with_an_allow_list_only_its_names_are_asked_for_and_lead_to_its_ports() {
        let names = only(&["hub.example", "*.hub.example:8443", "files.hub.example:22", "9.9.9.9"]);
        let ask = |name: &str| names.judge(name, A);
        assert_eq!(ask("hub.example"), Verdict::Ask(Some(vec![80, 443])));
        assert_eq!(ask("files.Hub.example"), Verdict::Ask(Some(vec![22, 8443])));
        assert_eq!(ask("evil.example"), Verdict::Refuse);
        assert_eq!(ask("hub.example.evil.example"), Verdict::Refuse);
        assert_eq!(names.places().unwrap(), [("9.9.9.9".parse().unwrap(), 80), ("9.9.9.9".parse().unwrap(), 443)]);
    }

    #[test]
    fn what_a_container_has_no_use_for_does_not_exist_and_zones_are_not_copied() {
        for kind in [TYPE::AAAA, TYPE::HTTPS, TYPE::SVCB] {
            assert_eq!(Names::Public.judge("a.example", QTYPE::TYPE(kind)), Verdict::Empty);
        }
        for kind in [QTYPE::ANY, QTYPE::AXFR, QTYPE::TYPE(TYPE::NULL), QTYPE::TYPE(TYPE::PTR)] {
            assert_eq!(Names::Public.judge("a.example", kind), Verdict::Refuse);
        }
    }

    #[test]
    fn threat_05_a_dot_within_a_label_makes_no_other_name() {
        assert_eq!(text(&Name::new_unchecked("Files.hub.example")).as_deref(), Some("Files.hub.example"));
        let label = |text: &'static str| simple_dns::Label::new_unchecked(text.as_bytes());
        assert_eq!(text(&Name::new_with_labels(&[label("evil.hub"), label("example")])), None);
    }
}
