//! Proxies between client and network: one for JSON-RPC that knows the methods, one for bytes.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinHandle,
};

/// What the JSON-RPC proxy does to requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Passes everything on.
    None,
    /// Answers a sending with an error and does not pass it on.
    SwallowSendings,
    /// The same for this many sendings, then passes on.
    SwallowSome(usize),
    /// Passes a sending on and answers it with an error.
    LoseAnswers,
    /// Answers nothing in time.
    Slow,
    /// Answers everything with an error, and passes nothing on.
    Dead,
}

struct Shared {
    target: String,
    http: reqwest::Client,
    fault: Mutex<Fault>,
    sendings: AtomicUsize,
    requests: AtomicUsize,
}

/// A JSON-RPC proxy. Ends when dropped.
pub struct RpcProxy {
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl RpcProxy {
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            http: reqwest::Client::new(),
            fault: Mutex::new(Fault::None),
            sendings: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
        });
        let router = Router::new().route("/", post(forward)).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { url, shared, server }
    }

    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// How many requests have come, whatever became of them.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many sendings have come, whatever became of them.
    pub fn sendings(&self) -> usize {
        self.shared.sendings.load(Ordering::SeqCst)
    }
}

impl Drop for RpcProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let is_sending = request["method"] == "sendTransaction";
    let nth = if is_sending { shared.sendings.fetch_add(1, Ordering::SeqCst) } else { 0 };
    let fault = *shared.fault.lock().unwrap();
    let refused = StatusCode::SERVICE_UNAVAILABLE.into_response();
    match fault {
        Fault::Slow => tokio::time::sleep(Duration::from_secs(3_600)).await,
        Fault::Dead => return refused,
        Fault::SwallowSendings if is_sending => return refused,
        Fault::SwallowSome(count) if is_sending && nth < count => return refused,
        _ => {}
    }
    let answer =
        shared.http.post(&shared.target).header("content-type", "application/json").body(body).send().await.unwrap();
    let answer = answer.bytes().await.unwrap();
    if is_sending && fault == Fault::LoseAnswers {
        return refused;
    }
    ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

#[derive(Clone, Copy)]
enum Blow {
    Drop,
    Stall,
}

/// A proxy of bytes for the websocket. Ends when dropped.
pub struct WireProxy {
    pub url: String,
    blows: broadcast::Sender<Blow>,
    open: Arc<AtomicUsize>,
    accepts: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl WireProxy {
    /// A proxy to a `ws://` address.
    pub async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let target = target.strip_prefix("ws://").unwrap().to_owned();
        let (blows, _) = broadcast::channel(16);
        let open = Arc::new(AtomicUsize::new(0));
        let accepts = Arc::new(AtomicBool::new(true));
        let server = tokio::spawn({
            let (blows, open, accepts) = (blows.clone(), Arc::clone(&open), Arc::clone(&accepts));
            async move {
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    if accepts.load(Ordering::SeqCst) {
                        let server = TcpStream::connect(&target).await.unwrap();
                        tokio::spawn(carry(client, server, blows.subscribe(), Arc::clone(&open)));
                    }
                }
            }
        });
        Self { url, blows, open, accepts, server }
    }

    /// Drops all connections, and every new one at once.
    pub fn cut(&self) {
        self.accepts.store(false, Ordering::SeqCst);
        let _ = self.blows.send(Blow::Drop);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.accepts.store(true, Ordering::SeqCst);
    }

    /// Carries no byte more on the connections that there are, and keeps them open.
    pub fn stall(&self) {
        let _ = self.blows.send(Blow::Stall);
    }

    /// Connections carried now.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Drop for WireProxy {
    fn drop(&mut self) {
        self.server.abort();
        let _ = self.blows.send(Blow::Drop);
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    mut blows: broadcast::Receiver<Blow>,
    open: Arc<AtomicUsize>,
) {
    open.fetch_add(1, Ordering::SeqCst);
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        blow = blows.recv() => {
            if let Ok(Blow::Stall) = blow {
                // Both sockets stay open, until the next blow.
                let _ = blows.recv().await;
            }
        }
    }
    open.fetch_sub(1, Ordering::SeqCst);
}
