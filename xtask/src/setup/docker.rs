//! Asking a Docker engine whether it is there, without its command-line client.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an engine may take to answer one question.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq)]
pub enum Endpoint {
    /// A Unix socket.
    Socket(PathBuf),
    /// A plain TCP address, `host:port`.
    Tcp(String),
    /// Something that only Docker's own client understands (ssh, a named pipe).
    Other(String),
}

impl Endpoint {
    /// The endpoint that `DOCKER_HOST` names, else the usual socket.
    pub fn new(docker_host: Option<&str>, socket: &Path) -> Self {
        match docker_host {
            None => Self::Socket(socket.to_owned()),
            Some(host) => match host.split_once("://") {
                Some(("unix", path)) => Self::Socket(path.into()),
                Some(("tcp" | "http", address)) => Self::Tcp(address.trim_end_matches('/').to_owned()),
                _ => Self::Other(host.to_owned()),
            },
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Other(host) => f.write_str(host),
        }
    }
}

/// What came of asking.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// The engine answers.
    Alive,
    /// It may be there, but we must not talk to it.
    Denied,
    /// Nothing answers; why, in words.
    Silent(String),
    /// We cannot ask at this kind of endpoint.
    NotAsked,
}

/// Asks an engine for a sign of life. Takes a few seconds at most.
pub fn ask(endpoint: &Endpoint) -> Answer {
    let answer = match endpoint {
        Endpoint::Socket(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            ping(stream)
        }),
        Endpoint::Tcp(address) => connect(address).and_then(|stream| {
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            ping(stream)
        }),
        Endpoint::Other(_) => return Answer::NotAsked,
    };
    match answer {
        Ok(line) if line.contains(" 200") => Answer::Alive,
        Ok(line) => Answer::Silent(format!("something else answers: \"{line}\"")),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Answer::Denied,
        Err(error) => Answer::Silent(error.to_string()),
    }
}

fn connect(address: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sends the engine's `ping` and returns the first line of what it says.
fn ping(mut stream: impl Read + Write) -> std::io::Result<String> {
    stream.write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")?;
    let mut said = [0; 256];
    let length = stream.read(&mut said)?;
    let said = String::from_utf8_lossy(&said[..length]);
    Ok(said.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn docker_host_decides_where_to_ask() {
        let usual = Path::new("/run/usual.sock");
        for (host, endpoint) in [
            (None, Endpoint::Socket(usual.into())),
            (Some("unix:///run/other.sock"), Endpoint::Socket("/run/other.sock".into())),
            (Some("tcp://10.0.0.1:2375/"), Endpoint::Tcp("10.0.0.1:2375".to_owned())),
            (Some("ssh://me@there"), Endpoint::Other("ssh://me@there".to_owned())),
        ] {
            assert_eq!(Endpoint::new(host, usual), endpoint);
        }
    }

    #[test]
    fn an_engine_that_says_ok_is_alive_and_anything_else_is_not() {
        let directory = tempfile::tempdir().unwrap();
        for (reply, alive) in [("HTTP/1.1 200 OK\r\n\r\nOK", true), ("HTTP/1.1 500 Oh\r\n\r\n", false), ("", false)] {
            let path = directory.path().join(format!("{}.sock", reply.len()));
            let listener = UnixListener::bind(&path).unwrap();
            let server = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut question = [0; 256];
                let _ = stream.read(&mut question).unwrap();
                stream.write_all(reply.as_bytes()).unwrap();
            });
            let answer = ask(&Endpoint::Socket(path));
            assert_eq!(answer == Answer::Alive, alive, "{answer:?}");
            server.join().unwrap();
        }
    }

    #[test]
    fn where_nothing_listens_the_answer_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let nowhere = Endpoint::Socket(directory.path().join("no.sock"));
        assert!(matches!(ask(&nowhere), Answer::Silent(_)));
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(ask(&Endpoint::Tcp(port.to_string())), Answer::Silent(_)));
        assert_eq!(ask(&Endpoint::Other("ssh://x".to_owned())), Answer::NotAsked);
    }
}
