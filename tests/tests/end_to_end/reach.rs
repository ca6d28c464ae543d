//! A job that runs is reached by its buyer, as its user does it: with the built program.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use gridlease_cli::buyer::JobEvent;
use gridlease_cli::steps;
use gridlease_core::job::EndReason;
use gridlease_demo::process::gridlease_binary;
use gridlease_demo::wallet::write_key;
use solana_pubkey::Pubkey;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::world::{World, alone, world};

/// A web server on localhost only, at a low port, that is up some seconds after the container.
const SERVICE: &str = "echo begun; sleep 4; mkdir /tmp/www; echo hello from inside > /tmp/www/index.html; \
     httpd -p 127.0.0.1:80 -h /tmp/www; echo listening; while true; do sleep 1; done";
const PORTS: &str = "ports: [{ container: 80, probe: { http: /index.html } }]\n";

/// The program as the buyer runs it.
pub fn gridlease(world: &World, args: &[&str]) -> Command {
    let file: PathBuf = world.market.dir().join("buyer-key.json");
    if !file.exists() {
        write_key(&file, &world.market.buyer).unwrap();
    }
    let mut command = Command::new(gridlease_binary().unwrap());
    command
        .args(["--url", world.market.localnet.rpc_url(), "--ws", world.market.localnet.ws_url()])
        .arg("--keypair")
        .arg(file)
        .arg("--state-dir")
        .arg(world.market.dir().join("buyer"))
        .args(args);
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it to its end, with this as its input.
pub async fn run(mut command: Command, input: &str) -> Output {
    let input = input.to_owned();
    tokio::task::spawn_blocking(move || {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap()
}

async fn get(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    text(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_reaches_a_web_service_by_port_forward_and_a_shell_by_exec() {
    let Some(world) = world(alone("solo")).await else { return };
    let job = world.post_asking(SERVICE, "10m", PORTS).await;
    let id = job.to_string();
    // Right after the posting: it waits until the job runs, and says so.
    let mut forward = tokio::process::Command::from(gridlease(&world, &["job", "port-forward", &id, "0:80"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let early = run(gridlease(&world, &["job", "exec", "--wait", "1s", &id, "--", "/busybox", "true"]), "").await;
    assert!(text(&early.stderr).contains("cannot be reached yet: "), "{early:?}");
    let mut story = world.follow(job);
    let begun = Instant::now();
    story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await;
    // The meter starts when the service is up, and not before.
    let listening = |event: &JobEvent| matches!(event, JobEvent::LogLine { line, .. } if line == "listening");
    story.until_told("the service", listening).await;
    assert!(begun.elapsed() > Duration::from_secs(4));
    let told = story.count(|event| {
        matches!(event, JobEvent::NodeStatus { message, .. } if message.contains("waiting for the job to become ready"))
    });
    assert!(told > 0, "{:#?}", story.told);

    let mut lines = BufReader::new(forward.stdout.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.contains(" leads to port 80 of job "), "{line}");
    let port: u16 = line.split([':', ' ']).nth(1).unwrap().parse().unwrap();
    // As many as a browser opens at once.
    for answer in futures_util::future::join_all((0..20).map(|_| get(port))).await {
        assert!(answer.contains("200 OK") && answer.ends_with("hello from inside\n"), "{answer}");
    }

    let exec = |args: &[&str]| gridlease(&world, &[&["job", "exec", &id], args].concat());
    let ran = run(exec(&["--", "/busybox", "sh", "-c", "id -u; echo trouble >&2; exit 5"]), "").await;
    assert_eq!((text(&ran.stdout).trim(), ran.status.code()), ("65534", Some(5)), "{}", text(&ran.stderr));
    assert!(text(&ran.stderr).contains("trouble"));
    let piped = run(exec(&["-i", "--", "/busybox", "sha256sum"]), "piped in").await;
    assert_eq!(
        text(&piped.stdout),
        "7eab56c47a190b098c40e49c678c17639158f3107d2e6945a630cd3495862ae1  -\n",
        "{piped:?}"
    );
    let missing = run(exec(&["--", "no-such-program"]), "").await;
    assert!([Some(126), Some(127)].contains(&missing.status.code()), "{missing:?}");
    assert!(text(&missing.stderr).contains("no shell is added"), "{missing:?}");
    let refused = run(exec(&["-t", "--", "/busybox", "sh"]), "").await;
    assert_eq!(refused.status.code(), Some(2), "a pipe is no terminal");
    let unnamed = run(gridlease(&world, &["job", "port-forward", &id, "81"]), "").await;
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(text(&unnamed.stderr).contains("does not name port 81"), "{unnamed:?}");
    at_a_terminal(&world, &id).await;
    visited(&world, &id).await;

    steps::stop(world.buyer.chain(), world.buyer.key(), &job).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), forward.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(6), "{}", text(&ended.stderr));
    let said = text(&ended.stderr);
    assert!(said.contains("has ended") && said.contains(&format!("waiting for job {id}: ")), "{said}");
    let late = run(exec(&["--", "/busybox", "true"]), "").await;
    assert_eq!(late.status.code(), Some(6), "{late:?}");
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;

    // Who attaches right after the posting waits, too; what is piped is the program's, and its code the command's.
    let reads = "while read line; do echo got $line; test $line = end && exit 5; done";
    let job = world.post_asking(reads, "10m", "stdin: true\n").await;
    let mut story = world.follow(job);
    let attach = run(gridlease(&world, &["job", "attach", &job.to_string()]), "hello\nend\n");
    let over = story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. }));
    let (attached, _) = tokio::join!(attach, over);
    assert_eq!(
        (text(&attached.stdout).as_str(), attached.status.code()),
        ("got hello\ngot end\n", Some(5)),
        "{attached:?}"
    );
    world.books().await;
    world.stop().await;
}

/// Anybody visits the service at the address that its buyer opens, until it is closed.
async fn visited(world: &World, job: &str) {
    let expose = |args: &[&str]| run(gridlease(world, &[&["--json", "job", "expose", job], args].concat()), "");
    let told = |ran: Output| {
        assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
        serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap()["ports"][0].clone()
    };
    let port = told(expose(&[]).await);
    assert_eq!((&port["port"], &port["public"]), (&serde_json::json!(80), &serde_json::json!("off")), "{port}");
    let url = port["url"].as_str().unwrap().to_owned();
    // The node's certificate is known to no browser.
    let visitor = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let page = format!("{url}index.html");
    let status = async |token: &str| visitor.get(&page).bearer_auth(token).send().await.unwrap().status().as_u16();
    assert_eq!(status("none").await, 404);
    let port = told(expose(&["80", "--token"]).await);
    let token = port["token"].as_str().unwrap();
    assert_eq!(port["link"], format!("{url}?gridlease_token={token}"));
    // What is only looked at stays as it is.
    let shown = told(expose(&["80"]).await);
    assert_eq!((&shown["public"], &shown["token"]), (&serde_json::json!("token"), &serde_json::Value::Null));
    assert_eq!((status("none").await, status(token).await), (401, 200));
    told(expose(&["80", "--open"]).await);
    let answer = visitor.get(&page).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "hello from inside\n");
    let unnamed = expose(&["81", "--open"]).await;
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(text(&unnamed.stderr).contains("does not name port 81"), "{unnamed:?}");
    told(expose(&["80", "--off"]).await);
    assert_eq!(status(token).await, 404);
}

/// A terminal of its own for the program, which gets it back as it was.
async fn at_a_terminal(world: &World, job: &str) {
    let ours = gridlease(world, &["job", "exec", job, "-t", "--", "/busybox", "sh"]);
    let words: Vec<String> = std::iter::once(ours.get_program())
        .chain(ours.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let line = format!("stty cols 77 rows 33; stty -g; {}; echo code=$?; stty -g", words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]);
    let ran = run(script, "tty; stty size; echo so''far; exit 9\n").await;
    let seen = text(&ran.stdout);
    assert!(seen.contains("/dev/") && seen.contains("33 77") && seen.contains("sofar"), "{seen}");
    assert!(seen.contains("code=9"), "{seen}");
    let is_state = |line: &&str| line.matches(':').count() > 30;
    let states: Vec<&str> = seen.lines().map(str::trim).filter(is_state).collect();
    assert_eq!(states.len(), 2, "{seen}");
    assert_eq!(states[0], states[1], "the terminal is as it was");
}

async fn failed(world: &World, job: Pubkey) -> String {
    let begun = Instant::now();
    loop {
        let shown = world.buyer.show(&job).await.unwrap();
        let message = shown.node_message.unwrap_or_default();
        if message.contains("did not become ready") {
            return message;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{message}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_never_becomes_ready_ends_with_its_probes_last_answer_and_costs_the_provider_no_fault() {
    let Some(world) = world(alone("solo")).await else { return };
    let script = "mkdir /tmp/www; httpd -p 127.0.0.1:80 -h /tmp/www; echo listening; while true; do sleep 1; done";
    let job = world.post_asking(script, "10m", PORTS).await;
    let mut story = world.follow(job);
    story.until_a_line().await;
    let waiting =
        |event: &JobEvent| matches!(event, JobEvent::NodeStatus { message, .. } if message.contains("with status 404"));
    story.until_told("the probe's answer", waiting).await;
    // Nothing is reached before the meter runs.
    let args = ["job", "exec", &job.to_string(), "--wait", "0s", "--", "/busybox", "true"];
    let early = run(gridlease(&world, &args), "").await;
    assert_eq!(early.status.code(), Some(3), "{early:?}");
    assert!(text(&early.stderr).contains("cannot be reached yet"), "{early:?}");
    world.market.localnet.advance_time(Duration::from_secs(100)).await.unwrap();
    let message = failed(&world, job).await;
    assert!(message.contains("GET /index.html on port 80 was answered with status 404"), "{message}");
    let failed = story.until("the failure", |event| matches!(event, JobEvent::StartFailed { .. })).await;
    assert!(matches!(failed, JobEvent::StartFailed { reason: EndReason::BuyerError, .. }), "{failed:?}");
    world.stop().await;
}
