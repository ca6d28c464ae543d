//! A small world around a real engine: an internet, a network of the owner's, and a resolver. Each is a network namespace of this
//! machine, so that nothing that is sent leaves it.
#![allow(dead_code, reason = "each test file uses a part of this")]

pub mod ranges;

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gridlease_node::driver::ContainerId;
use gridlease_node::net::{Networks, Upstream};
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, ResourceRecord};

use super::support::Bench;

/// Ports at which everything in this world answers.
pub const PORTS: [u16; 5] = [25, 53, 80, 443, 8080];

/// Runs a program that has to succeed.
pub fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {told}", args.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Says hello at one of the host's addresses, at all of [`PORTS`].
fn greeter(at: Ipv4Addr, over: Arc<AtomicBool>) -> JoinHandle<()> {
    let listeners: Vec<TcpListener> = PORTS
        .iter()
        .map(|port| {
            let listener = TcpListener::bind((at, *port)).unwrap_or_else(|error| panic!("{at}:{port}: {error}"));
            listener.set_nonblocking(true).unwrap();
            listener
        })
        .collect();
    std::thread::spawn(move || {
        while !over.load(Ordering::SeqCst) {
            for listener in &listeners {
                if let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.write_all(b"hello\n");
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    })
}

/// A namespace that is connected to the host. At every address of it and all of [`PORTS`] somebody says hello.
struct Place {
    space: String,
    greeters: Vec<Child>,
}

impl Place {
    /// The host has `a.b.c.1`, the place `a.b.c.2`.
    fn new(name: &str, [a, b, c]: [u8; 3]) -> Self {
        let space = format!("vt-{name}");
        let link = format!("vt{name}");
        run("ip", &["netns", "add", &space]);
        let mut place = Self { space, greeters: Vec::new() };
        let space = place.space.clone();
        let space = space.as_str();
        run("ip", &["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", space]);
        run("ip", &["addr", "add", &format!("{a}.{b}.{c}.1/24"), "dev", &link]);
        run("ip", &["link", "set", &link, "up"]);
        for args in [
            &["addr", "add", &format!("{a}.{b}.{c}.2/24"), "dev", "eth0"][..],
            &["link", "set", "eth0", "up"],
            &["link", "set", "lo", "up"],
            &["route", "add", "default", "via", &format!("{a}.{b}.{c}.1")],
        ] {
            run("ip", &[&["-n", space][..], args].concat());
        }
        for port in PORTS {
            let greeter = Command::new("ip")
                .args([
                    "netns",
                    "exec",
                    space,
                    "busybox",
                    "nc",
                    "-ll",
                    "-p",
                    &port.to_string(),
                    "-e",
                    "/bin/echo",
                    "hello",
                ])
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            place.greeters.push(greeter.unwrap());
        }
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for greeter in &mut self.greeters {
            let _ = greeter.kill();
            let _ = greeter.wait();
        }
        let _ = Command::new("ip").args(["netns", "del", &self.space]).stderr(Stdio::null()).status();
    }
}

/// A program that ends, with all that it started, when it is dropped.
pub struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// What was sent to a host of the internet.
pub struct Sink {
    file: tempfile::NamedTempFile,
    _helper: Helper,
}

impl Sink {
    /// How many bytes there were since the last time.
    pub fn take(&self) -> u64 {
        let bytes = self.file.as_file().metadata().unwrap().len();
        self.file.as_file().set_len(0).unwrap();
        bytes
    }
}

/// The world. Gone when it is dropped.
pub struct World {
    /// A host of the internet.
    pub internet: Ipv4Addr,
    /// The host's own address on the internet.
    pub public_of_host: Ipv4Addr,
    /// A host of the owner's network.
    pub lan: Ipv4Addr,
    /// Where a cloud would hand out credentials.
    pub metadata: Ipv4Addr,
    /// The resolver: what it knows.
    pub upstream: SocketAddr,
    places: Vec<Place>,
    over: Arc<AtomicBool>,
    greeters: Vec<JoinHandle<()>>,
    resolver: tokio::task::JoinHandle<()>,
}

impl World {
    pub async fn new() -> Self {
        // Tests run side by side on one host.
        let [b, c, x, y]: [u8; 4] = std::array::from_fn(|_| rand::random_range(1..250));
        let name = hex::encode([b, c, x, y]);
        let internet = Ipv4Addr::new(45, b, c, 2);
        let lan = Ipv4Addr::new(10, b, c, 2);
        let metadata = Ipv4Addr::new(169, 254, x, y);
        let places = vec![Place::new(&format!("{name}i"), [45, b, c]), Place::new(&format!("{name}l"), [10, b, c])];
        run("ip", &["-n", &places[1].space, "addr", "add", &format!("{metadata}/32"), "dev", "lo"]);
        run("ip", &["route", "add", &format!("{metadata}/32"), "via", &lan.to_string()]);
        let over = Arc::new(AtomicBool::new(false));
        let public_of_host = Ipv4Addr::new(45, b, c, 1);
        let greeters = vec![greeter(public_of_host, Arc::clone(&over))];
        let (upstream, resolver) = resolver(internet, lan).await;
        let world = Self { internet, public_of_host, lan, metadata, upstream, places, over, greeters, resolver };
        // Whatever a lease does not reach is there all the same.
        for address in [internet, lan, metadata, public_of_host] {
            for port in PORTS {
                let there = || std::net::TcpStream::connect_timeout(&(address, port).into(), Duration::from_secs(2));
                let patience = Instant::now() + Duration::from_secs(10);
                while let Err(error) = there() {
                    assert!(Instant::now() < patience, "{address}:{port}: {error}");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        world
    }

    /// A host of the internet that sends as much as is taken, at port 9001, and one that takes as much as is sent, at port 9002.
    pub fn bulk(&self) -> (Helper, Sink) {
        let space = self.places[0].space.as_str();
        let nc = |rest: &str, out: Stdio| {
            let script = format!("exec ip netns exec {space} busybox nc {rest}");
            let mut command = Command::new("sh");
            command.args(["-c", &script]).stdin(Stdio::null()).stdout(out).stderr(Stdio::null());
            // A group of its own: whoever serves a connection that nobody ends has to go with it.
            let child = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn();
            Helper(child.unwrap())
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let source = nc("-ll -p 9001 -e /bin/cat /dev/zero", Stdio::null());
        let cat = format!("-ll -p 9002 -e /bin/sh -c 'cat >> {}'", file.path().display());
        (source, Sink { file, _helper: nc(&cat, Stdio::null()) })
    }

    /// The namespace of the owner's network.
    pub fn lan_space(&self) -> &str {
        &self.places[1].space
    }

    /// The namespace of the internet.
    pub fn internet_space(&self) -> &str {
        &self.places[0].space
    }

    pub fn networks(&self, bench: &Bench) -> Networks {
        Networks::new(bench.driver.clone(), bench.node, Upstream::new(&[self.upstream]).unwrap())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.resolver.abort();
        for greeter in self.greeters.drain(..) {
            let _ = greeter.join();
        }
    }
}

/// What the resolver answers: every name that begins so.
async fn resolver(internet: Ipv4Addr, lan: Ipv4Addr) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let Ok(query) = Packet::parse(&buffer[..length]) else { continue };
            let question = query.questions[0].clone();
            let name = question.qname.to_string();
            let addresses = match name.split('.').next() {
                Some("rebind") => vec![lan, "127.0.0.1".parse().unwrap()],
                Some("both") => vec![lan, internet],
                _ => vec![internet],
            };
            let mut answer = Packet::new_reply(query.id());
            for address in addresses {
                let rdata = RData::A(A { address: address.into() });
                answer.answers.push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 60, rdata));
            }
            answer.questions.push(question);
            let _ = socket.send_to(&answer.build_bytes_vec().unwrap(), from).await;
        }
    });
    (address, task)
}

/// Whether somebody says hello to the container there.
pub async fn reaches(id: &ContainerId, host: impl std::fmt::Display, port: u16) -> bool {
    let script = format!("busybox nc -w 2 {host} {port} </dev/null | grep -q hello");
    execute(id, &script).await.0
}

/// Runs a script in the container as its own user: whether it succeeded, and what it wrote.
pub async fn execute(id: &ContainerId, script: &str) -> (bool, String) {
    let command = tokio::process::Command::new("docker")
        .args(["exec", &id.0, "/bin/sh", "-c", script])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), command).await.expect("it ends").unwrap();
    let written = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&written).into_owned())
}

/// Which of these the container reaches, all at once.
pub async fn reached<'a>(id: &ContainerId, places: &[(&'a str, String, u16)]) -> Vec<&'a str> {
    let tries = places.iter().map(|(_, host, port)| reaches(id, host, *port));
    let reached = futures_util::future::join_all(tries).await;
    places.iter().zip(reached).filter(|(_, reached)| *reached).map(|((name, _, _), _)| *name).collect()
}

/// The host's addresses on a lease's bridge as the container sees it: its gateway.
pub async fn gateway(id: &ContainerId) -> IpAddr {
    let (_, text) = execute(id, "busybox route -n | grep '^0.0.0.0' | busybox awk '{print $2}'").await;
    text.trim().parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}
