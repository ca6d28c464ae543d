//! Connections to a container's ports, made from inside its network, as Kubernetes forwards them: they work without any network
//! of the container's, with bridges, and with servers that listen on localhost only.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream as StdStream};
use std::os::linux::fs::MetadataExt as _;
use std::time::Duration;

use bollard::query_parameters::InspectContainerOptions;
use nix::sched::{CloneFlags, setns};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

use super::{DockerDriver, engine, is_missing};
use crate::driver::{ContainerId, DriverError, Process};

/// For a connection over a loopback interface; longer only where the server takes none. One that was not heard the first time is
/// said again after a second.
const CONNECT: Duration = Duration::from_millis(1_500);

impl DockerDriver {
    pub(super) async fn connect_inside(&self, id: &ContainerId, port: u16) -> Result<TcpStream, DriverError> {
        let stream = self.inside(id, move |network| connect_in(network, port)).await?;
        stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)).map_err(|e| unreachable(e.to_string()))
    }

    pub(super) async fn sockets_inside(&self, id: &ContainerId, count: usize) -> Result<Vec<TcpSocket>, DriverError> {
        self.inside(id, move |network| {
            enter(network)?;
            (0..count).map(|_| TcpSocket::new_v4()).collect::<io::Result<_>>().map_err(|e| unreachable(e.to_string()))
        })
        .await
    }

    /// Has something done by a thread of its own that enters the container's network and ends with it: one of the runtime's would
    /// stay there. Sockets stay in the network that they were made in.
    async fn inside<T: Send + 'static>(
        &self,
        id: &ContainerId,
        work: impl FnOnce(&File) -> Result<T, DriverError> + Send + 'static,
    ) -> Result<T, DriverError> {
        let process = self.process_of(id).await?;
        let network = network_of(&process)?;
        // What was opened is the container's if its process still runs now: a number is not given to another before that.
        if self.process_of(id).await? != process {
            return Err(DriverError::NotRunningContainer { id: id.0.clone() });
        }
        // A thread lasts longer than a request that was given up, so they are counted by themselves.
        let turn = self.reaches.turn(&id.0).await;
        let turn = turn.ok_or_else(|| unreachable("too many connections are being made at this moment"))?;
        let (sender, receiver) = oneshot::channel();
        std::thread::Builder::new()
            .name("reach".to_owned())
            .spawn(move || {
                // Nobody waits any more where the request was given up.
                let _ = sender.send(work(&network));
                drop(turn);
            })
            .map_err(|e| unreachable(format!("no thread could be started: {e}")))?;
        receiver.await.map_err(|_| unreachable("its thread broke off"))?
    }

    pub(super) async fn process_of(&self, id: &ContainerId) -> Result<Process, DriverError> {
        let found = match self.docker.inspect_container(&id.0, None::<InspectContainerOptions>).await {
            Ok(found) => found,
            Err(e) if is_missing(&e) => return Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            Err(e) => return Err(engine("look at a container", &e)),
        };
        let running = found.state.filter(|state| state.running == Some(true)).and_then(|state| state.pid);
        match (found.id, running) {
            (Some(container), Some(pid)) if pid > 1 => Ok(Process { container, pid }),
            _ => Err(DriverError::NotRunningContainer { id: id.0.clone() }),
        }
    }
}

fn unreachable(reason: impl Into<String>) -> DriverError {
    DriverError::Unreachable { reason: reason.into() }
}

/// The network of a container's process.
fn network_of(process: &Process) -> Result<File, DriverError> {
    let open = |path: String| {
        let failed = |e: io::Error| unreachable(format!("{path}: {e}; the node has to be root"));
        let file = File::open(&path).map_err(failed)?;
        let number = file.metadata().map_err(failed)?.st_ino();
        Ok::<_, DriverError>((file, number))
    };
    let (network, number) = open(format!("/proc/{}/ns/net", process.pid))?;
    if process.groups().is_none() {
        return Err(unreachable(format!("process {} is not in the container's control group", process.pid)));
    }
    if number == open("/proc/self/ns/net".to_owned())?.1 {
        return Err(unreachable("its network is this machine's own"));
    }
    Ok(network)
}

fn enter(network: &File) -> Result<(), DriverError> {
    setns(network, CloneFlags::CLONE_NEWNET).map_err(|e| unreachable(format!("its network cannot be entered: {e}")))
}

fn connect_in(network: &File, port: u16) -> Result<StdStream, DriverError> {
    enter(network)?;
    let mut refused = None;
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        match StdStream::connect_timeout(&SocketAddr::new(address, port), CONNECT) {
            Ok(stream) => {
                // What a person types is not to be kept back for more of it.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            // Where a server is there and slow, the other address helps nobody.
            Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                return Err(DriverError::NotListening { port, reason: "it takes no connection".to_owned() });
            }
            Err(e) => refused = refused.or(Some(e)),
        }
    }
    let reason = match refused {
        Some(e) if e.kind() != io::ErrorKind::ConnectionRefused => e.kind().to_string(),
        _ => "nothing listens there".to_owned(),
    };
    Err(DriverError::NotListening { port, reason })
}
