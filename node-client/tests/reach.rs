//! Ports and programs of running leases, reached by the buyer's own client through the node's interface, on the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gridlease_node::api::{ApiLimits, ApiServer, LeaseDirectory};
use gridlease_node::clock::Clock;
use gridlease_node::driver::{ContainerSpec, ContainerState, Driver as _};
use gridlease_node::lease::reconcile::{ChainLease, ChainState, Probes};
use gridlease_node::sold::Sold;
use gridlease_node::store::{LeaseRecord, NewLease, Phase};
use gridlease_node::tls::Identity;
use gridlease_sdk::node_api::auth::{SignedRequest, empty_body_hash, sign};
use gridlease_sdk::node_api::client::{ExecEvent, ExecInput, ExecOutput, NodeApi, NodeError, PortTunnel};
use gridlease_sdk::node_api::reach::{AttachStart, ExecStart, TerminalSize};
use gridlease_sdk::node_api::tls::pinned_client_config;
use gridlease_sdk::node_api::{LogStream, codes, paths};
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use support::node::Node;
use support::{Bench, manifest, with_bench};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;

/// A server that has everything at /tmp, on localhost only, at a low port, and one that echoes.
const SERVER: &str = "cd /tmp; echo hello > index.html; /bin/busybox httpd -f -p 127.0.0.1:80 -h /tmp & \
     /bin/busybox nc -ll -p 9000 -e /bin/cat & echo up; while true; do sleep 1; done";

/// A node with one lease whose container runs, its interface, and who may ask.
struct Stage {
    bench: Bench,
    node: Node,
    api: ApiServer,
    identity: Identity,
    record: LeaseRecord,
    buyer: Arc<Keypair>,
    poster: Arc<Keypair>,
    guardian: Arc<Keypair>,
}

impl Stage {
    /// Runs `script` with these ports in the manifest.
    async fn start(bench: Bench, ports: &str, script: &str) -> Self {
        Self::at(bench, ports, script, Phase::ReadyPosted).await
    }

    async fn at(bench: Bench, ports: &str, script: &str, phase: Phase) -> Self {
        let spec = bench.spec(1, script);
        Self::of(bench, ports, spec, phase).await
    }

    async fn of(bench: Bench, ports: &str, spec: ContainerSpec, phase: Phase) -> Self {
        let node = Node::start(&bench);
        let keys: [Arc<Keypair>; 3] = std::array::from_fn(|_| Arc::new(Keypair::new()));
        let [buyer, poster, guardian] = keys;
        std::fs::write(bench.lease_dir(&spec).manifest(), manifest(ports)).unwrap();
        let id = bench.launch(&spec).await;
        let new = NewLease {
            lease: spec.lease,
            job: spec.job,
            attempt: 1,
            buyer: buyer.pubkey(),
            poster: poster.pubkey(),
            guardian: guardian.pubkey(),
            manifest_hash: [0; 32],
            gpus: vec![],
            sold: Sold::default(),
        };
        node.store.insert(new, 0).unwrap();
        let record = node
            .store
            .update(&spec.lease, |record| {
                record.container = Some(id);
                record.started_at_ms = Some(1);
                record.reach(phase);
                Ok(())
            })
            .unwrap();
        let identity = Identity::load_or_create(&bench.state).unwrap();
        let (address, directory): (SocketAddr, Arc<dyn LeaseDirectory>) =
            ("127.0.0.1:0".parse().unwrap(), node.board.clone());
        let limits = ApiLimits::default();
        let api =
            ApiServer::start(address, &bench.state, &identity, bench.node, directory, limits, Clock::system()).unwrap();
        let stage = Self { bench, node, api, identity, record, buyer, poster, guardian };
        stage.show().await;
        stage
    }

    /// As the main loop shows it.
    async fn show(&self) {
        let chain =
            ChainLease { state: ChainState::Running, start_deadline: 0, want_deadline: 0, runway_end: 0, seen_at: 0 };
        let container = self.node.worker.observe(&self.record).await.unwrap();
        self.node.board.show(&self.record, &container, &chain).await;
    }

    fn client(&self, key: &Arc<Keypair>) -> NodeApi {
        let endpoint = format!("https://{}", self.api.address());
        NodeApi::new(&endpoint, self.identity.fingerprint(), self.bench.node, Arc::clone(key) as _).unwrap()
    }

    fn lease(&self) -> Pubkey {
        self.record.lease
    }

    /// A connection to a port, once its server is up.
    async fn port(&self, client: &NodeApi, port: u16) -> (DuplexStream, JoinHandle<Result<(), NodeError>>) {
        let begun = Instant::now();
        loop {
            match client.open_port(&self.lease(), port).await {
                Ok(tunnel) => return carried(tunnel),
                Err(NodeError::Refused { detail, .. })
                    if [codes::NOT_LISTENING, codes::BUSY].contains(&detail.code.as_str())
                        && begun.elapsed() < Duration::from_secs(10) =>
                {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn stop(self) -> Bench {
        self.api.shutdown(Duration::from_millis(100)).await;
        self.bench
    }
}

fn carried(tunnel: PortTunnel) -> (DuplexStream, JoinHandle<Result<(), NodeError>>) {
    let (near, far) = duplex(64 * 1024);
    (near, tokio::spawn(tunnel.carry(far)))
}

const PORTS: &str = "ports: [{ container: 80 }, { container: 9000 }]\n";

async fn get(stream: &mut DuplexStream, path: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn code(error: &NodeError) -> (u16, &str) {
    match error {
        NodeError::Refused { status, detail } => (*status, &detail.code),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_localhost_without_any_network_is_reached_by_forty_connections_at_once() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, SERVER).await;
        let client = stage.client(&stage.buyer);
        drop(stage.port(&client, 80).await);
        let asked = (0..40).map(|_| async {
            let (mut near, carried) = stage.port(&client, 80).await;
            let answer = get(&mut near, "/index.html").await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello\n"), "{answer}");
            drop(near);
            carried.await.unwrap().unwrap();
        });
        futures_util::future::join_all(asked).await;
        // A thread that stayed in the container's network would be one of this process.
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        for thread in std::fs::read_dir("/proc/self/task").unwrap() {
            // One that has just ended has no namespace any more.
            if let Ok(network) = std::fs::read_link(thread.unwrap().path().join("ns/net")) {
                assert_eq!(network, own);
            }
        }
        drop(client);
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_listens_on_the_other_localhost_only_is_reached_too() {
    with_bench(|bench| async {
        let script = "cd /tmp; echo six > index.html; /bin/busybox httpd -f -p '[::1]:80' -h /tmp";
        let stage = Stage::start(bench, PORTS, script).await;
        let (mut near, _carried) = stage.port(&stage.client(&stage.buyer), 80).await;
        let answer = get(&mut near, "/index.html").await;
        assert!(answer.ends_with("six\n"), "{answer}");
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_go_through_a_port_and_come_back_as_they_were() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, SERVER).await;
        let client = stage.client(&stage.poster);
        let (near, carried) = stage.port(&client, 9_000).await;
        let (mut read, mut write) = tokio::io::split(near);
        let sent = tokio::spawn(async move {
            let (mut hash, mut piece) = (Sha256::new(), vec![0u8; 100_000]);
            for number in 0u64..1_000 {
                piece[..8].copy_from_slice(&number.to_le_bytes());
                hash.update(&piece);
                write.write_all(&piece).await.unwrap();
            }
            // The end of what is sent is told, and what is on its way back still comes.
            write.shutdown().await.unwrap();
            hash.finalize()
        });
        let (mut hash, mut piece, mut bytes) = (Sha256::new(), vec![0u8; 65_536], 0);
        loop {
            let count = read.read(&mut piece).await.unwrap();
            if count == 0 {
                break;
            }
            bytes += count;
            hash.update(&piece[..count]);
        }
        assert_eq!(bytes, 100_000_000);
        assert_eq!(hash.finalize(), sent.await.unwrap());
        carried.await.unwrap().unwrap();
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_only_named_ports_of_ones_own_lease_are_reached_and_by_the_buyer_and_its_spender_only() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "ports: [{ container: 80 }, { container: 81 }]\n", SERVER).await;
        let (lease, client) = (stage.lease(), stage.client(&stage.buyer));
        drop(stage.port(&client, 80).await);
        let refused = |client: NodeApi, lease: Pubkey, port: u16| async move {
            let error = client.open_port(&lease, port).await.unwrap_err();
            let (status, code) = code(&error);
            (status, code.to_owned())
        };
        let told = |status, code: &str| (status, code.to_owned());
        // It listens, and is not named.
        assert_eq!(refused(client.clone(), lease, 9_000).await, told(404, codes::NOT_FOUND));
        // It is named, and nothing listens.
        assert_eq!(refused(client.clone(), lease, 81).await, told(502, codes::NOT_LISTENING));
        let stranger = stage.client(&Arc::new(Keypair::new()));
        assert_eq!(refused(stranger.clone(), lease, 80).await, told(403, codes::NOT_YOUR_LEASE));
        let guardian = stage.client(&stage.guardian);
        assert_eq!(refused(guardian.clone(), lease, 80).await, told(403, codes::NOT_YOURS_TO_REACH));
        let other = Pubkey::new_from_array([7; 32]);
        assert_eq!(refused(client.clone(), other, 80).await, told(404, codes::NOT_KNOWN_YET));
        for client in [stranger, guardian] {
            let error = client.exec(&lease, &program(&["id"])).await.unwrap_err();
            assert_eq!(code(&error).0, 403);
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_13_a_handshake_is_taken_once_and_a_request_without_one_is_told_what_is_missing() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, SERVER).await;
        drop(stage.port(&stage.client(&stage.buyer), 80).await);
        let config = pinned_client_config(stage.identity.fingerprint()).unwrap();
        let http =
            reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().http1_only().build().unwrap();
        let path = paths::port(&stage.lease(), 80);
        let ask = |path: &str, nonce: [u8; 16], upgrade: bool| {
            let provider = stage.bench.node;
            let request = SignedRequest {
                method: "GET",
                path_and_query: path,
                body_sha256: empty_body_hash(),
                provider: &provider,
            };
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let mut asked = http.get(format!("https://{}{path}", stage.api.address()));
            for (name, value) in sign(&*stage.buyer, &request, now, nonce).unwrap().pairs() {
                asked = asked.header(name, value);
            }
            if upgrade {
                asked = asked.header("connection", "upgrade").header("upgrade", "websocket");
                asked =
                    asked.header("sec-websocket-version", "13").header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
            }
            asked.send()
        };
        assert_eq!(ask(&path, [1; 16], true).await.unwrap().status(), 101);
        let again = ask(&path, [1; 16], true).await.unwrap();
        assert_eq!(again.status(), 401);
        assert!(again.text().await.unwrap().contains(codes::REPLAYED));
        let plain = ask(&path, [2; 16], false).await.unwrap();
        assert_eq!(plain.status(), 426);
        assert!(plain.text().await.unwrap().contains(codes::UPGRADE_REQUIRED));
        for (number, strange) in ["0", "080", "65616", "+80", "8e1", "80%2f..", "%00"].into_iter().enumerate() {
            let path = format!("/v1/leases/{}/ports/{strange}", stage.lease());
            let nonce = [10 + u8::try_from(number).unwrap(); 16];
            assert_eq!(ask(&path, nonce, true).await.unwrap().status(), 404, "{strange}");
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixty_fifth_connection_is_refused_in_words_and_a_place_is_free_again_afterwards() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, SERVER).await;
        let client = stage.client(&stage.buyer);
        let mut open = vec![stage.port(&client, 80).await];
        while open.len() < 64 {
            open.push(carried(client.open_port(&stage.lease(), 80).await.unwrap()));
        }
        let error = client.open_port(&stage.lease(), 80).await.unwrap_err();
        assert_eq!(code(&error), (429, codes::BUSY));
        assert!(error.to_string().contains("64 connections"), "{error}");
        drop(open.pop());
        stage.port(&client, 80).await;
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_container_and_says_so() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, PORTS, SERVER).await;
        let client = stage.client(&stage.buyer);
        let (mut near, carried) = stage.port(&client, 9_000).await;
        near.write_all(b"to and fro").await.unwrap();
        let mut back = [0; 10];
        near.read_exact(&mut back).await.unwrap();
        let id = stage.record.container.clone().unwrap();
        stage.bench.driver.stop(&id, Duration::ZERO).await.unwrap();
        let error = tokio::time::timeout(Duration::from_secs(10), carried).await.unwrap().unwrap().unwrap_err();
        assert!(error.is_container_ended(), "{error}");
        assert!(error.to_string().contains("container has ended"), "{error}");
        // What the main loop has not seen yet, the engine knows.
        for _ in 0..2 {
            let refused = client.open_port(&stage.lease(), 80).await.unwrap_err();
            assert_eq!(code(&refused), (409, codes::CONTAINER_ENDED));
            stage.show().await;
        }
        let refused = client.exec(&stage.lease(), &program(&["id"])).await.unwrap_err();
        assert_eq!(code(&refused), (409, codes::CONTAINER_ENDED));
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_reached_before_the_meter_runs() {
    with_bench(|bench| async {
        let stage = Stage::at(bench, PORTS, SERVER, Phase::Started).await;
        let client = stage.client(&stage.buyer);
        let refused = client.open_port(&stage.lease(), 80).await.unwrap_err();
        assert_eq!(code(&refused), (409, codes::WRONG_STATE));
        let refused = client.exec(&stage.lease(), &program(&["id"])).await.unwrap_err();
        assert_eq!(code(&refused), (409, codes::WRONG_STATE));
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_its_probe_and_its_buyer_is_told_what_came_instead_of_an_answer() {
    with_bench(|bench| async {
        let script = "cd /tmp; sleep 2; /bin/busybox httpd -p 127.0.0.1:80 -h /tmp; sleep 2; echo up > ready; \
             while true; do sleep 1; done";
        let ports = "ports: [{ container: 80, probe: { http: /ready } }, { container: 9000 }]\n";
        let stage = Stage::at(bench, ports, script, Phase::Started).await;
        let (mut told, begun) = (Vec::new(), Instant::now());
        let record = || stage.node.store.get(&stage.lease()).unwrap().unwrap();
        while stage.node.worker.local(&record(), false, false).await.unwrap().probes != Probes::Right {
            let message = record().message;
            if !message.is_empty() && told.last() != Some(&message) {
                told.push(message);
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{told:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(
            told,
            [
                "waiting for the job to become ready: port 80 of the container cannot be reached: nothing listens there",
                "waiting for the job to become ready: GET /ready on port 80 was answered with status 404",
            ]
        );
        let message = stage.node.store.get(&stage.lease()).unwrap().unwrap().message;
        assert!(message.is_empty(), "{message}");
        stage.stop().await
    })
    .await;
}

fn program(words: &[&str]) -> ExecStart {
    ExecStart { command: words.iter().map(|&word| word.to_owned()).collect(), tty: false, stdin: false, size: None }
}

fn shell(script: &str) -> ExecStart {
    program(&["sh", "-c", script])
}

/// What a program writes on each stream, and its exit code.
async fn to_the_end(mut output: ExecOutput) -> (String, String, i64) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    loop {
        match output.next().await.unwrap() {
            ExecEvent::Output(LogStream::Stdout, bytes) => out.extend_from_slice(&bytes),
            ExecEvent::Output(LogStream::Stderr, bytes) => err.extend_from_slice(&bytes),
            ExecEvent::Attached { .. } => {}
            ExecEvent::Exit(code) => {
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
                return (text(out), text(err), code);
            }
        }
    }
}

/// Reads until this text came.
async fn until(output: &mut ExecOutput, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        let next = tokio::time::timeout(Duration::from_secs(10), output.next());
        match next.await.unwrap_or_else(|_| panic!("{text:?} did not come: {seen:?}")).unwrap() {
            ExecEvent::Output(_, bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            ExecEvent::Exit(code) => panic!("it ended with {code}: {seen:?}"),
            ExecEvent::Attached { .. } => {}
        }
    }
    seen
}

const IDLE: &str = "echo $$ > /tmp/first; while true; do sleep 1; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_program_runs_as_the_containers_user_with_its_environment_and_tells_its_exit_code() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "", IDLE).await;
        let (lease, client) = (stage.lease(), stage.client(&stage.buyer));
        let run = async |start: ExecStart| to_the_end(client.exec(&lease, &start).await.unwrap().1).await;
        let (out, err, code) = run(shell("echo $GREETING; echo trouble >&2; exit 7")).await;
        assert_eq!((out.as_str(), err.as_str(), code), ("hello\n", "trouble\n", 7));
        assert_eq!(run(program(&["id", "-u"])).await.0, run(shell("id -u < /tmp/first")).await.0);
        // Nothing of it has more rights than the container's own program.
        let rights = run(shell("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status")).await.0;
        let first = run(shell("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/1/status")).await.0;
        assert_eq!(rights, first);
        assert!(rights.contains("CapEff:\t0000000000000000") && rights.contains("NoNewPrivs:\t1"), "{rights}");
        assert_eq!(run(shell("kill -9 $$")).await.2, 137);
        assert_eq!(run(program(&["cat"])).await, (String::new(), String::new(), 0), "no input is at its end");
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_told_in_words_that_are_not_the_engines() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "", IDLE).await;
        let client = stage.client(&stage.buyer);
        for words in [&["no-such-program"][..], &["/tmp/first"], &["/tmp"]] {
            let (_input, mut output) = client.exec(&stage.lease(), &program(words)).await.unwrap();
            match output.next().await.unwrap_err() {
                NodeError::NotStarted { exit_code, reason } => {
                    assert!([126, 127].contains(&exit_code), "{exit_code}");
                    assert!(!reason.contains("OCI") && reason.contains("no shell is added"), "{reason}");
                }
                other => panic!("{other}"),
            }
        }
        // A shell's own word for it is a program's output like any other.
        let (_input, output) = client.exec(&stage.lease(), &shell("no-such-program")).await.unwrap();
        let (_, err, code) = to_the_end(output).await;
        assert!(code == 127 && err.contains("not found"), "{code} {err}");
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_piped_into_a_program_arrives_whole_and_ends() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "", IDLE).await;
        let client = stage.client(&stage.buyer);
        let start = ExecStart { stdin: true, ..shell("/bin/busybox sha256sum; echo done") };
        let (mut input, output) = client.exec(&stage.lease(), &start).await.unwrap();
        let data: Vec<u8> = (0u32..2_000_000).flat_map(u32::to_le_bytes).collect();
        let hash = hex::encode(Sha256::digest(&data));
        let fed = tokio::spawn(async move {
            input.send(Bytes::from(data)).await.unwrap();
            input.end().await.unwrap();
            input
        });
        let (out, _, code) = to_the_end(output).await;
        assert_eq!((out, code), (format!("{hash}  -\ndone\n"), 0));
        drop(fed.await.unwrap());
        stage.stop().await
    })
    .await;
}

async fn terminal(stage: &Stage, command: &[&str]) -> (ExecInput, ExecOutput) {
    let size = Some(TerminalSize { columns: 91, rows: 31 });
    let start = ExecStart { tty: true, stdin: true, size, ..program(command) };
    stage.client(&stage.buyer).exec(&stage.lease(), &start).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_one_follows_its_size_and_hands_ctrl_c_to_its_program() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "", IDLE).await;
        let (mut input, mut output) = terminal(&stage, &["sh"]).await;
        input.send(Bytes::from_static(b"/bin/busybox tty; /bin/busybox stty size\n")).await.unwrap();
        let seen = until(&mut output, "31 91\r\n").await;
        assert!(seen.contains("/dev/"), "{seen}");
        input.resize(TerminalSize { columns: 120, rows: 40 }).await.unwrap();
        input.send(Bytes::from_static(b"/bin/busybox stty size\n")).await.unwrap();
        until(&mut output, "40 120\r\n").await;
        // Bytes that an engine's framing begins with are a terminal's like any others.
        input
            .send(Bytes::from_static(b"printf '\\001\\000\\000\\000\\377\\377\\377\\377'; echo all'right'\n"))
            .await
            .unwrap();
        until(&mut output, "allright\r\n").await;
        input.send(Bytes::from_static(b"sleep 1000; echo interrupted $?\n")).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        input.send(Bytes::from_static(b"\x03")).await.unwrap();
        // A shell that is interrupted drops its line.
        input.send(Bytes::from_static(b"exit 5\n")).await.unwrap();
        let (_, _, code) = to_the_end(output).await;
        assert_eq!(code, 5);
        stage.stop().await
    })
    .await;
}

/// How many processes of the container have this word in their command.
async fn running(stage: &Stage, word: &str) -> String {
    let count =
        format!("grep -l {word} /proc/[0-9]*/cmdline 2>/dev/null | grep -v -e /$$/ -e self | /bin/busybox wc -l");
    // The question itself has the word in its shell and in its grep.
    let start = ExecStart { command: vec!["sh".to_owned(), "-c".to_owned(), count], ..program(&[]) };
    to_the_end(stage.client(&stage.poster).exec(&stage.lease(), &start).await.unwrap().1).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_ends_the_program_that_it_was_for_and_nothing_else() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "", IDLE).await;
        let before = running(&stage, "12345").await;
        // One that ignores a hangup, and what it started.
        let stubborn = shell("trap '' HUP; sleep 12345 & echo up; while true; do sleep 1; done");
        let (input, mut output) = stage.client(&stage.buyer).exec(&stage.lease(), &stubborn).await.unwrap();
        until(&mut output, "up").await;
        assert_ne!(running(&stage, "12345").await, before);
        drop((input, output));
        let begun = Instant::now();
        while running(&stage, "12345").await != before {
            assert!(begun.elapsed() < Duration::from_secs(20), "it still runs");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let state = stage.node.worker.observe(&stage.record).await.unwrap();
        assert!(matches!(state, ContainerState::Running { .. }));
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_programs_run_at_a_time_and_the_ninth_is_refused_in_words() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "", IDLE).await;
        let client = stage.client(&stage.buyer);
        let mut open = Vec::new();
        for _ in 0..8 {
            let (input, mut output) = client.exec(&stage.lease(), &shell("echo up; sleep 1000")).await.unwrap();
            until(&mut output, "up").await;
            open.push((input, output));
        }
        let error = client.exec(&stage.lease(), &program(&["id"])).await.unwrap_err();
        assert_eq!(code(&error), (429, codes::BUSY));
        assert!(error.to_string().contains("8 programs"), "{error}");
        drop(open.pop());
        let begun = Instant::now();
        while let Err(error) = client.exec(&stage.lease(), &program(&["id"])).await {
            assert!(begun.elapsed() < Duration::from_secs(10), "{error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stage.stop().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_ends_with_its_container_and_its_client_is_told() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "", IDLE).await;
        let client = stage.client(&stage.buyer);
        let (_input, mut output) = client.exec(&stage.lease(), &shell("echo up; sleep 1000")).await.unwrap();
        until(&mut output, "up").await;
        let id = stage.record.container.clone().unwrap();
        stage.bench.driver.stop(&id, Duration::ZERO).await.unwrap();
        match output.next().await {
            Ok(ExecEvent::Exit(137)) => {}
            Err(error) => assert!(error.is_container_ended(), "{error}"),
            other => panic!("{other:?}"),
        }
        stage.stop().await
    })
    .await;
}

/// What an attached program writes, until this stands in it.
async fn shown(output: &mut ExecOutput, what: &str) -> String {
    let mut seen = String::new();
    let shown = async {
        while !seen.contains(what) {
            if let ExecEvent::Output(_, bytes) = output.next().await.unwrap() {
                seen.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), shown).await.unwrap_or_else(|_| panic!("{what} is not shown"));
    seen
}

#[tokio::test]
async fn who_attaches_types_into_the_job_s_own_program_whose_log_has_all_of_it_and_lets_go_of_it_unharmed() {
    with_bench(|bench| async {
        let script = "echo begun; while read line; do echo got $line; [ $line = end ] && exit 5; done; echo closed";
        let spec = ContainerSpec { stdin: true, ..bench.spec(1, script) };
        let stage = Stage::of(bench, "stdin: true\n", spec, Phase::ReadyPosted).await;
        let client = stage.client(&stage.buyer);
        for line in ["one", "two"] {
            let (mut input, mut output) = client.attach(&stage.lease(), &AttachStart::default()).await.unwrap();
            assert_eq!(output.next().await.unwrap(), ExecEvent::Attached { stdin: true, tty: false });
            input.send(Bytes::from(format!("{line}\n"))).await.unwrap();
            assert_eq!(shown(&mut output, "\n").await, format!("got {line}\n"));
            // The end of what one of them has is not the program's.
            input.end().await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let guardian = stage.client(&stage.guardian).attach(&stage.lease(), &AttachStart::default()).await;
        assert_eq!(code(&guardian.err().unwrap()), (403, codes::NOT_YOURS_TO_REACH));
        let (mut input, mut output) = client.attach(&stage.lease(), &AttachStart::default()).await.unwrap();
        let (_, mut other) = client.attach(&stage.lease(), &AttachStart::default()).await.unwrap();
        for output in [&mut output, &mut other] {
            assert_eq!(output.next().await.unwrap(), ExecEvent::Attached { stdin: true, tty: false });
        }
        input.send(Bytes::from_static(b"end\n")).await.unwrap();
        shown(&mut output, "got end").await;
        shown(&mut other, "got end").await;
        assert_eq!(output.next().await.unwrap(), ExecEvent::Exit(5));
        stage.node.worker.follow_log(&stage.record).await.unwrap();
        let log = std::fs::read_to_string(stage.bench.state.lease(&stage.lease()).log()).unwrap();
        for line in ["begun", "got one", "got two", "got end"] {
            assert_eq!(log.matches(&format!("\"{line}\"")).count(), 1, "{log}");
        }
        assert!(!log.contains("closed"), "{log}");
        stage.stop().await
    })
    .await;
}

#[tokio::test]
async fn an_attached_terminal_is_one_follows_its_size_and_its_log_is_in_lines() {
    with_bench(|bench| async {
        let script = "printf 'name? '; read name; echo hello $name; while true; do stty size; sleep 0.2; done";
        let spec = ContainerSpec { stdin: true, tty: true, ..bench.spec(1, script) };
        let stage = Stage::of(bench, "stdin: true\ntty: true\n", spec, Phase::ReadyPosted).await;
        let client = stage.client(&stage.buyer);
        let start = AttachStart { size: Some(TerminalSize { columns: 90, rows: 20 }) };
        let (mut input, mut output) = client.attach(&stage.lease(), &start).await.unwrap();
        assert_eq!(output.next().await.unwrap(), ExecEvent::Attached { stdin: true, tty: true });
        input.send(Bytes::from_static(b"you\r")).await.unwrap();
        shown(&mut output, "hello you\r\n").await;
        shown(&mut output, "20 90\r\n").await;
        input.resize(TerminalSize { columns: 132, rows: 43 }).await.unwrap();
        shown(&mut output, "43 132\r\n").await;
        // Ctrl-C is the program's.
        input.send(Bytes::from_static(b"\x03")).await.unwrap();
        let ended = async {
            loop {
                match output.next().await.unwrap() {
                    ExecEvent::Exit(code) => return code,
                    ExecEvent::Output(..) | ExecEvent::Attached { .. } => {}
                }
            }
        };
        let code = tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap();
        assert_eq!(code, 130);
        stage.node.worker.follow_log(&stage.record).await.unwrap();
        let log = std::fs::read_to_string(stage.bench.state.lease(&stage.lease()).log()).unwrap();
        assert!(log.contains("\"hello you\"") && log.contains("\"43 132\""), "{log}");
        stage.stop().await
    })
    .await;
}
