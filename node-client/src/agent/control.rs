//! What this machine's operator asks of the node that runs: through a socket in the node's folder, which other users cannot enter.
//!
//! One question a connection, one line of JSON each way. Nothing that is asked changes anything.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::explain::Explanation;
use super::market::MarketTask;

/// Name of the socket in the node's folder.
const SOCKET: &str = "control.sock";
/// Longest question in bytes.
const MOST_ASKED: u64 = 1_024;
/// Longest answer in bytes.
const MOST_ANSWERED: u64 = 256 * 1_024;
/// Longest wait for a question, and for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Questions at the same time.
const AT_ONCE: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Question {
    /// Why would a job be bid for, or not?
    Explain {
        /// Its address.
        job: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Explained(Explanation),
    Failed(String),
}

/// Why the node did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No node runs on this folder.
    #[error("no node answers in {}", .0.display())]
    NoNode(PathBuf),
    /// The connection broke.
    #[error("the node of {} cannot be asked: {source}", path.display())]
    Broken {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It said why it cannot answer.
    #[error("the node says: {0}")]
    Failed(String),
}

/// Answers until `shutdown`. Where the socket cannot be made, the operator is told, and the node goes on without.
pub(super) async fn serve(folder: PathBuf, market: Arc<MarketTask>, shutdown: CancellationToken) {
    let path = folder.join(SOCKET);
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(error) => {
            return tracing::warn!(path = %path.display(), %error, "`gridlease node explain` cannot ask this node");
        }
    };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Who finds no place is closed at once, and asks again.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let market = Arc::clone(&market);
        tokio::spawn(async move {
            if tokio::time::timeout(PATIENCE * 2, answer(stream, &market)).await.is_err() {
                tracing::debug!("a question through the control socket took too long");
            }
            drop(place);
        });
    }
    let _ = std::fs::remove_file(&path); // the next start removes it, too
}

/// The store's lock tells that no other node is alive on this folder: a socket that is there is left over.
fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn answer(mut stream: UnixStream, market: &MarketTask) {
    let (reader, mut writer) = stream.split();
    let mut line = Vec::new();
    if BufReader::new(reader.take(MOST_ASKED)).read_until(b'\n', &mut line).await.is_err() {
        return;
    }
    let answer = match serde_json::from_slice(&line) {
        Ok(Question::Explain { job }) => match job.parse::<Pubkey>() {
            Ok(job) => market.explain(&job).await.map_or_else(Answer::Failed, Answer::Explained),
            Err(_) => Answer::Failed("that is no address of a job".to_owned()),
        },
        Err(error) => Answer::Failed(format!("the question cannot be understood: {error}")),
    };
    let Ok(mut text) = serde_json::to_vec(&answer) else { return };
    text.push(b'\n');
    let _ = writer.write_all(&text).await; // who asked may be gone
}

/// Does a node run on `folder`?
pub async fn is_running(folder: &Path) -> bool {
    UnixStream::connect(folder.join(SOCKET)).await.is_ok()
}

/// Asks the node that runs on `folder` about a job.
///
/// # Errors
/// [`ControlError`].
pub async fn ask_to_explain(folder: &Path, job: &Pubkey) -> Result<Explanation, ControlError> {
    let broken = |source| ControlError::Broken { path: folder.to_owned(), source };
    let stream = match UnixStream::connect(folder.join(SOCKET)).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(ControlError::NoNode(folder.to_owned()));
        }
        Err(error) => return Err(broken(error)),
    };
    let question = Question::Explain { job: job.to_string() };
    let exchange = tokio::time::timeout(PATIENCE, exchange(stream, &question));
    match exchange.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(broken)? {
        Answer::Explained(explanation) => Ok(explanation),
        Answer::Failed(words) => Err(ControlError::Failed(words)),
    }
}

async fn exchange(mut stream: UnixStream, question: &Question) -> io::Result<Answer> {
    let mut text = serde_json::to_vec(question)?;
    text.push(b'\n');
    stream.write_all(&text).await?;
    let mut line = Vec::new();
    BufReader::new(stream.take(MOST_ANSWERED)).read_until(b'\n', &mut line).await?;
    Ok(serde_json::from_slice(&line)?)
}
