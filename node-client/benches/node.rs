//! What the node adds to what a user would pick instead: `docker run` for a start, a web server for a download. Prints figures; asserts
//! nothing about speed. Needs Docker, busybox, curl, openssl, nginx and wrk (`apt-get install nginx-light wrk`).
//!
//! `cargo bench --profile dev --workspace --bench node [-- start | download | logs | fifty | proxy]`; for the last one `--profile release`
//! says more, because nginx is built so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends at what it did not expect"
)]
#![allow(clippy::print_stdout, reason = "its figures are what it is for")]

#[path = "../tests/api_bench/mod.rs"]
mod api_bench;
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "../tests/visitors/mod.rs"]
mod visitors;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gridlease_node::api::ApiLimits;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::lease::reconcile::Action;
use gridlease_node::logs::{LeaseLog, LogLimits};
use gridlease_node::outputs;
use gridlease_node::state_dir::StateDir;
use gridlease_sdk::artifact::Limits;
use gridlease_sdk::node_api::auth::empty_body_hash;
use reqwest::Method;
use support::played::Node;
use support::with_bench;
use visitors::Stage;

const STARTS: usize = 15;
const DOWNLOADS: usize = 5;
const FILE_BYTES: u64 = 256 << 20;
const LINES: i64 = 200_000;
const LEASES: usize = 50;

#[tokio::main]
async fn main() {
    // Cargo hands `--bench` to it, too.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if wants("start") {
        start().await;
    }
    if wants("download") {
        download().await;
    }
    if wants("logs") {
        logs().await;
    }
    if wants("fifty") {
        fifty().await;
    }
    if wants("proxy") {
        proxy().await;
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// From the manifest on the node to a running container, against `docker run -d` of the same image, which is on the machine.
async fn start() {
    with_bench(|bench| async {
        bench.pull().await.unwrap();
        let image = bench.registry.image.to_string();
        let (mut bare, mut node) = (Vec::new(), Vec::new());
        for round in 0..STARTS {
            let begin = Instant::now();
            let ran =
                Command::new("docker").args(["run", "-d", "--network", "none", &image, "/bin/sleep", "60"]).output();
            bare.push(begin.elapsed());
            let id = String::from_utf8(ran.unwrap().stdout).unwrap();
            assert!(Command::new("docker").args(["rm", "-f", id.trim()]).output().unwrap().status.success());

            let state = StateDir::open(&bench.state.root().join(format!("start-{round}"))).unwrap();
            let mut played = Node::with_job(&bench, &state, DiskKeeper::detect(&state), "64MiB", "exec sleep 60").await;
            let begin = Instant::now();
            played.until(|action| matches!(action, Action::Watch { .. })).await;
            node.push(begin.elapsed());
            played.chain.state = gridlease_node::lease::reconcile::ChainState::Ended;
            played.until(|action| *action == Action::Nothing).await;
        }
        let (bare, node) = (median(bare), median(node));
        println!("start: docker run {bare:?}, node {node:?}, ratio {:.2}", node.as_secs_f64() / bare.as_secs_f64());
        bench
    })
    .await;
}

/// The archive of the outputs by curl, against the same bytes by curl from nginx, both over TLS on loopback.
async fn download() {
    let bench = api_bench::Bench::start(ApiLimits::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = bench.directory.dir.output(0).join("weights");
    let random = format!("head -c {FILE_BYTES} /dev/urandom > {}", file.display());
    assert!(Command::new("sh").args(["-c", &random]).status().unwrap().success());
    outputs::collect(&bench.directory.dir, 1, &Limits::default()).unwrap();
    let web = Nginx::serving(folder.path(), &file);
    let (mut plain, mut node) = (Vec::new(), Vec::new());
    for _ in 0..DOWNLOADS {
        plain.push(fetch(&format!("https://127.0.0.1:{}/weights", web.port), &[]).await);
        let path = bench.lease("outputs.tar");
        let headers =
            bench.signed(&bench.buyer, &Method::GET, &path, empty_body_hash(), rand::random(), api_bench::key(1));
        let headers: Vec<String> = headers.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        node.push(fetch(&format!("https://{}{path}", bench.server.address()), &headers).await);
    }
    let rate = |time: Duration| FILE_BYTES as f64 / time.as_secs_f64() / 1e6;
    let (plain, node) = (rate(median(plain)), rate(median(node)));
    println!("download: nginx {plain:.0} MB/s, node {node:.0} MB/s, ratio {:.2}", node / plain);
}

async fn fetch(url: &str, headers: &[String]) -> Duration {
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-skf", "--http1.1", "-o", "/dev/null", url]);
    for header in headers {
        curl.args(["-H", header]);
    }
    let begin = Instant::now();
    assert!(curl.status().await.unwrap().success(), "{url}");
    begin.elapsed()
}

/// A web server with one file, gone with this value.
struct Nginx {
    port: u16,
    process: std::process::Child,
}

impl Nginx {
    /// Before another, over TLS.
    fn before(folder: &Path, upstream: &str) -> Self {
        Self::with(
            folder,
            "location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; }",
            upstream,
        )
    }

    fn serving(folder: &Path, file: &Path) -> Self {
        Self::with(folder, &format!("root {};", file.parent().unwrap().display()), "")
    }

    fn with(folder: &Path, server: &str, more: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (key, cert) = (folder.join("key.pem"), folder.join("cert.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
            .args([
                "-subj",
                "/CN=localhost",
                "-keyout",
                &key.display().to_string(),
                "-out",
                &cert.display().to_string(),
            ])
            .output();
        assert!(made.unwrap().status.success());
        let server = format!(
            "listen 127.0.0.1:{port} ssl; ssl_certificate {}; ssl_certificate_key {}; {server}",
            cert.display(),
            key.display()
        );
        let web = Self { port, process: nginx(folder, &server, more, &[]) };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        web
    }
}

/// Starts nginx with one server, by way of these words where it shall not run just here.
fn nginx(folder: &Path, server: &str, more: &str, by: &[&str]) -> std::process::Child {
    let at = folder.display();
    let config = format!(
        "daemon off; master_process off; user root; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log off; sendfile on; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;\n\
         uwsgi_temp_path {at}/u; scgi_temp_path {at}/s; keepalive_requests 1000000; {more}\n\
         server {{ {server} }} }}\n",
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut words = by.to_vec();
    let (prefix, file) = (at.to_string(), folder.join("nginx.conf").display().to_string());
    words.extend(["nginx", "-p", &prefix, "-c", &file]);
    Command::new(words[0]).args(&words[1..]).spawn().expect("nginx-light is installed")
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A log of many lines: written, and read over the interface.
async fn logs() {
    let bench = api_bench::Bench::start(ApiLimits::default()).await;
    let log = std::sync::Arc::new(LeaseLog::open(&bench.directory.dir.log(), LogLimits::default()).unwrap());
    let begin = Instant::now();
    {
        let mut writer = log.writer().await;
        writer.begin();
        let pieces: Vec<_> = (0..LINES).map(api_bench::piece).collect();
        pieces.chunks(256).for_each(|some| assert!(writer.append(some).unwrap()));
        writer.close().unwrap();
    }
    let written = begin.elapsed();
    *bench.directory.log.lock().unwrap() = Some(log);
    let begin = Instant::now();
    let text = bench.get(&bench.lease("logs")).await.text().await.unwrap();
    let read = begin.elapsed();
    assert_eq!(text.lines().count() as i64, LINES);
    let rate = |time: Duration| LINES as f64 / time.as_secs_f64();
    println!("logs: {:.0} lines/s written and chained, {:.0} lines/s read", rate(written), rate(read));
}

/// Many leases at once, each from its manifest to its end.
async fn fifty() {
    with_bench(|bench| async {
        bench.pull().await.unwrap();
        let mut nodes = Vec::new();
        for lease in 0..LEASES {
            let state = StateDir::open(&bench.state.root().join(format!("lease-{lease}"))).unwrap();
            nodes.push(Node::with_job(&bench, &state, DiskKeeper::detect(&state), "32MiB", "echo one of fifty").await);
        }
        let begin = Instant::now();
        let each = futures_util::future::join_all(nodes.iter_mut().map(|node| async move {
            let begin = Instant::now();
            let record = node.finish().await;
            assert_eq!(record.ended.unwrap().code, 0);
            begin.elapsed()
        }));
        let each = each.await;
        println!(
            "fifty: {LEASES} leases from manifest to end in {:?}, median of one {:?}",
            begin.elapsed(),
            median(each)
        );
        bench
    })
    .await;
}

/// Visits to a public port of a container in which nginx serves a page, against nginx before the same nginx: requests a second, and
/// the time within which 99 of 100 are answered. Both over TLS and kept connections, on loopback.
async fn proxy() {
    with_bench(|bench| async {
        let stage = Stage::start(bench, "ports: [{ container: 80, public: open }]\n", "sleep 600").await;
        let folders: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let page = folders[0].path().join("page");
        std::fs::write(&page, "x".repeat(1_024)).unwrap();
        let served = format!("root {};", folders[0].path().display());
        let process = stage.process().await.to_string();
        let inside = ["nsenter", "-t", &process, "-n"];
        let inner = nginx(folders[1].path(), &format!("listen 127.0.0.1:80; {served}"), "", &inside);
        let inner = Nginx { port: 80, process: inner };
        let behind = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let outer = nginx(folders[2].path(), &format!("listen 127.0.0.1:{behind}; {served}"), "", &[]);
        let outer = Nginx { port: behind, process: outer };
        let upstream = format!("upstream u {{ server 127.0.0.1:{behind}; keepalive 64; }}");
        let front = Nginx::before(folders[0].path(), &upstream);
        let urls = [format!("https://127.0.0.1:{}/page", front.port), format!("{}page", stage.url("80"))];
        let mut told = Vec::new();
        for url in &urls {
            while fetch_status(url).await != "200" {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            load(url).await;
            told.push(load(url).await);
        }
        drop((inner, outer, front));
        let [(plain, plain_p99), (node, node_p99)] = told.try_into().unwrap();
        println!(
            "proxy: nginx {plain:.0} requests/s, p99 {plain_p99:.2} ms; node {node:.0} requests/s, p99 {node_p99:.2} ms; ratios {:.2}, {:.2}",
            node / plain,
            node_p99 / plain_p99
        );
        stage.stop().await
    })
    .await;
}

async fn fetch_status(url: &str) -> String {
    let mut curl = tokio::process::Command::new("curl");
    let told = curl.args(["-sko", "/dev/null", "-w", "%{http_code}", url]).output().await.unwrap();
    String::from_utf8(told.stdout).unwrap()
}

/// Requests a second, and the 99th percentile of their times in milliseconds.
async fn load(url: &str) -> (f64, f64) {
    let mut wrk = tokio::process::Command::new("wrk");
    let told = wrk.args(["-t1", "-c32", "-d8s", "--latency", url]).output().await.expect("wrk is installed");
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}");
    let after = |word: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(word)).unwrap_or_else(|| panic!("{text}")).trim()
    };
    let time = after("99%");
    let split = time.find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let scale = match &time[split..] {
        "us" => 1e-3,
        "ms" => 1.0,
        _ => 1e3,
    };
    (after("Requests/sec:").parse().unwrap(), time[..split].parse::<f64>().unwrap() * scale)
}
