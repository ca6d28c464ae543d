//! Loopback ports: found free, or refused by name.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

use crate::LocalnetError;

/// How often a free port is looked for before giving up.
const FREE_PORT_ATTEMPTS: usize = 20;

/// A TCP port on loopback that this process means to listen on.
///
/// The JSON-RPC server binds with `SO_REUSEPORT`, so two networks that pick the same port at the same moment would
/// both come up and share the requests. The UDP port of the same number, which nothing here uses otherwise, is
/// held as long as the lease lives and keeps a second network away.
#[derive(Debug)]
pub(crate) struct PortLease {
    port: u16,
    _guard: UdpSocket,
}

impl PortLease {
    /// Takes `port`, or a free one. `service` names it in the error.
    pub(crate) fn take(port: Option<u16>, service: &'static str) -> Result<Self, LocalnetError> {
        match port {
            Some(port) => Self::fixed(port, service),
            None => Self::free(),
        }
    }

    fn fixed(port: u16, service: &'static str) -> Result<Self, LocalnetError> {
        let taken = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => LocalnetError::PortInUse { port, service },
            _ => LocalnetError::Port { source },
        };
        let guard = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map_err(taken)?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(taken)?;
        Ok(Self { port, _guard: guard })
    }

    fn free() -> Result<Self, LocalnetError> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..FREE_PORT_ATTEMPTS {
            let listener =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|source| LocalnetError::Port { source })?;
            let port = listener.local_addr().map_err(|source| LocalnetError::Port { source })?.port();
            match UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(guard) => {
                    return Ok(Self { port, _guard: guard });
                }
                Err(source) => last = source,
            }
        }
        Err(LocalnetError::Port { source: last })
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether nothing listens on the port (any more).
    pub(crate) fn is_unused(&self) -> bool {
        TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_the_port_is_reported_with_port_and_service() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = PortLease::take(Some(port), "JSON-RPC").unwrap_err();
        assert!(matches!(error, LocalnetError::PortInUse { port: p, .. } if p == port));
        assert!(error.to_string().contains(&format!("JSON-RPC port {port}")));
    }

    #[test]
    fn a_port_that_another_lease_holds_is_in_use_even_before_it_listens() {
        let first = PortLease::take(None, "JSON-RPC").unwrap();
        assert!(first.is_unused());
        assert!(matches!(
            PortLease::take(Some(first.port()), "websocket"),
            Err(LocalnetError::PortInUse { service: "websocket", .. })
        ));
        let port = first.port();
        drop(first);
        assert_eq!(PortLease::take(Some(port), "websocket").unwrap().port(), port);
    }
}
