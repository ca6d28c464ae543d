//! A visitor's request as the container gets it.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header};

use super::place::Place;

/// What is between two neighbours on the way, and what the node says itself: a visitor's word for it is not handed on.
const DROPPED: [&str; 24] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    // The body's own length is written anew.
    "content-length",
    "expect",
    "host",
    "forwarded",
    "via",
    // Where servers look for who asks, and for what, behind other servers than this.
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-script-name",
    "remote-user",
];
/// The same of every name that begins so.
const DROPPED_PREFIXES: [&str; 2] = ["x-gridlease-", "x-forwarded-"];

/// The names that a `Connection` header lists: they are between neighbours, too.
pub(super) fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

/// Whether a header is not handed on. Some servers take `_` for `-`, so that a name with it says the same.
fn is_dropped(name: &HeaderName) -> bool {
    let name = name.as_str();
    let dropped =
        |name: &str| DROPPED.contains(&name) || DROPPED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    dropped(name) || (name.contains('_') && dropped(&name.replace('_', "-")))
}

/// Whether a request begins a websocket. Nothing else that a connection may turn into is let through: behind `h2c` for instance
/// requests would follow that nobody looks at.
pub(super) fn is_websocket(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && listed(&parts.headers).contains(&header::UPGRADE)
        && says_websocket(&parts.headers)
}

/// Whether the one thing that a connection shall turn into is a websocket.
pub(super) fn says_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(header::UPGRADE).iter();
    let first = upgrades.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    first && upgrades.next().is_none()
}

/// The request for the container, without its body. `None`: it cannot be written.
pub(super) fn outgoing(parts: &Parts, place: &Place, peer: IpAddr, websocket: bool) -> Option<Request<()>> {
    let path = place.inner(parts.uri.path());
    let target = match parts.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = Uri::builder().path_and_query(target).build().ok()?;
    let listed = listed(&parts.headers);
    let headers = request.headers_mut();
    headers.reserve(parts.headers.len() + 6);
    // First, as servers like to have it.
    headers.insert(header::HOST, HeaderValue::from_str(&place.host).ok()?);
    for (name, value) in &parts.headers {
        if !is_dropped(name) && !listed.contains(name) {
            headers.append(name, value.clone());
        }
    }
    if websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    let peer = HeaderValue::from_str(&peer.to_canonical().to_string()).ok()?;
    headers.insert("x-real-ip", peer.clone());
    headers.insert("x-forwarded-for", peer);
    headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    headers.insert("x-forwarded-host", HeaderValue::from_str(&place.host).ok()?);
    if place.shares_origin() {
        headers.insert("x-forwarded-prefix", HeaderValue::from_str(&place.prefix).ok()?);
    }
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_pubkey::Pubkey;

    fn place() -> Place {
        let lease = Pubkey::new_from_array([1; 32]);
        Place { lease, name: "web".to_owned(), prefix: "/s/x/web".to_owned(), host: "node:8443".to_owned() }
    }

    fn sent(headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri("/s/x/web/a//b?c=d&e");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        outgoing(&request.body(()).unwrap().into_parts().0, &place(), [192, 0, 2, 7].into(), false).unwrap()
    }

    #[test]
    fn a_container_sees_its_own_path_and_who_asks_by_the_nodes_word() {
        let request = sent(&[("x-forwarded-for", "1.1.1.1"), ("accept", "a"), ("cookie", "b=c")]);
        assert_eq!(request.uri(), "/a//b?c=d&e");
        let mut headers: Vec<_> =
            request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        headers.sort();
        assert_eq!(
            headers,
            [
                "accept: a",
                "cookie: b=c",
                "host: node:8443",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-host: node:8443",
                "x-forwarded-prefix: /s/x/web",
                "x-forwarded-proto: https",
                "x-real-ip: 192.0.2.7",
            ]
        );
    }

    #[test]
    fn threat_13_what_is_between_neighbours_or_the_nodes_own_is_not_handed_on_in_any_spelling() {
        let plain = sent(&[]).headers().len();
        for (name, value) in [
            ("connection", "x-secret, keep-alive"),
            ("Keep-Alive", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("Transfer_Encoding", "chunked"),
            ("content-length", "5"),
            ("content_length", "5"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("expect", "100-continue"),
            ("proxy-authorization", "x"),
            ("forwarded", "for=1.1.1.1"),
            ("X-Forwarded-Prefix", "/x"),
            ("x_forwarded_for", "1.1.1.1"),
            ("X-Forwarded-User", "admin"),
            ("x_forwarded_groups", "admin"),
            ("X-Original-URL", "/admin"),
            ("X-Rewrite-URL", "/admin"),
            ("x_script_name", "/admin"),
            ("X-Client-IP", "127.0.0.1"),
            ("X-Real-IP", "127.0.0.1"),
            ("True-Client-IP", "127.0.0.1"),
            ("CF-Connecting-IP", "127.0.0.1"),
            ("Remote_User", "admin"),
            ("x-gridlease-key", "x"),
            ("x-gridlease-signature", "x"),
            ("x_gridlease_token", "x"),
        ] {
            let request = sent(&[(name, value), ("x-kept", "1"), ("x-secret", "x")]);
            assert_eq!(request.headers()["x-kept"], "1");
            let listed = usize::from(name != "connection");
            assert_eq!(request.headers().len(), plain + 1 + listed, "{name}: {request:?}");
        }
    }

    #[test]
    fn only_a_websocket_is_let_through_as_something_else_than_http() {
        let is = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            is_websocket(&request.body(()).unwrap().into_parts().0)
        };
        assert!(is(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]));
        assert!(!is(&[("connection", "keep-alive"), ("upgrade", "websocket")]));
        assert!(!is(&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c")]));
        assert!(!is(&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")]));
        assert!(!is(&[("connection", "upgrade"), ("upgrade", "websocket, h2c")]));
    }
}
