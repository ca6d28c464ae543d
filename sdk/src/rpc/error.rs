//! What can go wrong with one JSON-RPC request, in words that say what to do.

use std::time::Duration;

use solana_rpc_client_api::{
    client_error::{Error as ClientError, ErrorKind},
    custom_error::{
        JSON_RPC_SERVER_ERROR_BLOCK_NOT_AVAILABLE, JSON_RPC_SERVER_ERROR_BLOCK_STATUS_NOT_AVAILABLE_YET,
        JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED, JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY,
        JSON_RPC_SERVER_ERROR_TRANSACTION_SIGNATURE_LEN_MISMATCH,
        JSON_RPC_SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE,
    },
    request::RpcError as RequestError,
};

use super::{ClusterUrl, UrlError};

/// Longest text of a server that is repeated in an error, in characters.
const MAX_TEXT: usize = 400;
/// JSON-RPC: something went wrong inside the server.
const JSON_RPC_INTERNAL_ERROR: i64 = -32_603;
/// JSON-RPC: the parameters are invalid.
const JSON_RPC_INVALID_PARAMS: i64 = -32_602;

/// A JSON-RPC request that failed. The address in it never contains a key.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The address given is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// No connection, or it broke.
    #[error("RPC at {url} cannot be reached ({doing}): {reason}; check --url or start the local network")]
    Unreachable {
        /// Where.
        url: String,
        /// During what.
        doing: &'static str,
        /// Why.
        reason: String,
    },
    /// Connected, but no answer in time.
    #[error(
        "RPC at {url} did not answer within {} ms ({doing}); it is overloaded or stuck: try again, or choose another with --url",
        .after.as_millis()
    )]
    Timeout {
        /// Where.
        url: String,
        /// During what.
        doing: &'static str,
        /// The time limit.
        after: Duration,
    },
    /// An HTTP status instead of an answer.
    #[error("RPC at {url} answered {doing} with HTTP status {status}; {}", http_advice(*status))]
    Http {
        /// Where.
        url: String,
        /// During what.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The server understood and refused.
    #[error("RPC at {url} refused {doing}: {message} (code {code})")]
    Refused {
        /// Where.
        url: String,
        /// During what.
        doing: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The server's words.
        message: String,
    },
    /// An answer that is not what was asked for.
    #[error("RPC at {url} gave no sensible answer to {doing}: {reason}; is it a Solana RPC?")]
    Malformed {
        /// Where.
        url: String,
        /// During what.
        doing: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The request itself is out of bounds; nothing was asked.
    #[error("{doing} was not asked for: {reason}")]
    Invalid {
        /// What was wanted.
        doing: &'static str,
        /// What is out of bounds.
        reason: String,
    },
}

fn http_advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "it wants a key, or another one: check --url",
        404 => "there is no RPC at this path: check --url",
        429 => "too many requests: wait, or choose another with --url",
        500..=599 => "its trouble: try again, or choose another with --url",
        _ => "check --url",
    }
}

impl RpcError {
    /// Whether the same request may well succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Http { status, .. } => *status == 429 || *status == 408 || *status >= 500,
            Self::Refused { code, .. } => matches!(
                *code,
                JSON_RPC_INTERNAL_ERROR
                    | JSON_RPC_SERVER_ERROR_NODE_UNHEALTHY
                    | JSON_RPC_SERVER_ERROR_BLOCK_NOT_AVAILABLE
                    | JSON_RPC_SERVER_ERROR_BLOCK_STATUS_NOT_AVAILABLE_YET
                    | JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED
            ),
            Self::Url(_) | Self::Malformed { .. } | Self::Invalid { .. } => false,
        }
    }

    /// Whether it is the endpoint that failed, and not what it was asked: then nothing else that it is asked now is likely
    /// to fare better. A server that refuses its clients, answers with a web page or breaks off in the middle is one, too.
    pub fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Refused { code, .. } => !matches!(
                *code,
                JSON_RPC_INVALID_PARAMS
                    | JSON_RPC_SERVER_ERROR_TRANSACTION_SIGNATURE_VERIFICATION_FAILURE
                    | JSON_RPC_SERVER_ERROR_TRANSACTION_SIGNATURE_LEN_MISMATCH
            ),
            Self::Url(_) | Self::Invalid { .. } => false,
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Http { .. } | Self::Malformed { .. } => true,
        }
    }

    /// Whether the server has only not come as far as the slot asked for.
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Refused { code: JSON_RPC_SERVER_ERROR_MIN_CONTEXT_SLOT_NOT_REACHED, .. })
    }

    /// Whether the server does not know the blockhash of what was sent: it is too old, or younger than the server's state.
    pub fn is_unknown_blockhash(&self) -> bool {
        let Self::Refused { message, .. } = self else { return false };
        message.contains("Blockhash not found") || message.contains("BlockhashNotFound")
    }

    pub(super) fn from_client(error: ClientError, at: &ClusterUrl, doing: &'static str, limit: Duration) -> Self {
        let url = at.shown_rpc();
        match *error.kind {
            ErrorKind::Reqwest(error) => {
                // The address of the request is printed otherwise, and with it the key.
                let error = error.without_url();
                if let Some(status) = error.status() {
                    let status = status.as_u16();
                    return Self::Http { url, doing, status };
                }
                if error.is_timeout() && !error.is_connect() {
                    let after = limit;
                    return Self::Timeout { url, doing, after };
                }
                let reason = redact(&innermost(&error), at);
                // Broken off in the middle, which says nothing about the next answer.
                if error.is_decode() && ends_early(&error) {
                    return Self::Unreachable { url, doing, reason: format!("the answer was cut off: {reason}") };
                }
                if error.is_decode() && !error.is_body() {
                    return Self::Malformed { url, doing, reason };
                }
                Self::Unreachable { url, doing, reason }
            }
            ErrorKind::Io(error) => Self::Unreachable { url, doing, reason: error.to_string() },
            ErrorKind::RpcError(RequestError::RpcResponseError { code, message, .. }) => {
                Self::Refused { url, doing, code, message: redact(&message, at) }
            }
            other => Self::Malformed { url, doing, reason: redact(&other.to_string(), at) },
        }
    }
}

/// Is it JSON that ends before its end? An answer without a byte is none.
fn ends_early(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(json) = error.downcast_ref::<serde_json::Error>() {
            return json.is_eof() && (json.line(), json.column()) != (1, 0);
        }
        cause = error.source();
    }
    false
}

/// The last cause: the outer ones say no more than that a request failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// A foreign text, bounded and without the address in full.
pub(super) fn redact(text: &str, at: &ClusterUrl) -> String {
    let mut text = text.to_owned();
    for (full, shown) in [(at.rpc(), at.shown_rpc()), (at.ws(), at.shown_ws())] {
        text = text.replace(full, &shown);
        // The same without the slash that parsing adds.
        text = text.replace(full.trim_end_matches('/'), &shown);
    }
    if text.chars().count() > MAX_TEXT {
        text = text.chars().take(MAX_TEXT).chain(['…']).collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> ClusterUrl {
        ClusterUrl::parse("https://rpc.example/secret?api-key=secret").unwrap()
    }

    fn refused(code: i64) -> RpcError {
        RpcError::Refused { url: String::new(), doing: "a test", code, message: String::new() }
    }

    #[test]
    fn errors_are_small_enough_to_be_returned_everywhere() {
        assert!(size_of::<RpcError>() < 160);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_transient() {
        assert!(refused(-32005).is_transient());
        assert!(refused(-32603).is_transient());
        assert!(!refused(-32602).is_transient());
        for (status, transient) in [(429, true), (503, true), (403, false), (404, false)] {
            let error = RpcError::Http { url: String::new(), doing: "a test", status };
            assert_eq!(error.is_transient(), transient, "{status}");
        }
    }

    #[test]
    fn issue9_17_what_is_wrong_with_the_endpoint_is_told_apart_from_what_is_wrong_with_the_request() {
        let (url, doing) = (String::new(), "a test");
        for code in [-32_603, -32_005, -32_601, -32_002, -32_016, 429] {
            assert!(refused(code).is_of_endpoint(), "{code}");
        }
        for code in [-32_602, -32_003, -32_013] {
            assert!(!refused(code).is_of_endpoint(), "{code}");
        }
        assert!(RpcError::Http { url: url.clone(), doing, status: 403 }.is_of_endpoint());
        assert!(RpcError::Malformed { url, doing, reason: "a web page".to_owned() }.is_of_endpoint());
        assert!(!RpcError::Invalid { doing, reason: "too many keys".to_owned() }.is_of_endpoint());
    }

    #[test]
    fn a_servers_words_are_bounded_and_lose_the_key() {
        let error = RpcError::from_client(
            RequestError::RpcResponseError {
                code: -32000,
                message: format!("no such key at {} {}", at().rpc(), "x".repeat(5_000)),
                data: solana_rpc_client_api::request::RpcResponseErrorData::Empty,
            }
            .into(),
            &at(),
            "getting an account",
            Duration::from_secs(1),
        );
        let text = error.to_string();
        assert!(text.contains("https://rpc.example refused"), "{text}");
        assert!(!text.contains("secret") && text.len() < 600, "{text}");
    }
}
