//! Asking the host's resolvers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use simple_dns::rdata::OPT;
use simple_dns::{Packet, PacketFlag, Question};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::answer::parse;
use crate::net::NetError;

/// For one answer of one of them.
const PATIENCE: Duration = Duration::from_secs(2);
/// For an answer at all.
const TOTAL: Duration = Duration::from_secs(5);
/// Most of them that are asked.
const MAX_SERVERS: usize = 3;
/// Largest answer over UDP, in bytes: what no network breaks into pieces.
pub(super) const MAX_UDP: u16 = 1_232;
/// Where the host names them.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The resolvers that the node asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream(Vec<SocketAddr>);

impl Upstream {
    /// Those that the operator names; the host's own where there are none.
    ///
    /// # Errors
    /// [`NetError::NoUpstream`] where the host names none either.
    pub fn new(named: &[SocketAddr]) -> Result<Self, NetError> {
        if named.is_empty() { Self::of_host(Path::new(RESOLV_CONF)) } else { Ok(Self::of(named.iter().copied())) }
    }

    /// Nobody, for a node that names no one to ask: no name is answered.
    #[must_use]
    pub fn nobody() -> Self {
        Self(Vec::new())
    }

    fn of(servers: impl Iterator<Item = SocketAddr>) -> Self {
        Self(servers.take(MAX_SERVERS).collect())
    }

    fn of_host(file: &Path) -> Result<Self, NetError> {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let named = |line: &str| {
            let mut words = line.split_whitespace();
            let server = words.next().filter(|word| *word == "nameserver").and(words.next())?;
            Some(SocketAddr::new(server.parse::<IpAddr>().ok()?, 53))
        };
        let found = Self::of(text.lines().filter_map(named));
        if found.0.is_empty() { Err(NetError::NoUpstream { path: file.display().to_string() }) } else { Ok(found) }
    }

    /// Asks them in turn, and returns the answer in bytes.
    ///
    /// # Errors
    /// No one answered in time, or none to the question.
    pub(super) async fn ask(&self, question: &Question<'_>) -> io::Result<Vec<u8>> {
        let asked = async {
            let mut last = io::Error::other("there is nobody to ask");
            for server in &self.0 {
                match tokio::time::timeout(PATIENCE, ask_one(*server, question)).await {
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = io::ErrorKind::TimedOut.into(),
                }
            }
            Err(last)
        };
        tokio::time::timeout(TOTAL, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn ask_one(server: SocketAddr, question: &Question<'_>) -> io::Result<Vec<u8>> {
    // Nothing of the lease's own message but the question goes out.
    let mut query = Packet::new_query(rand::random());
    query.set_flags(PacketFlag::RECURSION_DESIRED);
    query.questions.push(question.clone());
    *query.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: MAX_UDP, version: 0 });
    let bytes = query.build_bytes_vec().map_err(io::Error::other)?;
    let (answer, whole) = over_udp(server, &query, &bytes).await?;
    if whole { Ok(answer) } else { over_tcp(server, &query, &bytes).await }
}

/// An answer, and whether it is all of it.
async fn over_udp(server: SocketAddr, query: &Packet<'_>, bytes: &[u8]) -> io::Result<(Vec<u8>, bool)> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = [0; MAX_UDP as usize];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let answer = buffer.get(..length).unwrap_or_default();
        // Whatever else comes is not an answer; the time for it is bounded by the caller.
        if let Some(truncated) = truncated(query, answer) {
            return Ok((answer.to_vec(), !truncated));
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &Packet<'_>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let mut answer = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut answer).await?;
    match truncated(query, &answer) {
        Some(false) => Ok(answer),
        _ => Err(io::Error::other("it answered another question")),
    }
}

/// Whether an answer to this query is cut short; `None` for what is no answer to it.
fn truncated(query: &Packet<'_>, bytes: &[u8]) -> Option<bool> {
    let answer = parse(bytes)?;
    let (asked, answered) = (query.questions.first()?, answer.questions.first()?);
    let same = answer.id() == query.id()
        && answer.has_flags(PacketFlag::RESPONSE)
        && (&asked.qname, asked.qtype, asked.qclass) == (&answered.qname, answered.qtype, answered.qclass);
    same.then(|| answer.has_flags(PacketFlag::TRUNCATION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_s_resolvers_are_taken_from_its_file_and_none_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("resolv.conf");
        let named =
            "# nameserver 1.1.1.1\nsearch lan\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver ::1\n";
        std::fs::write(&file, named).unwrap();
        let found = Upstream::of_host(&file).unwrap();
        assert_eq!(found.0, ["127.0.0.53:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        std::fs::write(&file, "search lan\n").unwrap();
        assert!(Upstream::of_host(&file).unwrap_err().to_string().contains("--egress-dns"));
    }
}
