//! What a lease reaches and what it does not: NODE-THREATS row 5, on a real engine and the kernel's own firewall.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod net_bench;
mod support;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use gridlease_node::clock::Clock;
use gridlease_node::driver::{ContainerId, ContainerSpec, ContainerState, Driver as _, Net};
use gridlease_node::inputs::{FetchPolicy, Fetcher};
use gridlease_node::lease::StageName;
use gridlease_node::lease::reconcile::{Action, Note};
use gridlease_node::lease::{Worker, WorkerConfig};
use gridlease_node::logs::{LogHub, LogLimits};
use gridlease_node::net::{NetError, Networks};
use gridlease_node::store::{Ended, LeaseRecord, NewLease, Phase, Store};
use gridlease_sdk::manifest::{Bandwidth, Manifest, Network};
use gridlease_testkit::needed;
use net_bench::ranges::{HOST, PRIVATE, PUBLIC, PUBLIC_V6, Row};
use net_bench::{World, execute, gateway, reached, reaches, run};
use solana_pubkey::Pubkey;
use support::{Bench, with_bench};

/// Runs a test in a world, where this machine can make one; the node's networks and its table are gone afterwards also after a panic.
async fn with_world<F: Future<Output = ()>>(test: impl FnOnce(Arc<World>, Arc<Bench>, Networks) -> F) {
    with_bench(|bench| async {
        let probe = needed(bench_networks(&bench).probe().await.map_err(|error| error.to_string()));
        if probe.is_none() {
            return bench;
        }
        let (world, bench) = (Arc::new(World::new().await), Arc::new(bench));
        let networks = world.networks(&bench);
        let outcome = AssertUnwindSafe(test(world, Arc::clone(&bench), networks)).catch_unwind().await;
        for left in bench.driver.list_labelled(&bench.node).await.unwrap() {
            bench.driver.remove(&left.id).await.unwrap();
        }
        bench_networks(&bench).recover(&[]).await.unwrap();
        let table = table(&bench);
        run("nft", &[&format!("table inet {table}; delete table inet {table}")]);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        Arc::into_inner(bench).expect("the test has let go of its bench")
    })
    .await;
}

fn bench_networks(bench: &Bench) -> Networks {
    let nobody = "127.0.0.1:9".parse().unwrap();
    Networks::new(bench.driver.clone(), bench.node, gridlease_node::net::Upstream::new(&[nobody]).unwrap())
}

fn allow(hosts: &[&str]) -> Network {
    Network::Allow(hosts.iter().map(|host| host.parse().unwrap()).collect())
}

/// A running container of lease number `n` with this network.
async fn launch(bench: &Bench, networks: &Networks, n: u8, network: &Network) -> (ContainerSpec, ContainerId) {
    let mut spec = bench.spec(n, "while true; do sleep 1; done");
    spec.net = networks.connect(&spec.lease, network, None).await.unwrap();
    let id = bench.launch(&spec).await;
    (spec, id)
}

fn table(bench: &Bench) -> String {
    format!("gridlease_{}", &bench.node.to_string()[..8])
}

#[tokio::test]
async fn threat_05_a_lease_with_egress_reaches_the_internet_and_nothing_of_the_owner_s() {
    with_world(|world, bench, networks| async move {
        let (_, id) = launch(&bench, &networks, 1, &Network::Egress).await;
        let (_, other) = launch(&bench, &networks, 2, &Network::Egress).await;
        execute(&other, "echo hello | busybox nc -l -p 8080 >/dev/null 2>&1 &").await;
        let address = execute(&other, "busybox hostname -i").await.1.trim().to_owned();
        let at = |address: &dyn std::fmt::Display| address.to_string();
        let gateway = gateway(&id).await;
        let places = [
            ("internet", at(&world.internet), 80),
            ("internet by name", "www.example.com".to_owned(), 443),
            ("the public one of two addresses", "both.example.com".to_owned(), 8080),
            ("mail", at(&world.internet), 25),
            ("another resolver", at(&world.internet), 53),
            ("lan", at(&world.lan), 80),
            ("metadata", at(&world.metadata), 80),
            ("host by its public address", at(&world.public_of_host), 8080),
            ("host by its address in the lan", at(&world.lan).replace(".2", ".1"), 8080),
            ("host by the bridge", at(&gateway), 22),
            ("rebinding", "rebind.example.com".to_owned(), 80),
            ("another lease", address.clone(), 8080),
        ];
        assert_eq!(
            reached(&id, &places).await,
            ["internet", "internet by name", "the public one of two addresses"],
            "{address}"
        );
        let resolv = execute(&id, "cat /etc/resolv.conf").await.1;
        assert!(
            !resolv.contains("search") || resolv.contains("search ."),
            "the owner's domain stays its own: {resolv}"
        );
        // The other one listens: from itself it is reached.
        assert!(reaches(&other, &address, 8080).await);
    })
    .await;
}

/// The fence of one lease with a network, and where it is: bridge, gateway, bits.
async fn fence(bench: &Bench, networks: &Networks, network: &Network) -> (String, Row) {
    let lease = bench.spec(1, "true").lease;
    networks.connect(&lease, network, None).await.unwrap();
    let rules = run("nft", &["list", "table", "inet", &table(bench)]);
    let name = gridlease_node::driver::container_name(&lease);
    let of = |format: &str| run("docker", &["network", "inspect", "-f", format, &name]).trim().to_owned();
    let bridge = of("{{index .Options \"com.docker.network.bridge.name\"}}");
    let gateway = of("{{(index .IPAM.Config 0).Gateway}}").parse().unwrap();
    let subnet = of("{{(index .IPAM.Config 0).Subnet}}");
    let bits = subnet.rsplit_once('/').unwrap().1.parse().unwrap();
    (rules, Row::new(&bridge, gateway, bits))
}

#[tokio::test]
async fn threat_05_every_private_range_of_both_families_is_shut_and_so_is_the_host() {
    with_world(|_world, bench, networks| async move {
        let (rules, row) = fence(&bench, &networks, &Network::Egress).await;
        // The engine may have given the lease one of these ranges: an address of its own network is nobody else's.
        let spec = bench.spec(1, "true");
        let name = gridlease_node::driver::container_name(&spec.lease);
        let subnet = run("docker", &["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", &name]);
        let subnet: ipnet::Ipv4Net = subnet.trim().parse().unwrap();
        let own = |address: &&str| address.parse::<std::net::Ipv4Addr>().is_ok_and(|address| subnet.contains(&address));
        let all = || {
            let private = PRIVATE.into_iter().filter(|address| !own(address));
            private.chain(HOST).chain(PUBLIC).chain([PUBLIC_V6])
        };
        // Without the fence every one of them answers: what does not afterwards is shut by it and by nothing else.
        assert_eq!(row.reached(all()), all().collect::<Vec<_>>());
        row.fence(&rules);
        assert_eq!(row.reached(all()), PUBLIC);
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_lease_begins_so_many_connections_in_a_second_and_no_more() {
    with_world(|_world, bench, networks| async move {
        let (rules, row) = fence(&bench, &networks, &Network::Egress).await;
        assert!(
            row.burst(2_000).0 > 1_500,
            "without the fence nearly all of them arrive, however busy this machine is"
        );
        row.fence(&rules);
        let (arrived, took) = row.burst(2_000);
        let allowed = 400.0 + 200.0 * (took.as_secs_f64() + 0.5);
        assert!(arrived >= 100 && (arrived as f64) < allowed, "{arrived} in {took:?}, {allowed} are allowed");
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_lease_gets_the_bandwidth_that_was_leased_and_not_more() {
    with_world(|world, bench, networks| async move {
        let (slow, fast) = (bench.spec(1, "").lease, bench.spec(2, "").lease);
        let bandwidth = Bandwidth { down_mbit: 16, up_mbit: 16 };
        networks.connect(&slow, &Network::Egress, Some(bandwidth)).await.unwrap();
        networks.connect(&fast, &Network::Egress, None).await.unwrap();
        let (_source, sink) = world.bulk();
        for (n, bandwidth) in [(1, Some(bandwidth)), (2, None)] {
            let mut spec = bench.spec(n, "while true; do sleep 1; done");
            spec.net = networks.connect(&spec.lease, &Network::Egress, bandwidth).await.unwrap();
            let id = bench.launch(&spec).await;
            let at = world.internet;
            let start = std::time::Instant::now();
            let (_, told) =
                execute(&id, &format!("busybox timeout 3 busybox nc {at} 9001 </dev/null | busybox wc -c")).await;
            let down: Option<f64> = told.lines().find_map(|line| line.trim().parse().ok());
            let down = (down.unwrap_or_else(|| panic!("{told}")), start.elapsed().as_secs_f64());
            let start = std::time::Instant::now();
            execute(&id, &format!("busybox timeout 3 busybox nc {at} 9002 </dev/zero >/dev/null")).await;
            let up = (sink.take() as f64, start.elapsed().as_secs_f64());
            // 16 Mbit/s are 2 MB a second, and more than a second's worth may come at once after a pause.
            let fits = |(bytes, seconds): (f64, f64)| match bandwidth {
                Some(_) => bytes > 0.2e6 * seconds && bytes < 2e6 * (seconds + 1.3),
                None => bytes > 6e6 * seconds,
            };
            assert!(fits(down) && fits(up), "lease {n}: {down:?} and {up:?} bytes in seconds");
        }
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_lease_without_a_network_has_none() {
    with_world(|world, bench, networks| async move {
        let (spec, id) = launch(&bench, &networks, 1, &Network::None).await;
        assert_eq!(spec.net, Net::None);
        assert!(!reaches(&id, world.internet, 80).await);
        let links = execute(&id, "ls /sys/class/net 2>/dev/null || busybox ip link").await.1;
        assert!(links.contains("lo") && !links.contains("eth"), "{links}");
    })
    .await;
}

#[tokio::test]
async fn threat_05_an_allow_list_lets_its_names_and_ports_through_and_nothing_else() {
    with_world(|world, bench, networks| async move {
        let literal = format!("{}:8080", world.internet);
        let list = allow(&["www.example.com:80", "*.cdn.example.com", literal.as_str(), "rebind.example.com"]);
        let (_, id) = launch(&bench, &networks, 1, &list).await;
        let at = world.internet.to_string();
        let name = |name: &str| name.to_owned();
        let before = [("by address before its name is asked", at.clone(), 80), ("by address", at.clone(), 8080)];
        assert_eq!(reached(&id, &before).await, ["by address"]);
        let places = [
            ("by name", name("www.example.com"), 80),
            ("at another port", name("www.example.com"), 53),
            ("another name", name("evil.example.com"), 80),
            ("the name above", name("cdn.example.com"), 443),
            ("rebinding", name("rebind.example.com"), 80),
            ("lan", world.lan.to_string(), 80),
        ];
        assert_eq!(reached(&id, &places).await, ["by name"]);
        assert!(!reaches(&id, &at, 443).await, "nobody asked for a name with this port yet");
        assert!(reaches(&id, "a.b.cdn.example.com", 443).await);
        // What names led to survives the making anew of the table for another lease.
        let (_, _) = launch(&bench, &networks, 2, &Network::Egress).await;
        assert!(reaches(&id, &at, 443).await);
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_firewall_that_somebody_flushed_is_noticed_and_restored() {
    with_world(|world, bench, networks| async move {
        let (_, id) = launch(&bench, &networks, 1, &Network::Egress).await;
        let table = table(&bench);
        assert!(!reaches(&id, world.lan, 80).await);
        // Without masquerading the answers come back all the same: the world's places have the host for their gateway.
        run("nft", &["flush", "table", "inet", &table]);
        assert!(reaches(&id, world.lan, 80).await, "it is the fence that kept it from there");
        networks.check().await.unwrap();
        assert!(!networks.is_open() && !reaches(&id, world.lan, 80).await && reaches(&id, world.internet, 80).await);
        run("nft", &["delete", "table", "inet", &table]);
        networks.check().await.unwrap();
        assert!(!reaches(&id, world.lan, 80).await && reaches(&id, world.internet, 80).await);
        // One rule too many is enough.
        run("nft", &["insert", "rule", "inet", &table, "from_lease", "accept"]);
        assert!(reaches(&id, world.lan, 80).await);
        networks.check().await.unwrap();
        assert!(!reaches(&id, world.lan, 80).await);
    })
    .await;
}

#[tokio::test]
async fn threat_05_the_node_looks_by_itself_and_the_fence_stands_on_when_it_ends() {
    with_world(|world, bench, networks| async move {
        let (_, id) = launch(&bench, &networks, 1, &Network::Egress).await;
        let shutdown = tokio_util::sync::CancellationToken::new();
        let guard = tokio::spawn(networks.clone().guard(shutdown.clone()));
        let table = table(&bench);
        run("nft", &["delete", "table", "inet", &table]);
        let stands = || run("nft", &["list", "tables"]).contains(&table);
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !stands() {
            assert!(std::time::Instant::now() < patience, "nobody noticed");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        shutdown.cancel();
        guard.await.unwrap();
        drop(networks);
        assert!(stands() && !reaches(&id, world.lan, 80).await && reaches(&id, world.internet, 80).await);
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_connection_that_was_made_while_the_firewall_was_gone_ends_with_its_return() {
    with_world(|world, bench, networks| async move {
        let (_, id) = launch(&bench, &networks, 1, &Network::Egress).await;
        // The owner's network for one that may reach the internet, and a host of the internet for one that may reach others of it.
        let listed = allow(&["www.example.com:80"]);
        let (_, of_list) = launch(&bench, &networks, 2, &listed).await;
        for (id, space, address) in
            [(&id, world.lan_space(), world.lan), (&of_list, world.internet_space(), world.internet)]
        {
            assert_eq!(told_over_a_gap(&bench, &networks, id, space, address).await, "early\n", "at {address}");
        }
    })
    .await;
}

/// What of a connection that is opened from the container while the table is gone arrives at an address, where half of it is sent after
/// the table is back.
async fn told_over_a_gap(
    bench: &Bench,
    networks: &Networks,
    id: &ContainerId,
    space: &str,
    address: std::net::Ipv4Addr,
) -> String {
    run("nft", &["delete", "table", "inet", &table(bench)]);
    let listener = format!("ip netns exec {space} busybox nc -l -p 9999");
    let mut heard = tokio::process::Command::new("sh")
        .args(["-c", &listener])
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let script = format!("(echo early; sleep 4; echo late; sleep 1) | busybox nc {address} 9999 >/dev/null 2>&1");
    let talk = tokio::spawn({
        let id = id.clone();
        async move { execute(&id, &script).await }
    });
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    networks.check().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    heard.start_kill().unwrap();
    let told = String::from_utf8(heard.wait_with_output().await.unwrap().stdout).unwrap();
    talk.abort();
    told
}

#[tokio::test]
async fn threat_05_networks_are_made_once_taken_up_again_and_removed_with_nothing_left() {
    with_world(|world, bench, networks| async move {
        let (spec, id) = launch(&bench, &networks, 1, &Network::Egress).await;
        let again = networks.connect(&spec.lease, &Network::Egress, None).await.unwrap();
        assert_eq!(again, spec.net, "the same one");
        let gone = bench.spec(2, "true").lease;
        networks.connect(&gone, &Network::Egress, None).await.unwrap();
        drop(networks);
        // Another node's, on the same engine.
        let stranger = Networks::new(
            bench.driver.clone(),
            Pubkey::new_from_array(rand::random()),
            gridlease_node::net::Upstream::new(&[world.upstream]).unwrap(),
        );
        let theirs = Pubkey::new_from_array(rand::random());
        stranger.connect(&theirs, &Network::Egress, None).await.unwrap();

        // The node starts anew, and knows of the first lease only.
        let networks = world.networks(&bench);
        networks.recover(&[(spec.lease, Network::Egress, None)]).await.unwrap();
        let all = || run("docker", &["network", "ls", "--format", "{{.Name}}"]);
        let name = |lease: &Pubkey| gridlease_node::driver::container_name(lease);
        assert!(all().contains(&name(&spec.lease)) && !all().contains(&name(&gone)));
        assert!(all().contains(&name(&theirs)), "what is another node's is left alone");
        assert!(reaches(&id, "www.example.com", 80).await && !reaches(&id, world.lan, 80).await);
        stranger.disconnect(&theirs).await.unwrap();
        stranger.dismantle().await.unwrap();

        networks.dismantle().await.unwrap();
        assert!(!reaches(&id, world.lan, 80).await, "the fence stays where somebody is behind it");
        assert!(networks.disconnect(&spec.lease).await.is_err(), "not under a running container");
        bench.driver.remove(&id).await.unwrap();
        networks.disconnect(&spec.lease).await.unwrap();
        networks.disconnect(&spec.lease).await.unwrap();
        assert!(!all().contains(&name(&spec.lease)));
        let bridge = format!("gl{}", &bench.node.to_string()[..3]);
        assert!(!run("ip", &["-o", "link"]).contains(&bridge));
        let rules = run("nft", &["list", "table", "inet", &table(&bench)]);
        assert!(!rules.contains("chain lease_"), "{rules}");
        networks.dismantle().await.unwrap();
        assert!(!run("nft", &["list", "tables"]).contains(&table(&bench)));
    })
    .await;
}

#[tokio::test]
async fn threat_05_questions_come_back_over_tcp_too_and_are_limited() {
    with_world(|world, bench, networks| async move {
        let (_, id) = launch(&bench, &networks, 1, &Network::Egress).await;
        let resolver = gateway(&id).await;
        // A question by hand, with its length before it as TCP wants it: www.example.com, type A.
        let question =
            r"\000\041\000\007\001\000\000\001\000\000\000\000\000\000\003www\007example\003com\000\000\001\000\001";
        let script = format!("(printf '{question}'; sleep 1) | busybox nc -w 3 {resolver} 53 | busybox od -An -tx1");
        let (_, answer) = execute(&id, &script).await;
        // od begins each line with its offset.
        let bytes: String =
            answer.lines().flat_map(|line| line.split_whitespace().filter(|word| word.len() == 2)).collect();
        assert!(bytes.contains(&hex::encode(world.internet.octets())), "an answer with the address: {answer}");

        let socket = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap();
        socket.connect((resolver, 53)).await.unwrap();
        let name = simple_dns::Name::new_unchecked("www.example.com");
        let kind = simple_dns::QTYPE::TYPE(simple_dns::TYPE::A);
        let class = simple_dns::QCLASS::CLASS(simple_dns::CLASS::IN);
        let start = std::time::Instant::now();
        for id in 0..2_000 {
            let mut query = simple_dns::Packet::new_query(id);
            query.questions.push(simple_dns::Question::new(name.clone(), kind, class, false));
            socket.send(&query.build_bytes_vec().unwrap()).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answers = 0;
        let mut buffer = [0; 1_500];
        let patience = std::time::Duration::from_secs(1);
        while let Ok(Ok(_)) = tokio::time::timeout(patience, socket.recv(&mut buffer)).await {
            answers += 1;
        }
        let allowed = 200.0 + 100.0 * start.elapsed().as_secs_f64();
        assert!(answers >= 20 && f64::from(answers) <= allowed, "{answers} of 2000, {allowed} are allowed");
        // The flood over, names are answered again.
        tokio::time::sleep(patience).await;
        assert!(reaches(&id, "www.example.com", 80).await);
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_resolver_that_cannot_listen_is_told_before_a_lease_is_won_and_keeps_no_node_from_starting() {
    with_world(|world, bench, networks| async move {
        let (spec, id) = launch(&bench, &networks, 1, &Network::Egress).await;
        let (other, with_names) = launch(&bench, &networks, 2, &Network::Egress).await;
        let at = (gateway(&id).await, 53);
        drop(networks);
        // Somebody else takes the port as soon as it is free.
        let patience = std::time::Instant::now() + std::time::Duration::from_secs(5);
        let taker = loop {
            match tokio::net::UdpSocket::bind(at).await {
                Ok(socket) => break socket,
                Err(error) => assert!(std::time::Instant::now() < patience, "{error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        // The engine says in which order it looks: with one network, there is one that is tried.
        bench.driver.remove(&with_names).await.unwrap();
        bench_networks(&bench).disconnect(&other.lease).await.unwrap();
        let networks = world.networks(&bench);
        let told = networks.probe().await.unwrap_err();
        assert!(matches!(told, NetError::Resolver { .. }) && told.to_string().contains("port 53"), "{told}");
        networks.recover(&[(spec.lease, Network::Egress, None)]).await.unwrap();
        networks.check().await.unwrap();
        assert!(!networks.is_open() && reaches(&id, world.internet, 80).await);
        // The other leases have their names, and only who is connected now is told.
        let (_, id_of_next) = launch(&bench, &networks, 3, &Network::Egress).await;
        assert!(reaches(&id_of_next, "www.example.com", 80).await);
        assert!(networks.connect(&spec.lease, &Network::Egress, None).await.is_err());
        drop(taker);
        networks.check().await.unwrap();
        assert!(reaches(&id, "www.example.com", 80).await);
        networks.probe().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_lease_ends_also_where_something_else_is_connected_to_its_network() {
    with_world(|_world, bench, networks| async move {
        let (worker, _) = worker(&bench, Some(networks.clone()));
        let record = won(&bench, &worker, "egress", "true").await;
        let record = take(
            &worker,
            record,
            &[Action::Do(StageName::Image), Action::Do(StageName::Container), Action::Do(StageName::Start)],
        )
        .await;
        // The owner looks into the lease's network with a container of their own.
        let (_, looking) = launch(&bench, &networks, 9, &Network::Egress).await;
        let name = gridlease_node::driver::container_name(&record.lease);
        run("docker", &["network", "connect", &name, &looking.0]);
        worker.wait(&record).await.unwrap();
        let ContainerState::Exited(exit) = worker.observe(&record).await.unwrap() else { panic!("it has ended") };
        let note = Action::Record(Note::Ended(Ended::from(&exit)));
        let record = take(&worker, record, &[note, Action::Do(StageName::Collect), Action::Do(StageName::Wipe)]).await;
        assert_eq!(record.phase, Phase::Done);
        assert!(!run("docker", &["network", "ls", "--format", "{{.Name}}"]).contains(&name));

        // One that cannot be removed at all keeps no lease from its end.
        let record = won(&bench, &worker, "egress", "true").await;
        let record = take(
            &worker,
            record,
            &[Action::Do(StageName::Image), Action::Do(StageName::Container), Action::Do(StageName::Start)],
        )
        .await;
        worker.wait(&record).await.unwrap();
        let ContainerState::Exited(exit) = worker.observe(&record).await.unwrap() else { panic!("it has ended") };
        let note = Action::Record(Note::Ended(Ended::from(&exit)));
        let record = take(&worker, record, &[note, Action::Do(StageName::Collect)]).await;
        // Somebody has made another one of its name, which is not the node's to remove.
        let name = gridlease_node::driver::container_name(&record.lease);
        run("docker", &["network", "rm", &name]);
        run("docker", &["network", "create", &name]);
        assert!(networks.disconnect(&record.lease).await.is_err());
        let record = take(&worker, record, &[Action::Do(StageName::Wipe)]).await;
        run("docker", &["network", "rm", &name]);
        assert_eq!(record.phase, Phase::Done);
    })
    .await;
}

/// A worker, as a node has it.
fn worker(bench: &Bench, networks: Option<Networks>) -> (Worker, Store) {
    let store = Store::open(&bench.state.database()).unwrap();
    let worker = Worker::new(
        WorkerConfig::new(bench.node),
        Arc::new(bench.driver.clone()),
        store.clone(),
        bench.state.clone(),
        LogHub::new(bench.state.clone(), LogLimits::default()),
        Fetcher::new(FetchPolicy::default()).unwrap(),
        Clock::system(),
    );
    (networks.into_iter().fold(worker, Worker::with_networks), store)
}

/// A lease that was won, with its manifest in place.
async fn won(bench: &Bench, worker: &Worker, network: &str, script: &str) -> LeaseRecord {
    let yaml = format!(
        "version: 1\nname: test\nimage: {}\ncommand: [\"/bin/sh\", \"-c\", \"{script}\"]\noutputs: [{{ path: /out }}]\n\
         resources: {{ cpu: 1, memory: 64MiB, disk: 64MiB }}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\nnetwork: {network}\n",
        bench.registry.image
    );
    let manifest = Manifest::from_yaml(&yaml, "job.yaml").unwrap();
    let (bytes, new) = support::won(&manifest);
    let record = worker.adopt(new).await.unwrap();
    worker.put_manifest(&record, bytes).await.unwrap();
    record
}

async fn take(worker: &Worker, mut record: LeaseRecord, actions: &[Action]) -> LeaseRecord {
    for action in actions {
        record = worker.take(&record, action).await.unwrap();
    }
    record
}

#[tokio::test]
async fn threat_05_a_job_with_egress_goes_from_award_to_wipe_and_reaches_the_internet() {
    with_world(|world, bench, networks| async move {
        let (worker, _) = worker(&bench, Some(networks));
        let script = format!(
            "busybox nc -w 2 www.example.com 80 </dev/null > /out/internet; busybox nc -w 2 {} 80 </dev/null > /out/lan; true",
            world.lan
        );
        let record = won(&bench, &worker, "egress", &script).await;
        let record = take(&worker, record, &[Action::Do(StageName::Image), Action::Do(StageName::Container), Action::Do(StageName::Start)]).await;
        worker.wait(&record).await.unwrap();
        let ContainerState::Exited(exit) = worker.observe(&record).await.unwrap() else { panic!("it has ended") };
        let note = Action::Record(Note::Ended(Ended::from(&exit)));
        let record = take(&worker, record, &[note, Action::Do(StageName::Collect)]).await;
        let out = bench.state.lease(&record.lease).output(0);
        assert_eq!(std::fs::read(out.join("internet")).unwrap(), b"hello\n");
        assert_eq!(std::fs::read(out.join("lan")).unwrap(), b"");
        let record = take(&worker, record, &[Action::Do(StageName::Wipe), Action::Do(StageName::Wipe)]).await;
        assert_eq!(record.phase, Phase::Done);
        let networks = run("docker", &["network", "ls", "--format", "{{.Name}}"]);
        assert!(!networks.contains(&gridlease_node::driver::container_name(&record.lease)), "{networks}");
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_lease_that_the_node_had_forgotten_is_fenced_before_it_goes_on() {
    with_world(|world, bench, networks| async move {
        let (worker, store) = worker(&bench, Some(networks));
        let won = won(&bench, &worker, "egress", "while true; do sleep 1; done").await;
        let record = take(
            &worker,
            won.clone(),
            &[Action::Do(StageName::Image), Action::Do(StageName::Container), Action::Do(StageName::Start)],
        )
        .await;
        let id = record.container.clone().unwrap();
        drop((worker, store));
        std::fs::remove_file(bench.state.database()).unwrap();
        // It starts anew without its memory: the lease has no way out, and then it is found on the chain again.
        let (worker, _) = self::worker(&bench, Some(world.networks(&bench)));
        worker.recover_networks().await.unwrap();
        assert!(!reaches(&id, world.internet, 80).await);
        let new = NewLease {
            lease: won.lease,
            job: won.job,
            attempt: 1,
            buyer: won.buyer,
            poster: won.poster,
            guardian: won.guardian,
            manifest_hash: won.manifest_hash,
            gpus: vec![],
            sold: won.sold.clone().unwrap(),
        };
        let record = worker.adopt(new).await.unwrap();
        take(&worker, record, &[Action::Record(Note::Started(1))]).await;
        assert!(reaches(&id, "www.example.com", 80).await && !reaches(&id, world.lan, 80).await);
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_fence_that_cannot_be_put_back_stops_the_leases_behind_it_and_no_others() {
    with_world(|_world, bench, networks| async move {
        let (worker, store) = worker(&bench, Some(networks.clone()));
        let forever = "while true; do sleep 1; done";
        let open = won(&bench, &worker, "egress", forever).await;
        let open = take(
            &worker,
            open,
            &[Action::Do(StageName::Image), Action::Do(StageName::Container), Action::Do(StageName::Start)],
        )
        .await;
        let shut = won(&bench, &worker, "none", forever).await;
        let shut = take(
            &worker,
            shut,
            &[Action::Do(StageName::Image), Action::Do(StageName::Container), Action::Do(StageName::Start)],
        )
        .await;
        let is_stopped = async |record: &LeaseRecord| worker.local(record, false, false).await.unwrap().operator_stop;
        assert!(!is_stopped(&open).await);
        // Another program takes the table for itself: the kernel lets nobody else touch it.
        let table = table(&bench);
        run("nft", &["delete", "table", "inet", &table]);
        let mut taker = std::process::Command::new("nft")
            .arg("-i")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = taker.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, format!("add table inet {table} {{ flags owner; }}\n").as_bytes())
            .unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        assert!(matches!(networks.check().await, Err(NetError::Firewall { .. })));
        assert!(networks.is_open() && is_stopped(&open).await && !is_stopped(&shut).await);
        // It lets go, and the next look makes it whole.
        drop(stdin);
        taker.wait().unwrap();
        networks.check().await.unwrap();
        assert!(!networks.is_open() && !is_stopped(&open).await);
        drop(store);
    })
    .await;
}

#[tokio::test]
async fn threat_05_a_node_that_gives_no_network_refuses_a_job_that_wants_one_before_anything_is_pulled() {
    with_bench(|bench| async {
        let (worker, _) = worker(&bench, None);
        let record = won(&bench, &worker, "{ allow: [hub.example] }", "true").await;
        let record = take(&worker, record, &[Action::Do(StageName::Image)]).await;
        assert!(matches!(&record.phase, Phase::Failed { reason } if reason.contains("network")), "{record:?}");
        bench
    })
    .await;
}
