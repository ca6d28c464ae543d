//! Listening on a lease's bridge.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use ipnet::Ipv4Net;
use simple_dns::{CLASS, OPCODE, Packet, PacketFlag, QCLASS, RCODE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::answer::{MAX_TTL, bare, filtered, parse};
use super::budget::Budget;
use super::policy::{Names, Verdict, text};
use super::upstream::{MAX_UDP, Upstream};
use crate::net::NetError;
use crate::net::rules::Place;

/// Questions of one lease that are being asked at the same time.
const AT_ONCE: usize = 64;
/// Connections of one lease at the same time, how long each may last, and how many questions each may bring.
const CONNECTIONS: usize = 8;
const CONNECTION_LIFE: Duration = Duration::from_secs(15);
const CONNECTION_QUESTIONS: usize = 64;
/// Largest question in bytes; a name has at most 255.
const MAX_QUESTION: usize = 1_024;
/// For how long a place is granted, at least, in seconds: programs use an answer also after its time is up.
const LEAST_GRANT: u32 = 120;

/// For how long a place is granted whose address may be used for `ttl` seconds: for twice that, so that whoever asks again when it
/// is over finds the place open.
fn granted(ttl: u32) -> u64 {
    u64::from(ttl.min(MAX_TTL).saturating_mul(2).max(LEAST_GRANT))
}

/// Places that a lease may reach from now on, each for so many seconds.
pub(in crate::net) type Grant = Vec<(Place, u64)>;
/// Makes them reachable. The answer goes out after it, and not at all if it fails.
pub(in crate::net) type OnGrant = Arc<dyn Fn(Grant) -> BoxFuture<'static, Result<(), NetError>> + Send + Sync>;

/// A lease's resolver. It ends when it is dropped.
#[derive(Debug)]
pub(in crate::net) struct Resolver(JoinHandle<()>);

impl Drop for Resolver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Shared {
    range: Ipv4Net,
    names: Names,
    upstream: Upstream,
    on_grant: OnGrant,
    budget: Budget,
    asking: Semaphore,
}

impl Resolver {
    /// Listens at `gateway`, port 53, UDP and TCP, for those of `range` and nobody else.
    pub(in crate::net) async fn start(
        gateway: Ipv4Addr,
        range: Ipv4Net,
        names: Names,
        upstream: Upstream,
        on_grant: OnGrant,
    ) -> Result<Self, NetError> {
        let (udp, tcp) = bind(gateway).await?;
        let shared = Arc::new(Shared {
            range,
            names,
            upstream,
            on_grant,
            budget: Budget::new(Instant::now()),
            asking: Semaphore::new(AT_ONCE),
        });
        let both = async move {
            tokio::join!(serve_udp(Arc::new(udp), Arc::clone(&shared)), serve_tcp(tcp, shared));
        };
        Ok(Self(tokio::spawn(both)))
    }

    /// Whether it listens no more.
    pub(in crate::net) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

/// The sockets of a resolver. Nobody else must have port 53 there, at this address or at all.
pub(in crate::net) async fn bind(gateway: Ipv4Addr) -> Result<(UdpSocket, TcpListener), NetError> {
    let address = SocketAddr::new(gateway.into(), 53);
    let cannot = |source| NetError::Resolver { address, source };
    Ok((UdpSocket::bind(address).await.map_err(cannot)?, TcpListener::bind(address).await.map_err(cannot)?))
}

/// Errors of a socket that stays are waited out; a bridge that goes away ends the whole resolver from outside.
const PAUSE: Duration = Duration::from_millis(100);

async fn serve_udp(socket: Arc<UdpSocket>, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    let mut buffer = [0; MAX_QUESTION];
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        // Over the budget nothing is said: whoever asks will ask again.
        if !shared.serves(from) || tasks.len() >= AT_ONCE || !shared.budget.take(Instant::now()) {
            continue;
        }
        let question = buffer.get(..length).unwrap_or_default().to_vec();
        let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
        tasks.spawn(async move {
            if let Some(bytes) = shared.answer(&question, true).await {
                let _ = socket.send_to(&bytes, from).await;
            }
        });
    }
}

/// The answer in bytes, or that it is too long for what the asker takes.
fn within(mut answer: Packet<'_>, room: usize) -> Option<Vec<u8>> {
    let bytes = answer.build_bytes_vec_compressed().ok()?;
    if bytes.len() <= room {
        return Some(bytes);
    }
    answer.answers.clear();
    answer.name_servers.clear();
    answer.set_flags(PacketFlag::TRUNCATION);
    answer.build_bytes_vec_compressed().ok()
}

async fn serve_tcp(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let Ok((stream, from)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !shared.serves(from) || tasks.len() >= CONNECTIONS {
            continue;
        }
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let _ = tokio::time::timeout(CONNECTION_LIFE, converse(stream, &shared)).await;
        });
    }
}

async fn converse(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    for _ in 0..CONNECTION_QUESTIONS {
        let length = usize::from(stream.read_u16().await?);
        if length > MAX_QUESTION || !shared.budget.take(Instant::now()) {
            break;
        }
        let mut question = vec![0; length];
        stream.read_exact(&mut question).await?;
        let Some(bytes) = shared.answer(&question, false).await else { break };
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat()).await?;
    }
    Ok(())
}

impl Shared {
    /// The owner's network has resolvers of its own, and a host answers it at every address.
    fn serves(&self, from: SocketAddr) -> bool {
        matches!(from, SocketAddr::V4(from) if self.range.contains(from.ip()))
    }

    /// The answer to a message; nothing to what is no question.
    async fn answer(&self, bytes: &[u8], over_udp: bool) -> Option<Vec<u8>> {
        let message = parse(bytes)?;
        if message.has_flags(PacketFlag::RESPONSE) {
            return None;
        }
        let takes = message.opt().map_or(512, |opt| opt.udp_packet_size).clamp(512, MAX_UDP);
        let room = if over_udp { takes.into() } else { usize::from(u16::MAX) };
        let id = message.id();
        let [question] = message.questions.as_slice() else { return within(bare(id, None, RCODE::FormatError), room) };
        let only = |code| within(bare(id, Some(question), code), room);
        if message.opcode() != OPCODE::StandardQuery || question.qclass != QCLASS::CLASS(CLASS::IN) {
            return only(RCODE::NotImplemented);
        }
        let Some(name) = text(&question.qname) else { return only(RCODE::Refused) };
        let ports = match self.names.judge(&name, question.qtype) {
            Verdict::Refuse => return only(RCODE::Refused),
            Verdict::Empty => return only(RCODE::NoError),
            Verdict::Ask(ports) => ports,
        };
        let Ok(_asking) = self.asking.acquire().await else { return only(RCODE::ServerFailure) };
        let Ok(upstream) = self.upstream.ask(question).await else { return only(RCODE::ServerFailure) };
        let Some(upstream) = parse(&upstream) else { return only(RCODE::ServerFailure) };
        let (answer, addresses) = filtered(id, question, upstream);
        if let Some(ports) = ports {
            let grant: Grant = addresses
                .iter()
                .flat_map(|(address, ttl)| {
                    let seconds = granted(*ttl);
                    ports.iter().map(move |port| ((*address, *port), seconds))
                })
                .collect();
            // An address that cannot be reached is worse than none: the program would wait for it.
            if !grant.is_empty() && (self.on_grant)(grant).await.is_err() {
                return only(RCODE::ServerFailure);
            }
        }
        within(answer, room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_granted_for_longer_than_its_address_may_be_used() {
        assert_eq!([0, 30, 300, 3_600, u32::MAX].map(granted), [120, 120, 600, 7_200, 7_200]);
    }
}
