//! Reaching a port of a lease's container.

use super::socket::{PATIENCE, Socket, outcome};
use super::{NodeApi, NodeError};
use crate::node_api::paths;
use crate::node_api::pump::pump;
use solana_pubkey::Pubkey;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// An open connection to a port of a lease's container.
pub struct PortTunnel {
    socket: Pin<Box<dyn Socket>>,
}

impl std::fmt::Debug for PortTunnel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PortTunnel").finish_non_exhaustive()
    }
}

impl NodeApi {
    /// Connects to a port that the lease's manifest names. When this returns, something in the container has taken the
    /// connection. It is tried once.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where the port is not named, nothing listens, the container does not run or too many are open.
    pub async fn open_port(&self, lease: &Pubkey, port: u16) -> Result<PortTunnel, NodeError> {
        let socket = self.socket(&paths::port(lease, port)).await?;
        Ok(PortTunnel { socket: Box::pin(socket) })
    }
}

impl PortTunnel {
    /// Carries `local`'s bytes there and the port's bytes back, until both directions have ended.
    ///
    /// # Errors
    /// [`NodeError::Closed`] where it was broken off, with the node's reason.
    pub async fn carry(self, local: impl AsyncRead + AsyncWrite) -> Result<(), NodeError> {
        outcome(pump(self.socket, local, PATIENCE, std::future::pending()).await)
    }
}
