//! What a visitor is told where the container does not answer: little, and the same for everything that is not there.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use gridlease_sdk::node_api::{ErrorBody, codes};

/// Why a visitor is not led to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no such port, or it is not public: a visitor cannot tell which.
    Nothing,
    /// The request can be read in two ways.
    Unclear(&'static str),
    /// It has to show the port's token.
    Token,
    /// Another site's page asks, with the visitor's cookie.
    Foreign,
    /// Its method is not for a server behind another.
    Method,
    /// The container does not run yet, or not at this moment.
    NotYet,
    /// The container has ended.
    Ended,
    /// Too many visitors.
    Busy,
    /// Too many from one address.
    Greedy,
    /// Nothing listens.
    NotListening,
    /// What the container answers is no HTTP.
    Garbled,
    /// The container answers with pages one after another, which cannot be confined.
    Replacing,
    /// The connection ended before there was an answer.
    Broken,
    /// The container does not answer.
    Late,
}

impl Refusal {
    fn told(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Nothing => (StatusCode::NOT_FOUND, codes::NOT_FOUND, "there is nothing at this address"),
            Self::Unclear(reason) => (StatusCode::BAD_REQUEST, codes::BAD_BODY, reason),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                codes::TOKEN_REQUIRED,
                "this address wants a token; open it by the link that holds one",
            ),
            Self::Foreign => (StatusCode::FORBIDDEN, codes::TOKEN_REQUIRED, "a page of another site asked for this"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, codes::NOT_FOUND, "this method is not taken here"),
            Self::NotYet => (StatusCode::SERVICE_UNAVAILABLE, codes::WRONG_STATE, "it does not run at this moment"),
            Self::Ended => (StatusCode::GONE, codes::CONTAINER_ENDED, "it has ended"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, codes::BUSY, "there are as many visitors as may be"),
            Self::Greedy => (StatusCode::TOO_MANY_REQUESTS, codes::BUSY, "too many visits from one address at a time"),
            Self::NotListening => (StatusCode::BAD_GATEWAY, codes::NOT_LISTENING, "nothing listens there yet"),
            Self::Garbled => (StatusCode::BAD_GATEWAY, codes::BAD_ANSWER, "it answered with what is no HTTP"),
            Self::Replacing => (
                StatusCode::BAD_GATEWAY,
                codes::BAD_ANSWER,
                "it answered with multipart/x-mixed-replace, which is handed on at a name of its own only, not below a path",
            ),
            Self::Broken => (StatusCode::BAD_GATEWAY, codes::BAD_ANSWER, "it broke off before it answered"),
            Self::Late => (StatusCode::GATEWAY_TIMEOUT, codes::BAD_ANSWER, "it did not answer in time"),
        }
    }

    /// The answer: a page where the visitor is a person's browser (`page`), an [`ErrorBody`] else.
    pub fn answer(self, page: bool) -> Response {
        let (status, code, message) = self.told();
        let mut response = if page {
            let head = "<!doctype html><meta charset=utf-8><meta name=viewport content=\"width=device-width\">";
            Html(format!("{head}<title>{}</title><p>{message}\n", status.as_u16())).into_response()
        } else {
            Json(ErrorBody::new(code, message, "")).into_response()
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::NotYet | Self::Busy | Self::Greedy | Self::NotListening => {
                let seconds = if matches!(self, Self::NotYet | Self::NotListening) { "5" } else { "1" };
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
            }
            Self::Token => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"gridlease\""));
            }
            Self::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
            }
            _ => {}
        }
        response
    }
}

/// Whether a visitor is a person's browser.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}
