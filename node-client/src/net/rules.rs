//! The firewall's rules, as text for `nft`: a pure function of the leases that have a network.
//!
//! What comes from a lease's bridge is looked at packet by packet, established or not, so that a connection that was opened
//! while the table was gone does not outlive its return.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::names;
use gridlease_sdk::manifest::Bandwidth;
use solana_pubkey::Pubkey;

/// Ranges that no lease reaches: private, local, shared, of documentation and tests, multicast, reserved. Containers have no IPv6
/// at all, which closes everything of that family: the ranges within it, and those that carry IPv4 inside.
pub const DENIED: [&str; 14] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];
/// Ports that no lease reaches outside: mail, and names asked of anybody but the node.
pub const DENIED_PORTS: [u16; 3] = [25, 53, 853];
/// Connections that a lease may begin in a second, and at once after a pause.
const NEW_PER_SECOND: u32 = 200;
const NEW_AT_ONCE: u32 = 400;
/// Connections that a lease may have open.
const OPEN: u32 = 4_096;
/// Connections to the node's resolver that a lease may have open. Over UDP each question can be one that the kernel remembers for
/// half a minute: as many as are answered in that time have room. Over TCP the resolver itself serves fewer.
const OPEN_UDP_QUESTIONS: u32 = 4_096;
const OPEN_TCP_QUESTIONS: u32 = 256;
/// Packets with questions that a lease may send to the node's resolver in a second.
const QUESTIONS_PER_SECOND: u32 = 400;
/// Most addresses, each with a port, that names of one allow list have led to and that are still valid.
pub(super) const MAX_REACHABLE: usize = 4_096;

/// An address and a port that a lease may reach.
pub(super) type Place = (Ipv4Addr, u16);

/// One lease's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    /// The lease's mark.
    pub mark: String,
    /// Its bridge.
    pub bridge: String,
    /// The addresses on it.
    pub subnet: Ipv4Net,
    /// The host's own among them, where the resolver answers.
    pub gateway: Ipv4Addr,
    /// Which places it may reach; `None`: all.
    pub only: Option<Only>,
    /// What it is held to; `None`: whatever there is.
    pub bandwidth: Option<Bandwidth>,
}

/// The places that an allow list leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Only {
    /// For good: entries that are addresses.
    pub always: Vec<Place>,
    /// For so many seconds: where names led to.
    pub learned: Vec<(Place, u64)>,
}

/// The whole table, which replaces the one before in one step.
pub(super) fn ruleset(node: &Pubkey, lanes: &[Lane]) -> String {
    let (table, prefix) = (names::table(node), names::prefix(node));
    let mut text = format!("table inet {table}\ndelete table inet {table}\ntable inet {table} {{\n");
    for lane in lanes {
        text += &lane.rules();
    }
    let denied = DENIED.join(", ");
    let ports = DENIED_PORTS.map(|port| port.to_string()).join(", ");
    let sorted = |end: &str, kind: &str| match lanes {
        [] => String::new(),
        lanes => {
            let sorted: Vec<_> =
                lanes.iter().map(|lane| format!("\"{}\" : goto {kind}_{}", lane.bridge, lane.mark)).collect();
            format!("\n        {end} vmap {{ {} }}", sorted.join(", "))
        }
    };
    // What the host sends to itself by its address on the bridge stays as it is.
    let out = |lane: &Lane| {
        let Lane { subnet, gateway, .. } = lane;
        format!("\n        ip saddr {subnet} ip saddr != {gateway} oifname != \"{prefix}*\" masquerade")
    };
    let masquerade: String = lanes.iter().map(out).collect();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "    chain from_lease {{
        meta nfproto ipv6 drop
        ct state invalid drop
        oifname \"{prefix}*\" drop
        ip daddr {{ {denied} }} drop
        meta l4proto {{ tcp, udp }} th dport {{ {ports} }} drop{leases}
        drop
    }}
    chain to_lease {{{replies}
        drop
    }}
    chain to_host {{
        meta nfproto ipv6 drop
        ct state invalid drop
        ct state established,related ct direction reply accept{hosts}
        drop
    }}
    chain forward {{
        type filter hook forward priority filter - 5; policy accept;
        iifname \"{prefix}*\" jump from_lease
        oifname \"{prefix}*\" jump to_lease
    }}
    chain input {{
        type filter hook input priority filter - 5; policy accept;
        iifname \"{prefix}*\" jump to_host
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;{masquerade}
    }}
}}
",
        leases = sorted("iifname", "lease"),
        hosts = sorted("iifname", "host"),
        replies = sorted("oifname", "reply"),
    );
    text
}

impl Lane {
    fn rules(&self) -> String {
        let Self { mark, subnet, gateway, .. } = self;
        // Whoever may reach a few places only goes on with connections that were found to lead to one of them, and with no others:
        // one that was opened while the table was gone has no such mark.
        let (set, places, known) = match &self.only {
            None => (String::new(), "        accept\n".to_owned(), String::new()),
            Some(only) => {
                let known = known(mark);
                (only.set(mark), only.rules(mark, known), format!(" ct mark {known:#010x}"))
            }
        };
        let (down, up) = self.bandwidth.map_or((0, 0), |bandwidth| (bandwidth.down_mbit, bandwidth.up_mbit));
        let (down, up) = (within(down), within(up));
        format!(
            "{set}    chain reply_{mark} {{
{down}        ct state established,related ct direction reply{known} accept
        drop
    }}
    chain lease_{mark} {{
        ip saddr != {subnet} drop
        ip saddr {gateway} drop
{up}        meta l4proto != {{ tcp, udp, icmp }} drop
        ct state established,related{known} accept
        ct state new limit rate over {NEW_PER_SECOND}/second burst {NEW_AT_ONCE} packets drop
        ct state new ct count over {OPEN} drop
{places}    }}
    chain host_{mark} {{
        ip saddr != {subnet} drop
        ip daddr != {gateway} drop
        limit rate over {QUESTIONS_PER_SECOND}/second burst {QUESTIONS_PER_SECOND} packets drop
        tcp dport 53 ct state new ct count over {OPEN_TCP_QUESTIONS} drop
        udp dport 53 ct state new ct count over {OPEN_UDP_QUESTIONS} drop
        meta l4proto {{ tcp, udp }} th dport 53 accept
        drop
    }}
"
        )
    }
}

/// What a lease's connections to places of its allow list are marked with: FNV-1a of the lease's own mark, so that a later lease with
/// the same addresses takes over none of them, and never 0, which is no mark.
fn known(mark: &str) -> u32 {
    mark.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) | 1
}

/// Drops what is more than so many Mbit/s, but for a second's worth after a pause: that much the kernel's bucket holds, besides the
/// burst, which lets through what programs hand the kernel at a time. Nothing for 0.
fn within(mbit: u32) -> String {
    let bytes = u64::from(mbit) * 125_000;
    if mbit == 0 {
        String::new()
    } else {
        format!("        limit rate over {bytes} bytes/second burst 262144 bytes drop\n")
    }
}

impl Only {
    fn set(&self, mark: &str) -> String {
        let learned =
            self.learned.iter().map(|((address, port), seconds)| format!("{address} . {port} timeout {seconds}s"));
        let learned: Vec<_> = learned.collect();
        let elements =
            if learned.is_empty() { String::new() } else { format!(" elements = {{ {} }};", learned.join(", ")) };
        format!(
            "    set allow_{mark} {{ type ipv4_addr . inet_service; flags timeout; size {MAX_REACHABLE};{elements} }}\n"
        )
    }

    fn rules(&self, mark: &str, known: u32) -> String {
        let accept = format!("ct mark set {known:#010x} accept");
        let always: Vec<_> = self.always.iter().map(|(address, port)| format!("{address} . {port}")).collect();
        let always = if always.is_empty() {
            String::new()
        } else {
            format!("        meta l4proto {{ tcp, udp }} ip daddr . th dport {{ {} }} {accept}\n", always.join(", "))
        };
        format!(
            "{always}        meta l4proto {{ tcp, udp }} ip daddr . th dport @allow_{mark} {accept}\n        drop\n"
        )
    }
}

/// Makes places reachable, or for longer, in a table that stands. An element that is there keeps its old end unless it is taken out first.
pub(super) fn learn(node: &Pubkey, mark: &str, learned: &[(Place, u64)]) -> String {
    let set = format!("element inet {} allow_{mark}", names::table(node));
    let one = |((address, port), seconds): &(Place, u64)| {
        let place = format!("{address} . {port}");
        format!(
            "add {set} {{ {place} timeout 1s }}\ndelete {set} {{ {place} }}\nadd {set} {{ {place} timeout {seconds}s }}\n"
        )
    };
    learned.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridlease_sdk::public_address::is_public;
    use std::net::IpAddr;

    fn lane(n: u8, only: Option<Only>) -> Lane {
        Lane {
            mark: format!("m{n}"),
            bridge: format!("glAAAm{n}"),
            subnet: format!("172.{n}.0.0/16").parse().unwrap(),
            gateway: Ipv4Addr::new(172, n, 0, 1),
            only,
            bandwidth: None,
        }
    }

    #[test]
    fn no_denied_range_is_public_and_its_neighbours_are_or_are_denied_too() {
        let denied: Vec<Ipv4Net> = DENIED.iter().map(|range| range.parse().unwrap()).collect();
        for range in &denied {
            assert!(!is_public(range.network().into()) && !is_public(range.broadcast().into()), "{range}");
            let after = Ipv4Addr::from(u32::from(range.broadcast()).wrapping_add(1));
            let before = Ipv4Addr::from(u32::from(range.network()).wrapping_sub(1));
            for neighbour in [before, after] {
                let shut = denied.iter().any(|range| range.contains(&neighbour));
                assert_ne!(shut, is_public(IpAddr::V4(neighbour)), "{neighbour}");
            }
        }
    }

    #[test]
    fn every_lease_has_its_own_chain_and_what_is_no_lease_s_is_dropped() {
        let node = Pubkey::new_from_array([1; 32]);
        let only = Only {
            always: vec![(Ipv4Addr::new(9, 9, 9, 9), 443)],
            learned: vec![((Ipv4Addr::new(8, 8, 4, 4), 80), 60)],
        };
        let text = ruleset(&node, &[lane(18, None), lane(19, Some(only))]);
        assert!(text.contains("\"glAAAm18\" : goto lease_m18, \"glAAAm19\" : goto lease_m19"), "{text}");
        assert!(text.contains("elements = { 8.8.4.4 . 80 timeout 60s }"), "{text}");
        assert!(text.contains("th dport { 9.9.9.9 . 443 } ct mark set 0x"), "{text}");
        let of = |name: &str| {
            let start = text.find(&format!("chain {name} {{")).unwrap();
            text[start..].split_once('}').map_or("", |_| &text[start..start + text[start..].find("\n    }").unwrap()])
        };
        // With an allow list, nothing goes on or comes back that was not found to be on it.
        let goes_on = |name: &str| of(name).lines().filter(|line| line.contains("established")).collect::<String>();
        let marked = |name: &str| goes_on(name).contains(&format!("ct mark {:#010x} accept", known("m19")));
        assert!(marked("lease_m19") && marked("reply_m19") && !goes_on("lease_m18").contains("mark"), "{text}");
        assert_ne!(known("m18"), known("m19"));
        // What the resolver is asked is counted before any of it is let in.
        let host = of("host_m18");
        let [many, accepted] = ["ct count over", "accept"].map(|word| host.find(word).unwrap());
        assert!(many < accepted && host.matches("accept").count() == 1, "{host}");
        // Only who may reach everything has a chain that ends with an accept, and private ranges come before any accept.
        assert!(of("lease_m18").trim_end().ends_with("accept") && of("lease_m19").trim_end().ends_with("drop"));
        let from = of("from_lease");
        assert!(from.find("10.0.0.0/8").unwrap() < from.find("vmap").unwrap() && !from.contains("accept"), "{from}");
        assert!(from.trim_end().ends_with("drop") && of("to_host").trim_end().ends_with("drop"));
        let slow = Lane { bandwidth: Some(Bandwidth { down_mbit: 8, up_mbit: 0 }), ..lane(20, None) }.rules();
        assert!(
            slow.contains("chain reply_m20 {\n        limit rate over 1000000 bytes/second burst 262144 bytes drop\n"),
            "{slow}"
        );
        assert_eq!(slow.matches("bytes/second").count(), 1, "{slow}");
        let none = ruleset(&node, &[]);
        assert!(!none.contains("vmap") && none.contains("iifname \"gl"), "bridges nobody knows are shut: {none}");
    }
}
