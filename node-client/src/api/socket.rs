//! The server's side of a websocket.

use std::future::{Future, ready};

use axum::Error as SocketError;
use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use gridlease_sdk::node_api::reach::{Closing, Frame, MAX_FRAME_BYTES};

use super::ApiError;

/// What carries frames to a client and from it.
pub(super) trait Socket:
    Stream<Item = Result<Frame, SocketError>> + Sink<Frame, Error = SocketError> + Send
{
}

impl<S> Socket for S where S: Stream<Item = Result<Frame, SocketError>> + Sink<Frame, Error = SocketError> + Send {}

/// Takes a handshake up, so that all of it is checked before anything is done for it.
pub(super) async fn handshake(mut parts: Parts) -> Result<Handshake, ApiError> {
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    Ok(Handshake(upgrade.map_err(|_| ApiError::upgrade_required())?))
}

/// A handshake that is in order and not answered.
pub(super) struct Handshake(WebSocketUpgrade);

impl Handshake {
    /// Answers it, and hands the websocket to `then`.
    pub(super) fn answer<F, T>(self, then: T) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
        T: FnOnce(std::pin::Pin<Box<dyn Socket>>) -> F + Send + 'static,
    {
        self.0
            .read_buffer_size(MAX_FRAME_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * MAX_FRAME_BYTES)
            .max_message_size(MAX_FRAME_BYTES)
            .max_frame_size(MAX_FRAME_BYTES)
            .on_upgrade(|socket| then(Box::pin(frames(socket))))
    }
}

fn frames(socket: WebSocket) -> impl Socket {
    socket.with(|frame: Frame| ready(Ok::<_, SocketError>(message(frame)))).map(|got| got.map(frame))
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Data(bytes) => Message::Binary(bytes),
        Frame::Text(text) => Message::Text(text.into()),
        Frame::Alive => Message::Ping(Bytes::new()),
        Frame::Close(Closing { code, reason }) => Message::Close(Some(CloseFrame { code, reason: reason.into() })),
    }
}

fn frame(message: Message) -> Frame {
    match message {
        Message::Binary(bytes) => Frame::Data(bytes),
        Message::Text(text) => Frame::Text(text.as_str().to_owned()),
        Message::Ping(_) | Message::Pong(_) => Frame::Alive,
        Message::Close(frame) => {
            Frame::Close(frame.map_or_else(Closing::done, |frame| Closing::new(frame.code, frame.reason.as_str())))
        }
    }
}
