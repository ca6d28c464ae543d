//! Refusals.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use gridlease_sdk::node_api::auth::AuthError;
use gridlease_sdk::node_api::{ErrorBody, codes};

use super::body::Broken;
use crate::runnable::NotRunnable;

/// A refused request: its status, and what the answer's body says.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: Box<ErrorBody>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>, hint: &str) -> Self {
        Self { status, body: Box::new(ErrorBody::new(code, message, hint)) }
    }

    pub(super) fn not_found(what: impl Into<String>, hint: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, codes::NOT_FOUND, what, hint)
    }

    /// The node has no job or lease of this address, or has not heard of it yet.
    pub(super) fn not_known_yet(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            codes::NOT_KNOWN_YET,
            format!("this node has no {what} of that address"),
            "a node hears of its award some seconds later: try again; if it stays, ask the chain which provider has the lease",
        )
    }

    /// The lease's container has ended.
    pub(super) fn container_ended() -> Self {
        Self::new(StatusCode::CONFLICT, codes::CONTAINER_ENDED, "the lease's container has ended", "")
    }

    /// The path takes a websocket only.
    pub(super) fn upgrade_required() -> Self {
        Self::new(
            StatusCode::UPGRADE_REQUIRED,
            codes::UPGRADE_REQUIRED,
            "this path takes a websocket's handshake over HTTP/1.1 only",
            "use `gridlease job port-forward` or `gridlease job exec`",
        )
    }

    pub(super) fn wrong_state(what: impl Into<String>, hint: &str) -> Self {
        Self::new(StatusCode::CONFLICT, codes::WRONG_STATE, what, hint)
    }

    pub(super) fn too_large(limit: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, codes::TOO_LARGE, format!("the body has more than {limit} bytes"), "")
    }

    pub(super) fn no_room(room: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            codes::TOO_LARGE,
            format!("the job's disk has room for {room} more bytes of inputs"),
            "raise resources.disk and post the job again",
        )
    }

    pub(super) fn hash_mismatch(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            codes::HASH_MISMATCH,
            message,
            "send exactly the bytes that were hashed",
        )
    }

    pub(super) fn bad_body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, codes::BAD_BODY, message, "")
    }

    pub(super) fn not_runnable(error: &NotRunnable) -> Self {
        let hint = "post the job again without what the message names; this lease cannot start";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, codes::NOT_RUNNABLE, error.to_string(), hint)
    }

    pub(super) fn busy(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, codes::BUSY, message, "wait a second and try again")
    }

    /// The node's own fault. The details go to the node's log, not to the buyer.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request failed: {error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            codes::INTERNAL,
            "the node failed",
            "try again; if it stays, tell the provider",
        )
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let status = match error {
            AuthError::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::UNAUTHORIZED,
        };
        Self::new(status, error.code(), error.to_string(), "")
    }
}

impl From<Broken> for ApiError {
    fn from(error: Broken) -> Self {
        match error {
            Broken::TakenBack => Self::busy(&format!("the body was not taken: {error}")),
            Broken::TooLarge(limit) => Self::too_large(limit as u64),
            Broken::TooSlow { .. } | Broken::Transfer(_) => {
                Self::bad_body(format!("the body is not complete: {error}"))
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(*self.body)).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

pub(super) async fn no_such_path() -> ApiError {
    ApiError::not_found("there is nothing at this path", "the paths are those of version 1 of the node's interface")
}

pub(super) async fn no_such_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, codes::NOT_FOUND, "this path does not take this method", "")
}
