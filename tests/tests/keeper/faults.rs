//! An RPC that gives bad answers on request: a proxy before the real one that knows the methods.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What is said in place of the network.
#[derive(Clone)]
pub struct Said(pub StatusCode, pub String);

/// What becomes of a request: an answer of the proxy's own, or `None`, and it is passed on.
type Judge = Box<dyn Fn(&Value) -> Option<Said> + Send>;
/// What becomes of the network's answer to a request.
type Edit = Box<dyn Fn(&Value, &mut Value) + Send>;

struct Shared {
    target: String,
    http: reqwest::Client,
    judge: Mutex<Judge>,
    edit: Mutex<Edit>,
    requests: Mutex<Vec<Value>>,
    /// Sendings wait while this is set.
    hold: watch::Sender<bool>,
}

/// The proxy. Ends when dropped.
pub struct Rpc {
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Rpc {
    pub async fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            http: reqwest::Client::new(),
            judge: Mutex::new(Box::new(|_| None)),
            edit: Mutex::new(Box::new(|_, _| {})),
            requests: Mutex::default(),
            hold: watch::Sender::new(false),
        });
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, server }
    }

    /// From now on `judge` says which requests are not passed on, and what is said instead.
    pub fn judge(&self, judge: impl Fn(&Value) -> Option<Said> + Send + 'static) {
        *self.shared.judge.lock().unwrap() = Box::new(judge);
    }

    /// From now on everything is passed on.
    pub fn mend(&self) {
        self.judge(|_| None);
        *self.shared.edit.lock().unwrap() = Box::new(|_, _| {});
    }

    /// From now on `edit` changes what the network answers.
    pub fn edit(&self, edit: impl Fn(&Value, &mut Value) + Send + 'static) {
        *self.shared.edit.lock().unwrap() = Box::new(edit);
    }

    /// Sendings wait until this is called with `false`.
    pub fn hold_sendings(&self, hold: bool) {
        self.shared.hold.send_replace(hold);
    }

    /// The parameters of the requests of a method so far.
    pub fn requests(&self, method: &str) -> Vec<Value> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|request| request["method"] == method).map(|request| request["params"].clone()).collect()
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap();
    shared.requests.lock().unwrap().push(request.clone());
    if request["method"] == "sendTransaction" {
        let _ = shared.hold.subscribe().wait_for(|hold| !hold).await;
    }
    let said = (shared.judge.lock().unwrap())(&request);
    let json = [(header::CONTENT_TYPE, "application/json")];
    if let Some(Said(status, text)) = said {
        return (status, json, text).into_response();
    }
    let sent = shared.http.post(&shared.target).header("content-type", "application/json").body(body).send().await;
    let Ok(answer) = sent else { return StatusCode::BAD_GATEWAY.into_response() };
    let Ok(mut answer) = answer.json::<Value>().await else { return StatusCode::BAD_GATEWAY.into_response() };
    (shared.edit.lock().unwrap())(&request, &mut answer);
    (json, answer.to_string()).into_response()
}
