//! A websocket to the node: an upgraded request of the client that has the pinned certificate.

use super::{ANSWER_TIMEOUT, NodeApi, NodeError};
use crate::node_api::auth::empty_body_hash;
use crate::node_api::reach::{Closing, Frame, MAX_FRAME_BYTES, close_codes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use reqwest::{Method, StatusCode, header};
use std::future::ready;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// How long nothing may be heard of a node, which gives a sign of life every twenty seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// What carries frames to a node and from it.
pub(in crate::node_api) trait Socket:
    Stream<Item = Result<Frame, SocketError>> + Sink<Frame, Error = SocketError> + Send
{
}

impl<S> Socket for S where S: Stream<Item = Result<Frame, SocketError>> + Sink<Frame, Error = SocketError> + Send {}

impl NodeApi {
    /// Opens a websocket at `path`. One that is refused because this machine's clock is off is asked for again by the
    /// node's; for any other reason it is not: whoever waits for it knows better whether to try again.
    pub(super) async fn socket(&self, path: &str) -> Result<impl Socket + use<>, NodeError> {
        let stream = match self.upgraded(path).await {
            Err(error) if error.is_clock_drift() && self.correct_clock().await => self.upgraded(path).await?,
            outcome => outcome?,
        };
        let socket = WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits())).await;
        Ok(framed(socket))
    }

    async fn upgraded(&self, path: &str) -> Result<reqwest::Upgraded, NodeError> {
        let key = BASE64.encode(rand::random::<[u8; 16]>());
        let request = self
            .signed_by(&self.http1, Method::GET, path, empty_body_hash())?
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.dispatch(request)).await;
        let answer = answer.map_err(|_| NodeError::TimedOut { endpoint: self.endpoint.to_string() })??;
        let accepted = answer.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(header::HeaderValue::as_bytes);
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS
            || accepted != Some(derive_accept_key(key.as_bytes()).as_bytes())
        {
            return Err(NodeError::BadAnswer {
                request: format!("GET {path}"),
                reason: format!(
                    "it is {} and no websocket's; the node may be older than this program",
                    answer.status()
                ),
            });
        }
        answer.upgrade().await.map_err(|error| self.failed(&error))
    }
}

/// A websocket as frames.
pub(in crate::node_api) fn framed<T>(socket: WebSocketStream<T>) -> impl Socket
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    socket.with(|frame: Frame| ready(Ok::<_, SocketError>(message(frame)))).map(|got| got.map(frame))
}

/// Bounds of what is held in memory for one websocket.
pub(in crate::node_api) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(MAX_FRAME_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_FRAME_BYTES)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES))
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Data(bytes) => Message::Binary(bytes),
        Frame::Text(text) => Message::text(text),
        Frame::Alive => Message::Ping(bytes::Bytes::new()),
        Frame::Close(Closing { code, reason }) => {
            Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
        }
    }
}

fn frame(message: Message) -> Frame {
    match message {
        Message::Binary(bytes) => Frame::Data(bytes),
        Message::Text(text) => Frame::Text(text.as_str().to_owned()),
        Message::Close(frame) => Frame::Close(frame.map_or_else(Closing::done, |frame| {
            // The node's words go to a terminal.
            let reason: String = frame.reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            Closing::new(frame.code.into(), reason)
        })),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Frame::Alive,
    }
}

/// The end of a websocket as the outcome of what it was for.
pub(super) fn outcome(closing: Closing) -> Result<(), NodeError> {
    if closing.code == close_codes::DONE { Ok(()) } else { Err(NodeError::Closed(closing)) }
}
