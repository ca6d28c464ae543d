//! Ports of a running job's container, reached from this machine.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use gridlease_sdk::node_api::client::{NodeApi, NodeError};
use gridlease_sdk::node_api::codes;
use serde::Serialize;
use solana_pubkey::Pubkey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Buyer;
use crate::error::CliError;

/// Connections that are carried at a time; further ones wait. A node takes 64 for a lease.
const MOST: usize = 64;
/// How often the node is asked whether the container still runs.
const LOOK: Duration = Duration::from_secs(3);
/// Pause after this machine could not take a connection, for want of files for instance, or the node cannot reach the container yet.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a job that does not run yet is waited for.
const NOT_YET: Duration = Duration::from_secs(10);
/// Trouble that waits to be told.
const QUEUE: usize = 16;

/// A port here and a port of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPair {
    /// Here; 0 for any that is free.
    pub local: u16,
    /// In the container.
    pub remote: u16,
}

impl FromStr for PortPair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.parse::<u16>().map_err(|_| format!("{part:?} is not a port; write 0 to 65535"));
        let (local, remote) = text.split_once(':').unwrap_or((text, text));
        let pair = Self { local: number(local)?, remote: number(remote)? };
        if pair.remote == 0 {
            return Err("a port of the container is 1 to 65535; 0, for any, can stand before the colon only".to_owned());
        }
        Ok(pair)
    }
}

/// A port that is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forwarded {
    /// Where, on this machine.
    pub local: SocketAddr,
    /// The port of the container.
    pub remote: u16,
}

/// Ports that are listened on here and lead into a job's container. Nothing is left of it when it is dropped.
#[derive(Debug)]
pub struct Forward {
    job: Pubkey,
    lease: Pubkey,
    node: NodeApi,
    listeners: Vec<(TcpListener, u16)>,
}

impl Buyer {
    /// Listens at `address` for each of `ports`, and waits until the job runs. Connections are taken once [`Forward::run`] is.
    ///
    /// # Errors
    /// [`CliError::Local`] where a port is in use, [`CliError::Usage`] for one that the manifest does not name, where that is on
    /// this machine; as [`Buyer::running`].
    pub async fn forward(
        &self,
        job: &Pubkey,
        ports: &[PortPair],
        address: IpAddr,
        wait: Duration,
        progress: impl FnMut(&str),
    ) -> Result<Forward, CliError> {
        if let Some(record) = self.store().find(job)? {
            let manifest = gridlease_sdk::manifest::Manifest::from_canonical(record.manifest.as_bytes())?;
            let named = |pair: &&PortPair| !manifest.ports.iter().any(|port| port.container == pair.remote);
            if let Some(pair) = ports.iter().find(named) {
                return Err(CliError::Usage(format!(
                    "the manifest of job {job} does not name port {}; name it under ports and post the job anew",
                    pair.remote
                )));
            }
        }
        let mut listeners = Vec::new();
        for pair in ports {
            let local = SocketAddr::new(address, pair.local);
            let failed = |error: io::Error| {
                CliError::Local(format!(
                    "cannot listen on {local}: {error}; choose another port of this machine, as in 0:{} for any",
                    pair.remote
                ))
            };
            listeners.push((TcpListener::bind(local).await.map_err(failed)?, pair.remote));
        }
        let (lease, node) = self.running(job, wait, progress).await?;
        Ok(Forward { job: *job, lease: lease.lease, node, listeners })
    }
}

impl Forward {
    /// What is listened on.
    ///
    /// # Errors
    /// [`CliError::Local`] where the system does not tell.
    pub fn ports(&self) -> Result<Vec<Forwarded>, CliError> {
        let failed = |error: io::Error| CliError::Local(format!("this system does not say where it listens: {error}"));
        let forwarded = |(listener, remote): &(TcpListener, u16)| {
            Ok(Forwarded { local: listener.local_addr().map_err(failed)?, remote: *remote })
        };
        self.listeners.iter().map(forwarded).collect()
    }

    /// Carries connections until the container ends, which is [`CliError::ContainerEnded`], or a port cannot be reached for good.
    /// A connection that fails is told of by `trouble`, once for each reason in a row, and costs no other.
    ///
    /// # Errors
    /// Always: it ends in no other way.
    pub async fn run(self, mut trouble: impl FnMut(&str)) -> CliError {
        let Self { job, lease, node, listeners } = self;
        let (failures, mut failed) = mpsc::channel::<NodeError>(QUEUE);
        let room = Arc::new(Semaphore::new(MOST));
        // Dropped with this, and every connection with them.
        let mut tasks = JoinSet::new();
        for (listener, port) in listeners {
            let (node, failures, room) = (node.clone(), failures.clone(), Arc::clone(&room));
            tasks.spawn(accept(listener, node, lease, port, failures, room));
        }
        let mut told = String::new();
        loop {
            let error = tokio::select! {
                Some(error) = failed.recv() => error,
                exit_code = ended(&node, &lease) => return CliError::ContainerEnded { job, exit_code },
            };
            if error.is_container_ended() {
                let status = tokio::time::timeout(LOOK, node.status(&lease)).await;
                let exit_code = status.ok().and_then(Result::ok).and_then(|status| status.exit_code);
                return CliError::ContainerEnded { job, exit_code };
            }
            if is_final(&error) {
                return error.into();
            }
            let words = error.to_string();
            if words != told {
                trouble(&words);
                told = words;
            }
        }
    }
}

/// Whether no further connection can come to anything either.
fn is_final(error: &NodeError) -> bool {
    match error {
        NodeError::WrongCertificate { .. } => true,
        NodeError::Refused { detail, .. } => {
            [codes::NOT_FOUND, codes::NOT_YOUR_LEASE, codes::NOT_YOURS_TO_REACH].contains(&detail.code.as_str())
        }
        _ => false,
    }
}

/// Waits until the node says that the container has ended. A node that cannot be asked says nothing.
async fn ended(node: &NodeApi, lease: &Pubkey) -> Option<i64> {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Ok(status) = node.status(lease).await
            && (status.exit_code.is_some() || status.container_state.as_deref() == Some("exited"))
        {
            return status.exit_code;
        }
    }
}

async fn accept(
    listener: TcpListener,
    node: NodeApi,
    lease: Pubkey,
    port: u16,
    failures: mpsc::Sender<NodeError>,
    room: Arc<Semaphore>,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let (node, failures) = (node.clone(), failures.clone());
        connections.spawn(async move {
            if let Err(error) = carry(&node, &lease, port, stream).await {
                // Where many fail at once, one tells enough.
                let _ = failures.try_send(error);
            }
            drop(place);
        });
    }
}

async fn carry(node: &NodeApi, lease: &Pubkey, port: u16, stream: TcpStream) -> Result<(), NodeError> {
    // What a person types is not to be kept back for more of it.
    let _ = stream.set_nodelay(true);
    patiently(|| node.open_port(lease, port)).await?.carry(stream).await
}

/// Asks again for a while where a node cannot reach the container yet: it hears last that its own word has landed on chain.
pub(crate) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, NodeError>
where
    F: Future<Output = Result<T, NodeError>>,
{
    let since = tokio::time::Instant::now();
    loop {
        match call().await {
            Err(NodeError::Refused { detail, .. })
                if detail.code == codes::WRONG_STATE && since.elapsed() < NOT_YET =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_ports_is_one_number_or_two() {
        let pair = |local, remote| Ok(PortPair { local, remote });
        assert_eq!("8080".parse(), pair(8080, 8080));
        assert_eq!("0:80".parse(), pair(0, 80));
        assert_eq!("8888:80".parse(), pair(8888, 80));
        for bad in ["", "0", "80:", ":80", "1:2:3", "65536", "80:0", "-1", "a"] {
            assert!(bad.parse::<PortPair>().is_err(), "{bad}");
        }
    }
}
