//! Three namespaces in a row: a lease, a host, and everything that a host could lead to. The fence is one that a node made on this
//! machine, copied into the namespace of the host, so that every range can be tried in both families without a route of this
//! machine's being touched.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::run;

/// What the world outside has, besides the public ones: one address at least of each range that can leave a machine at all
/// (127/8 and multicast cannot, by the kernel's own rules).
pub const PRIVATE: [&str; 22] = [
    "10.1.2.3",
    "172.16.0.9",
    "172.31.255.9",
    "192.168.1.9",
    "169.254.169.254",
    "100.64.0.9",
    "100.127.255.9",
    "192.0.0.9",
    "192.0.2.9",
    "192.88.99.9",
    "198.18.0.9",
    "198.19.255.9",
    "198.51.100.9",
    "203.0.113.9",
    "240.0.0.9",
    "0.1.2.3",
    "fc00::9",
    "fd00:ec2::254",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "2002:a00:1::1",
    "2001::9",
];
/// Public ones: the second family is closed as a whole.
pub const PUBLIC: [&str; 2] = ["8.8.4.4", "172.32.0.9"];
pub const PUBLIC_V6: &str = "2a00:99::9";
/// The host's own, on the bridge and outside.
pub const HOST: [&str; 4] = ["45.9.9.1", "2a00:88::1", "2a00:77::1", "fe80::1%eth0"];

/// The row. Gone when it is dropped.
pub struct Row {
    lease: String,
    host: String,
    outside: String,
    greeters: Vec<Child>,
}

impl Row {
    /// With the bridge of that name, on which the host has `gateway` of a network with a prefix of so many bits.
    pub fn new(bridge: &str, gateway: Ipv4Addr, bits: u8) -> Self {
        let name = hex::encode(rand::random::<[u8; 3]>());
        let row = Self {
            lease: format!("vt-{name}c"),
            host: format!("vt-{name}h"),
            outside: format!("vt-{name}o"),
            greeters: Vec::new(),
        };
        let own = Ipv4Addr::from(u32::from(gateway) + 1);
        let (c, h, o) = (row.lease.as_str(), row.host.as_str(), row.outside.as_str());
        let addresses: String = PRIVATE
            .iter()
            .chain(&PUBLIC)
            .chain([&PUBLIC_V6])
            .map(|address| match address.contains(':') {
                true => format!("ip -n {o} addr add {address}/128 dev lo nodad\n"),
                false => format!("ip -n {o} addr add {address}/32 dev lo\n"),
            })
            .collect();
        let script = format!(
            "for ns in {c} {h} {o}; do ip netns add $ns; ip -n $ns link set lo up; done
ip netns exec {h} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n {h} link add {bridge} type bridge
ip -n {h} addr add {gateway}/{bits} dev {bridge}
ip -n {h} addr add 2a00:77::1/64 dev {bridge} nodad
ip -n {h} addr add fe80::1/64 dev {bridge} nodad
ip -n {h} link set {bridge} up
ip -n {h} link add port type veth peer name eth0 netns {c}
ip -n {h} link set port master {bridge} up
ip -n {c} addr add {own}/{bits} dev eth0
ip -n {c} addr add 2a00:77::2/64 dev eth0 nodad
ip -n {c} link set eth0 up
ip -n {c} route add default via {gateway}
ip -n {c} -6 route add default via 2a00:77::1
ip -n {h} link add out type veth peer name eth0 netns {o}
ip -n {h} addr add 45.9.9.1/24 dev out
ip -n {h} addr add 2a00:88::1/64 dev out nodad
ip -n {h} link set out up
ip -n {o} addr add 45.9.9.2/24 dev eth0
ip -n {o} addr add 2a00:88::2/64 dev eth0 nodad
ip -n {o} link set eth0 up
ip -n {h} route add default via 45.9.9.2
ip -n {h} -6 route add default via 2a00:88::2
ip -n {o} route add default via 45.9.9.1
ip -n {o} -6 route add default via 2a00:88::1
{addresses}"
        );
        run("sh", &["-ec", &script]);
        let mut row = row;
        for space in [row.host.clone(), row.outside.clone()] {
            let greeter = Command::new("ip")
                .args(["netns", "exec", &space, "busybox", "nc", "-ll", "-p", "80", "-e", "/bin/echo", "hello"])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            row.greeters.push(greeter.unwrap());
        }
        row
    }

    /// Puts a fence up.
    pub fn fence(&self, rules: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), rules).unwrap();
        run("ip", &["netns", "exec", &self.host, "nft", "-f", &file.path().to_string_lossy()]);
    }

    /// Which of these the lease reaches, each tried up to three times: whoever says hello does so to one at a time.
    pub fn reached<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let all: Vec<_> = addresses.into_iter().collect();
        let mut left = all.clone();
        for _ in 0..3 {
            let tries: Vec<_> = left.iter().map(|address| (*address, self.greet(address))).collect();
            let said_hello = |nc: Child| nc.wait_with_output().unwrap().stdout == b"hello\n";
            left = tries.into_iter().filter_map(|(address, nc)| (!said_hello(nc)).then_some(address)).collect();
        }
        all.into_iter().filter(|address| !left.contains(address)).collect()
    }

    fn greet(&self, address: &str) -> Child {
        Command::new("ip")
            .args(["netns", "exec", &self.lease, "busybox", "nc", "-w", "2", address, "80"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Sends a packet to each of `count` ports of a public host: how many arrived, and how long the sending took.
    pub fn burst(&self, count: u32) -> (u64, Duration) {
        let before = self.arrived();
        let start = Instant::now();
        let script = format!("for p in $(seq 1 {count}); do echo x > /dev/udp/8.8.4.4/$((p + 10000)); done");
        let _ = Command::new("ip")
            .args(["netns", "exec", &self.lease, "bash", "-c", &script])
            .stderr(Stdio::null())
            .status();
        let took = start.elapsed();
        std::thread::sleep(Duration::from_millis(200));
        (self.arrived() - before, took)
    }

    fn arrived(&self) -> u64 {
        let text = run("ip", &["netns", "exec", &self.outside, "cat", "/proc/net/snmp"]);
        let line = text.lines().filter(|line| line.starts_with("Udp:")).nth(1).unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap() // "NoPorts": nobody listens there
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        for greeter in &mut self.greeters {
            let _ = greeter.kill();
            let _ = greeter.wait();
        }
        for space in [&self.lease, &self.host, &self.outside] {
            let _ = Command::new("ip").args(["netns", "del", space]).stderr(Stdio::null()).status();
        }
    }
}
