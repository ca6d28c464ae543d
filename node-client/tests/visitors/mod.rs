//! A node with a lease whose ports strangers visit. Servers listen in the network of its real container.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::Request;
use axum::http;
use axum::response::IntoResponse;
use futures_util::{SinkExt as _, StreamExt as _};
use gridlease_node::api::{ApiLimits, ApiServer, LeaseDirectory};
use gridlease_node::clock::Clock;
use gridlease_node::driver::{ContainerId, Reach as _};
use gridlease_node::lease::reconcile::{ChainLease, ChainState};
use gridlease_node::lease_board::LeaseBoard;
use gridlease_node::logs::{LogHub, LogLimits};
use gridlease_node::public_certificate::PublicCertificate;
use gridlease_node::secrets::Keyring;
use gridlease_node::sold::Sold;
use gridlease_node::store::{LeaseRecord, NewLease, Phase};
use gridlease_node::tls::Identity;
use gridlease_sdk::node_api::ErrorBody;
use gridlease_sdk::node_api::client::NodeApi;
use gridlease_sdk::node_api::public::{Public, PublicPort, Token, prefix};
use gridlease_sdk::node_api::tls::pinned_client_config;
use nix::sched::{CloneFlags, setns};
use reqwest::{RequestBuilder, Response, StatusCode};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::support::node::Node;
use super::support::{Bench, manifest};

/// A node with leases whose containers run, its interface, and who may ask.
pub struct Stage {
    pub bench: Bench,
    node: Node,
    pub api: ApiServer,
    identity: Identity,
    records: Vec<LeaseRecord>,
    pub buyer: Arc<Keypair>,
    pub poster: Arc<Keypair>,
    pub guardian: Arc<Keypair>,
    pub stranger: Arc<Keypair>,
}

impl Stage {
    pub async fn start(bench: Bench, ports: &str, script: &str) -> Self {
        Self::at(bench, ports, script, Phase::ReadyPosted).await
    }

    pub async fn at(bench: Bench, ports: &str, script: &str, phase: Phase) -> Self {
        Self::with(bench, ports, script, phase, None).await
    }

    /// With a domain for public ports.
    pub async fn named(bench: Bench, ports: &str, script: &str, public: PublicCertificate) -> Self {
        Self::with(bench, ports, script, Phase::ReadyPosted, Some(Arc::new(public))).await
    }

    async fn with(
        bench: Bench,
        ports: &str,
        script: &str,
        phase: Phase,
        public: Option<Arc<PublicCertificate>>,
    ) -> Self {
        let node = Node::start(&bench);
        let [buyer, poster, guardian, stranger] = std::array::from_fn(|_| Arc::new(Keypair::new()));
        let identity = Identity::load_or_create(&bench.state).unwrap().with_public(public);
        let api = serve(&bench, &node, &identity);
        let mut stage = Self { bench, node, api, identity, records: vec![], buyer, poster, guardian, stranger };
        stage.add(ports, script, phase).await;
        stage
    }

    /// One more lease.
    pub async fn add(&mut self, ports: &str, script: &str, phase: Phase) -> Pubkey {
        let number = u8::try_from(self.records.len() + 1).unwrap();
        let spec = self.bench.spec(number, script);
        std::fs::write(self.bench.lease_dir(&spec).manifest(), manifest(ports)).unwrap();
        let id = self.bench.launch(&spec).await;
        let new = NewLease {
            lease: spec.lease,
            job: spec.job,
            attempt: 1,
            buyer: self.buyer.pubkey(),
            poster: self.poster.pubkey(),
            guardian: self.guardian.pubkey(),
            manifest_hash: [0; 32],
            gpus: vec![],
            sold: Sold::default(),
        };
        self.node.store.insert(new, 0).unwrap();
        let run = |record: &mut LeaseRecord| {
            record.container = Some(id);
            record.started_at_ms = Some(1);
            record.reach(phase);
            Ok(())
        };
        self.records.push(self.node.store.update(&spec.lease, run).unwrap());
        self.show().await;
        spec.lease
    }

    /// As the main loop shows its leases.
    pub async fn show(&self) {
        let chain =
            ChainLease { state: ChainState::Running, start_deadline: 0, want_deadline: 0, runway_end: 0, seen_at: 0 };
        for record in &self.records {
            let container = self.node.worker.observe(record).await.unwrap();
            self.node.board.show(record, &container, &chain).await;
        }
    }

    /// As after another start of the node's process.
    pub async fn restart(&mut self) {
        self.restart_before_a_look().await;
        self.show().await;
    }

    /// The same at the moment at which its interface is there, and no lease was looked at.
    pub async fn restart_before_a_look(&mut self) {
        let logs = LogHub::new(self.bench.state.clone(), LogLimits::default());
        let keyring = Keyring::new(Arc::new(Keypair::new()));
        let (state, worker) = (self.bench.state.clone(), self.node.worker.clone());
        self.node.board = Arc::new(LeaseBoard::new(state, logs, worker, Arc::default(), keyring));
        for record in self.node.store.all().unwrap() {
            self.node.board.show_doors(&record.lease).await;
        }
        self.api = serve(&self.bench, &self.node, &self.identity);
    }

    pub async fn stop(self) -> Bench {
        self.api.shutdown(Duration::from_millis(100)).await;
        self.bench
    }

    pub fn client(&self, key: &Arc<Keypair>) -> NodeApi {
        let endpoint = format!("https://{}", self.api.address());
        NodeApi::new(&endpoint, self.identity.fingerprint(), self.bench.node, Arc::clone(key) as _).unwrap()
    }

    pub fn lease(&self) -> Pubkey {
        self.records[0].lease
    }

    pub fn container(&self) -> ContainerId {
        self.records[0].container.clone().unwrap()
    }

    /// Where a port of the first lease is visited.
    pub fn url(&self, name: &str) -> String {
        self.url_of(&self.lease(), name)
    }

    pub fn url_of(&self, lease: &Pubkey, name: &str) -> String {
        format!("https://{}{}/", self.api.address(), prefix(lease, name))
    }

    /// A visitor that follows no redirect and speaks HTTP/2.
    pub fn http(&self) -> reqwest::Client {
        self.visitor().build().unwrap()
    }

    pub fn http1(&self) -> reqwest::Client {
        self.visitor_of(&[]).build().unwrap()
    }

    pub fn visitor(&self) -> reqwest::ClientBuilder {
        self.visitor_of(&["h2", "http/1.1"])
    }

    fn visitor_of(&self, protocols: &[&str]) -> reqwest::ClientBuilder {
        let mut config = pinned_client_config(self.identity.fingerprint()).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let none = reqwest::redirect::Policy::none();
        reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().redirect(none)
    }

    /// The buyer's switch.
    pub async fn open(&self, name: &str, public: Public, token: Option<&Token>) -> PublicPort {
        self.open_of(&self.lease(), name, public, token).await
    }

    pub async fn open_of(&self, lease: &Pubkey, name: &str, public: Public, token: Option<&Token>) -> PublicPort {
        let client = self.client(&self.buyer);
        let ports = client.status(lease).await.unwrap().ports;
        let port = ports.iter().find(|port| port.name == name).expect("the manifest names it").port;
        client.expose(lease, port, public, token).await.unwrap()
    }

    pub async fn until_it_listens(&self, name: &str) {
        let begun = Instant::now();
        while self.http().get(self.url(name)).send().await.unwrap().status() == StatusCode::BAD_GATEWAY {
            assert!(begun.elapsed() < Duration::from_secs(10), "nothing listens");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The first process of the first lease's container.
    pub async fn process(&self) -> i64 {
        self.bench.driver.process(&self.container()).await.unwrap().pid
    }

    /// Listens on localhost in the network of a lease's container.
    pub async fn listen(&self, lease: &Pubkey, port: u16) -> TcpListener {
        let record = self.records.iter().find(|record| record.lease == *lease).unwrap();
        let process = self.bench.driver.process(record.container.as_ref().unwrap()).await.unwrap();
        let network = std::fs::File::open(format!("/proc/{}/ns/net", process.pid)).unwrap();
        // A thread of its own, which alone is in that network and ends with this.
        let inside = std::thread::spawn(move || {
            setns(&network, CloneFlags::CLONE_NEWNET).unwrap();
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap()
        });
        let listener = inside.join().unwrap();
        listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(listener).unwrap()
    }

    /// Serves at a port of the first lease.
    pub async fn serve(&self, port: u16, app: axum::Router) -> JoinHandle<()> {
        self.serve_of(&self.lease(), port, app).await
    }

    pub async fn serve_of(&self, lease: &Pubkey, port: u16, app: axum::Router) -> JoinHandle<()> {
        let listener = self.listen(lease, port).await;
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() })
    }

    /// Gives these bytes for every request's head, and closes a connection after `most` of them. What is read is kept.
    pub async fn serve_raw(&self, port: u16, answer: &'static [u8], most: usize) -> Arc<Raw> {
        self.serve_raw_of(&self.lease(), port, answer, most).await
    }

    pub async fn serve_raw_of(&self, lease: &Pubkey, port: u16, answer: &'static [u8], most: usize) -> Arc<Raw> {
        let (listener, raw) = (self.listen(lease, port).await, Arc::new(Raw::default()));
        let told = Arc::clone(&raw);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                told.accepted.fetch_add(1, Ordering::SeqCst);
                let told = Arc::clone(&told);
                tokio::spawn(async move {
                    let (mut heads, mut piece, mut tail) = (0, [0; 4_096], Vec::new());
                    while let Ok(count @ 1..) = stream.read(&mut piece).await {
                        told.read.lock().unwrap().extend_from_slice(&piece[..count]);
                        tail.extend_from_slice(&piece[..count]);
                        while let Some(end) = tail.windows(4).position(|four| four == b"\r\n\r\n") {
                            tail.drain(..end + 4);
                            heads += 1;
                            if stream.write_all(answer).await.is_err() || heads == most {
                                return;
                            }
                        }
                    }
                });
            }
        });
        raw
    }

    /// Sends these bytes in a connection of its own, and returns what comes until it ends.
    pub async fn raw(&self, request: &str) -> String {
        let (mut stream, request) = (self.connection(Ipv4Addr::LOCALHOST).await.unwrap(), request.to_owned());
        tokio::task::spawn_blocking(move || {
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            // The other end may close without a goodbye.
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        })
        .await
        .unwrap()
    }

    /// A connection from this address of this machine's, on which nothing is said yet.
    pub async fn connection(&self, from: Ipv4Addr) -> io::Result<Tls> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let mut socket = socket.connect(self.api.address()).await?.into_std()?;
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let config = pinned_client_config(self.identity.fingerprint()).unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), "node".try_into().unwrap()).unwrap();
        tokio::task::spawn_blocking(move || {
            while connection.is_handshaking() {
                connection.complete_io(&mut socket)?;
            }
            Ok(rustls::StreamOwned::new(connection, socket))
        })
        .await
        .unwrap()
    }

    /// Opens a websocket; the status where it is refused.
    pub async fn websocket(
        &self,
        name: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Socket, http::Response<()>), u16> {
        let mut request = self
            .http1()
            .get(format!("{}{path}", self.url(name)))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(response.status().as_u16());
        }
        let mut head = http::Response::new(());
        *head.headers_mut() = response.headers().clone();
        assert_eq!(head.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let upgraded = response.upgrade().await.unwrap();
        Ok((Socket(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await), head))
    }
}

fn serve(bench: &Bench, node: &Node, identity: &Identity) -> ApiServer {
    let (address, directory): (SocketAddr, Arc<dyn LeaseDirectory>) =
        ("127.0.0.1:0".parse().unwrap(), node.board.clone());
    ApiServer::start(address, &bench.state, identity, bench.node, directory, ApiLimits::default(), Clock::system())
        .unwrap()
}

pub type Tls = rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream>;

/// What came to a server that looks at bytes only.
#[derive(Default)]
pub struct Raw {
    accepted: AtomicUsize,
    read: std::sync::Mutex<Vec<u8>>,
}

impl Raw {
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Everything that was read since this was asked last.
    pub fn read(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.read.lock().unwrap())).into_owned()
    }
}

/// A visitor's websocket.
pub struct Socket(WebSocketStream<reqwest::Upgraded>);

impl Socket {
    pub async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub async fn text(&mut self) -> String {
        self.0.next().await.unwrap().unwrap().into_text().unwrap().to_string()
    }

    pub async fn ends_within(&mut self, time: Duration) -> bool {
        let end = async { while let Some(Ok(_)) = self.0.next().await {} };
        tokio::time::timeout(time, end).await.is_ok()
    }
}

/// Answers with the request as it came.
pub async fn dump(request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let mut text = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    text.push_str(&format!("\n{}", String::from_utf8_lossy(&body)));
    text
}

/// The same request as a person's browser makes it.
pub fn browser(request: RequestBuilder) -> RequestBuilder {
    let headers = [("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let request = request.header("accept", "text/html,*/*;q=0.8");
    headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// A refusal's status and code.
pub async fn seen(response: Response) -> (StatusCode, String) {
    let status = response.status();
    (status, response.json::<ErrorBody>().await.unwrap().error.code)
}
