//! What a node asks of its RPC while nothing happens, and that a job runs however the websocket is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bollard::query_parameters::ListContainersOptionsBuilder;
use gridlease_cli::buyer::JobEvent;
use gridlease_cli::steps;
use gridlease_demo::image::docker;
use gridlease_demo::market::{Market, MarketOptions, ProviderOptions};
use solana_pubkey::Pubkey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::world::{World, alone, world};

/// For how long nothing happens.
const IDLE: Duration = Duration::from_secs(100);
/// What a node may ask in that time.
const FEW: usize = 20;

/// What both directions of all connections share.
#[derive(Default)]
struct Traffic {
    /// Requests that went to the server.
    requests: AtomicUsize,
    /// Nothing that the server says after the handshake is passed on; no connection ends.
    mute: AtomicBool,
    /// No connection is accepted, and those that there are end with the next word.
    cut: AtomicBool,
}

/// Bytes passed on between a port of its own and another, and the requests in them counted. Ends when dropped.
struct Wire {
    port: u16,
    traffic: Arc<Traffic>,
    server: JoinHandle<()>,
}

impl Wire {
    /// A wire to what answers at `url`.
    async fn to(url: &str) -> Self {
        let target = url.rsplit('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let traffic = Arc::new(Traffic::default());
        let server = tokio::spawn({
            let traffic = Arc::clone(&traffic);
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    if traffic.cut.load(Ordering::SeqCst) {
                        continue;
                    }
                    let Ok(far) = TcpStream::connect(&target).await else { continue };
                    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                    tokio::spawn(ask(near_in, far_out, Arc::clone(&traffic)));
                    tokio::spawn(answer(far_in, near_out, Arc::clone(&traffic)));
                }
            }
        });
        Self { port, traffic, server }
    }

    fn cut(&self, cut: bool) {
        self.traffic.cut.store(cut, Ordering::SeqCst);
    }

    fn requests(&self) -> usize {
        self.traffic.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn ask(mut near: OwnedReadHalf, mut far: OwnedWriteHalf, traffic: Arc<Traffic>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = near.read(&mut buffer).await {
        if traffic.cut.load(Ordering::SeqCst) {
            return;
        }
        // A head begins a piece: a client waits for the answer before it asks again on the same connection.
        if buffer[..count].starts_with(b"POST ") {
            traffic.requests.fetch_add(1, Ordering::SeqCst);
        }
        if far.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn answer(mut far: OwnedReadHalf, mut near: OwnedWriteHalf, traffic: Arc<Traffic>) {
    let mut buffer = vec![0; 1 << 16];
    let mut first = true;
    while let Ok(count @ 1..) = far.read(&mut buffer).await {
        let handshake = std::mem::take(&mut first);
        if traffic.cut.load(Ordering::SeqCst) {
            return;
        }
        let mute = !handshake && traffic.mute.load(Ordering::SeqCst);
        if !mute && near.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// A market whose one node looks at the network through wires; the keeper and the buyer do not.
async fn watched(name: &str) -> Option<(World, Wire, Wire)> {
    let mut world = world(MarketOptions { providers: Vec::new(), ..MarketOptions::default() }).await?;
    let rpc = Wire::to(world.market.localnet.rpc_url()).await;
    let ws = Wire::to(world.market.localnet.ws_url()).await;
    let options = alone(name).providers.remove(0);
    let options = ProviderOptions {
        rpc: Some(format!("http://127.0.0.1:{}", rpc.port)),
        ws: Some(format!("ws://127.0.0.1:{}", ws.port)),
        ..options
    };
    add(&mut world.market, options).await;
    Some((world, rpc, ws))
}

/// Does a container of this machine's node run?
async fn running(machine: &Pubkey) -> bool {
    let label = format!("gridlease.node={machine}");
    let filters = HashMap::from([("label", vec![label.as_str()])]);
    let options = ListContainersOptionsBuilder::default().filters(&filters).build();
    !docker().await.unwrap().list_containers(Some(options)).await.unwrap().is_empty()
}

async fn add(market: &mut Market, options: ProviderOptions) {
    market.add_provider(options, &|line| eprintln!("{line}")).await.unwrap();
    market.await_offers().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_lease_that_runs_asks_its_rpc_next_to_nothing_while_nothing_changes() {
    let Some((world, rpc, _ws)) = watched("quiet").await else { return };
    let job = world.post("echo up; sleep 600", "10m").await;
    let mut story = world.follow(job);
    story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await;
    story.until_a_line().await;
    // What the start has set going comes to rest.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let before = rpc.requests();
    assert!(before > 0, "the node goes through the wire");
    tokio::time::sleep(IDLE).await;
    let asked = rpc.requests() - before;
    eprintln!("{asked} requests in {IDLE:?}");
    assert!(asked > 0 && asked <= FEW, "{asked} requests in {IDLE:?}, at most {FEW} are allowed");
    // And it still hears at once.
    steps::stop(world.buyer.chain(), world.buyer.key(), &job).await.unwrap();
    let stopped = Instant::now();
    let machine = world.market.providers[0].machine;
    while running(&machine).await {
        assert!(stopped.elapsed() < Duration::from_secs(20), "the node did not hear of the end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eprintln!("stopped after {:?}", stopped.elapsed());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_although_the_websocket_keeps_its_connections_and_says_nothing() {
    let Some((world, _rpc, ws)) = watched("deaf").await else { return };
    ws.traffic.mute.store(true, Ordering::SeqCst);
    let job = world.post("echo here", "10m").await;
    let mut story = world.follow(job);
    story.until("the award", |event| matches!(event, JobEvent::Awarded { .. })).await;
    let awarded = Instant::now();
    story.until_a_line().await;
    let took = awarded.elapsed();
    eprintln!("{took:?} from the award to the first line");
    // Leases are read every twelve seconds, a tenth more or less, where no subscription tells of them.
    assert!(took < Duration::from_secs(20), "{took:?} from the award to the first line");
    story.until("the end of the job", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_without_any_websocket() {
    let (name, base) = ("mute", alone("mute"));
    let options = ProviderOptions { ws: Some("ws://127.0.0.1:1".to_owned()), ..base.providers[0].clone() };
    let Some(world) = world(MarketOptions { providers: vec![options], ..MarketOptions::default() }).await else {
        return;
    };
    let job = world.post("echo here", "10m").await;
    let mut story = world.follow(job);
    story.until("the award", |event| matches!(event, JobEvent::Awarded { .. })).await;
    let awarded = Instant::now();
    story.until_a_line().await;
    let took = awarded.elapsed();
    eprintln!("{took:?} from the award to the first line");
    assert!(took < Duration::from_secs(12), "{took:?} from the award to the first line");
    story.until("the end of the job", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    let log = std::fs::read_to_string(world.market.dir().join(format!("node-{name}.log"))).unwrap();
    assert_eq!(log.matches("not everything is followed by subscription").count(), 1, "it is said once");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_17_a_job_that_ends_while_the_network_cannot_be_asked_is_told_afterwards_and_billed_for_what_it_ran() {
    let Some((world, rpc, ws)) = watched("away").await else { return };
    let job = world.post("echo up; sleep 8; echo down; echo kept > /out/file", "10m").await;
    let mut story = world.follow(job);
    story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await;
    story.until_a_line().await;
    tokio::time::sleep(Duration::from_secs(2)).await; // the node has heard of its `ready`, too
    let cut = |cut| [&rpc, &ws].into_iter().for_each(|wire| wire.cut(cut));
    cut(true);
    // The container ends in the dark, and its end is held to the chain's word of long ago.
    story.until("the last line", |event| matches!(event, JobEvent::LogLine { seq: 1, .. })).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(story.count(|event| matches!(event, JobEvent::Finished { .. })), 0);
    cut(false);
    story.until("the verified outputs", |event| matches!(event, JobEvent::OutputsVerified { files: 1, .. })).await;
    let finished = story.told.iter().find(|event| matches!(event, JobEvent::Finished { .. })).unwrap();
    assert!(matches!(finished, JobEvent::Finished { exit_code: Some(0), .. }), "{finished:?}");
    story.until("the end of the job", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    let books = world.books().await;
    let seconds = (books.paid_atoms + books.fee_atoms) / 83; // atoms a second at 0.30 USDC an hour
    assert!((5..16).contains(&seconds), "{seconds} s billed of a job of eight");
    world.stop().await;
}
