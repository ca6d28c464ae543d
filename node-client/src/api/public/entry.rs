//! Whether a visitor may come in. What it shows for that is taken out of the request, so that no container gets to see it.

use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use gridlease_sdk::node_api::public::{MAX_TOKEN, Public, TOKEN_HEADER, TOKEN_PARAMETER, token_hash};
use gridlease_sdk::node_api::tls::equal_in_constant_time;

use super::answers::Refusal;
use super::place::Place;
use crate::doors::Door;

/// The cookie that a browser keeps a token in, at a path of the node's and at a name of its own. What the prefixes promise, browsers
/// hold others to: no page of a neighbouring name can set one of these.
const COOKIES: [&str; 2] = ["__Secure-gridlease", "__Host-gridlease"];

/// Whether a cookie is the node's own.
pub(super) fn is_own_cookie(name: &str) -> bool {
    COOKIES.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Lets a visitor in (`None`), or answers it itself: a browser that brings its token in the address is given a cookie and sent on.
pub(super) fn enter(
    door: &Door,
    place: &Place,
    parts: &mut Parts,
    upgrades: bool,
) -> Result<Option<Response>, Refusal> {
    // All of them are taken out, whichever opens, and from an open port's visitors too: they may bring one of before.
    let asked = without_parameter(&mut parts.uri);
    let shown = parts.headers.remove(TOKEN_HEADER);
    let cookies = without_own_cookies(&mut parts.headers, COOKIES[usize::from(!place.shares_origin())]);
    if referer_tells(&parts.headers) {
        parts.headers.remove(header::REFERER);
    }
    if door.public == Public::Open {
        return Ok(None);
    }
    let opens = |token: &str| {
        let right = door.token.unwrap_or([0; 32]);
        let same = equal_in_constant_time(&token_hash(token), &right);
        same && door.token.is_some() && (1..=MAX_TOKEN).contains(&token.len())
    };
    if shown.as_ref().and_then(|value| value.to_str().ok()).is_some_and(opens) {
        return Ok(None);
    }
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    if bearer.is_some_and(opens) {
        parts.headers.remove(header::AUTHORIZATION);
        return Ok(None);
    }
    if let Some(token) = asked.iter().find(|token| opens(token)) {
        let looks = !upgrades && matches!(parts.method, Method::GET | Method::HEAD) && is_navigation(&parts.headers);
        return Ok(looks.then(|| sent_on(place, &parts.uri, token)));
    }
    if is_preflight(parts) {
        // A browser asks so before every request of a page with a token in a header, and shows none. Nothing else is let through.
        for name in [header::AUTHORIZATION, header::COOKIE, header::REFERER] {
            parts.headers.remove(name);
        }
        let mut bare = std::mem::take(&mut parts.uri).into_parts();
        bare.path_and_query = bare.path_and_query.and_then(|target| target.path().parse().ok());
        parts.uri = Uri::from_parts(bare).unwrap_or_default();
        return Ok(None);
    }
    if cookies.iter().any(|token| opens(token)) {
        return if is_own_doing(parts, place, upgrades) { Ok(None) } else { Err(Refusal::Foreign) };
    }
    Err(Refusal::Token)
}

/// Whether a browser asks for a page whether it may send a request. It has no body.
pub(super) fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(header::ORIGIN)
        && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Takes the token's parameters out of a target, and returns their values.
fn without_parameter(uri: &mut Uri) -> Vec<String> {
    let Some(query) = uri.query().filter(|query| query.contains(TOKEN_PARAMETER)) else { return Vec::new() };
    let (mut tokens, mut left) = (Vec::new(), Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=').unwrap_or((pair, "")) {
            (TOKEN_PARAMETER, token) => tokens.push(token.to_owned()),
            _ => left.push(pair),
        }
    }
    let mut target = uri.path().to_owned();
    if !left.is_empty() {
        target = format!("{target}?{}", left.join("&"));
    }
    let mut parts = std::mem::take(uri).into_parts();
    // A part of a good target is one.
    parts.path_and_query = target.parse().ok().or_else(|| Some(PathAndQuery::from_static("/")));
    *uri = Uri::from_parts(parts).unwrap_or_default();
    tokens
}

/// Takes the node's own cookies out, and returns the values of the one called `wanted`.
fn without_own_cookies(headers: &mut HeaderMap, wanted: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    if !headers.contains_key(header::COOKIE) {
        return tokens;
    }
    let mut left: Vec<&[u8]> = Vec::new();
    for pair in headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';')) {
        let pair = pair.trim_ascii();
        let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len()));
        match std::str::from_utf8(name.trim_ascii()) {
            Ok(name) if is_own_cookie(name) => {
                let value = std::str::from_utf8(value).ok().and_then(|value| value.strip_prefix('='));
                tokens.extend(value.filter(|_| name == wanted).map(|value| value.trim().to_owned()));
            }
            _ if pair.is_empty() => {}
            _ => left.push(pair),
        }
    }
    let left = left.join(&b"; "[..]);
    headers.remove(header::COOKIE);
    if let (false, Ok(left)) = (left.is_empty(), HeaderValue::from_bytes(&left)) {
        headers.insert(header::COOKIE, left);
    }
    tokens
}

/// Whether where a visitor comes from has a token in it.
fn referer_tells(headers: &HeaderMap) -> bool {
    let referer = headers.get(header::REFERER).map_or(&b""[..], HeaderValue::as_bytes);
    referer.windows(TOKEN_PARAMETER.len()).any(|part| part == TOKEN_PARAMETER.as_bytes())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a person's browser wants a page to show in a window of its own.
fn is_navigation(headers: &HeaderMap) -> bool {
    match text(headers, "sec-fetch-mode") {
        Some(mode) => mode == "navigate" && text(headers, "sec-fetch-dest") == Some("document"),
        None => text(headers, "accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Whether a request that only a cookie opens was made by a page of the port itself, or is a person's going there. A browser sends
/// cookies along with what other sites' pages ask for, too, and ports at neighbouring names are one site to it.
fn is_own_doing(parts: &Parts, place: &Place, upgrades: bool) -> bool {
    let reads = matches!(parts.method, Method::GET | Method::HEAD) && !upgrades;
    match text(&parts.headers, "sec-fetch-site") {
        // A path shares its origin with the paths of other leases. Their pages have no origin in a browser that says where a request
        // comes from, and so this is none of theirs.
        Some("same-origin" | "none") => true,
        Some(_) => reads && is_navigation(&parts.headers),
        None => match text(&parts.headers, "origin") {
            Some(origin) => {
                origin.strip_prefix("https://").is_some_and(|origin| origin.eq_ignore_ascii_case(&place.host))
            }
            None => reads,
        },
    }
}

/// Gives a browser its token as a cookie, and sends it to the same address without it.
fn sent_on(place: &Place, uri: &Uri, token: &str) -> Response {
    let path = if place.shares_origin() { place.prefix.as_str() } else { "" };
    let name = COOKIES[usize::from(!place.shares_origin())];
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let headers = [
        // With the host, so that a path that begins with two slashes is none.
        (header::LOCATION, format!("https://{}{target}", place.host)),
        // Not `Strict`: a browser that follows a link from elsewhere would then not send it to where it is sent on.
        (header::SET_COOKIE, format!("{name}={token}; Path={path}/; Secure; HttpOnly; SameSite=Lax")),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use gridlease_sdk::node_api::public::prefix;
    use solana_pubkey::Pubkey;

    const TOKEN: &str = "of-this-port";

    fn door(public: Public) -> Door {
        let token = (public == Public::Token).then(|| token_hash(TOKEN));
        Door { port: 80, name: "web".to_owned(), public, token, changed: Default::default() }
    }

    fn place(host_form: bool) -> Place {
        let lease = Pubkey::new_from_array([1; 32]);
        let prefix = if host_form { String::new() } else { prefix(&lease, "web") };
        Place { lease, name: "web".to_owned(), prefix, host: "web.example".to_owned() }
    }

    fn parts(target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn try_in(place: &Place, mut parts: Parts, upgrades: bool) -> (Result<Option<Response>, Refusal>, Parts) {
        (enter(&door(Public::Token), place, &mut parts, upgrades), parts)
    }

    fn is_let_in(headers: &[(&str, &str)]) -> bool {
        matches!(try_in(&place(true), parts("/", headers), false).0, Ok(None))
    }

    #[test]
    fn threat_13_a_token_opens_however_it_is_brought_and_never_reaches_the_container() {
        for (target, headers) in [
            ("/x?a=1", [("authorization", "Bearer of-this-port"), ("x-other", "kept")]),
            ("/x?a=1", [("x-gridlease-token", "of-this-port"), ("x-other", "kept")]),
            ("/x?gridlease_token=of-this-port&a=1", [("accept", "*/*"), ("x-other", "kept")]),
            ("/x?a=1", [("cookie", "a=b; __Host-gridlease=of-this-port ;c"), ("x-other", "kept")]),
        ] {
            let (entered, parts) = try_in(&place(true), parts(target, &headers), false);
            assert!(matches!(entered, Ok(None)), "{headers:?}");
            assert_eq!(parts.uri, "/x?a=1");
            assert!(!format!("{parts:?}").contains(TOKEN), "{parts:?}");
            assert_eq!(parts.headers["x-other"], "kept");
            assert!(parts.headers.get("cookie").is_none_or(|left| left == "a=b; c"), "{parts:?}");
        }
        let (entered, parts) = try_in(
            &place(true),
            parts("/", &[("authorization", "Bearer the-containers-own"), ("x-gridlease-token", TOKEN)]),
            false,
        );
        assert!(entered.is_ok() && parts.headers["authorization"] == "Bearer the-containers-own");
        let mut open =
            self::parts("/?gridlease_token=x", &[("x-gridlease-token", "x"), ("cookie", "__host-Gridlease=x")]);
        assert!(matches!(enter(&door(Public::Open), &place(true), &mut open, false), Ok(None)));
        assert!(open.uri == "/" && open.headers.is_empty(), "{open:?}");
    }

    #[test]
    fn threat_13_no_token_a_wrong_one_and_one_before_any_was_made_open_nothing() {
        let long = "x".repeat(10_000);
        for wrong in ["", "of-this-por", "of-this-port2", "OF-THIS-PORT", &long] {
            let bearer = format!("Bearer {wrong}");
            assert!(!is_let_in(&[("authorization", &bearer)]), "{wrong}");
            let cookie = format!("__Host-gridlease={wrong}; __Secure-gridlease=of-this-port");
            assert!(!is_let_in(&[("x-gridlease-token", wrong), ("cookie", &cookie)]), "{wrong}");
        }
        assert!(!is_let_in(&[("authorization", "Basic of-this-port")]));
        let none = Door { token: None, ..door(Public::Token) };
        let mut parts = parts("/", &[("authorization", "Bearer x")]);
        assert!(matches!(enter(&none, &place(true), &mut parts, false), Err(Refusal::Token)));
    }

    #[test]
    fn a_browser_is_given_a_cookie_and_sent_to_the_address_without_the_token() {
        let visit = |host_form: bool, path: &str| {
            let place = place(host_form);
            let target = format!("{}{path}", place.prefix);
            let navigates = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
            let (entered, _) = try_in(&place, parts(&target, &navigates), false);
            let answer = entered.unwrap().unwrap();
            assert_eq!(answer.status(), StatusCode::SEE_OTHER);
            assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
            let told = |name| answer.headers()[name].to_str().unwrap().to_owned();
            (told("location"), told("set-cookie"))
        };
        let (location, cookie) = visit(true, "//evil.example/?gridlease_token=of-this-port&a=b");
        assert_eq!(location, "https://web.example//evil.example/?a=b");
        assert_eq!(cookie, "__Host-gridlease=of-this-port; Path=/; Secure; HttpOnly; SameSite=Lax");
        let (location, cookie) = visit(false, "/?gridlease_token=of-this-port");
        let prefix = place(false).prefix;
        assert_eq!(location, format!("https://web.example{prefix}/"));
        assert_eq!(cookie, format!("__Secure-gridlease=of-this-port; Path={prefix}/; Secure; HttpOnly; SameSite=Lax"));
    }

    #[test]
    fn threat_13_another_sites_page_does_nothing_with_a_visitors_cookie() {
        let by = |method: Method, upgrades: bool, said: &[(&str, &str)]| {
            let mut headers = vec![("cookie", "__Host-gridlease=of-this-port")];
            headers.extend(said);
            let mut parts = parts("/", &headers);
            parts.method = method;
            matches!(try_in(&place(true), parts, upgrades).0, Ok(None))
        };
        let site = |site| vec![("sec-fetch-site", site)];
        let link =
            |site, dest| vec![("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)];
        for method in [Method::GET, Method::POST] {
            assert!(by(method.clone(), false, &site("same-origin")));
            assert!(by(method.clone(), false, &[("origin", "https://web.example")]));
            for foreign in ["same-site", "cross-site"] {
                assert!(!by(method.clone(), false, &site(foreign)), "{method} {foreign}");
                assert!(!by(method.clone(), false, &link(foreign, "iframe")), "{method} {foreign}");
            }
            for origin in ["https://other.example", "null", "http://web.example", "https://web.example.evil"] {
                assert!(!by(method.clone(), false, &[("origin", origin)]), "{method} {origin}");
            }
        }
        assert!(by(Method::GET, false, &link("cross-site", "document")), "a link is followed");
        assert!(!by(Method::POST, false, &link("cross-site", "document")), "a form is not");
        assert!(by(Method::GET, false, &[]) && !by(Method::POST, false, &[]), "one that says nothing reads");
        assert!(!by(Method::GET, true, &link("cross-site", "document")) && !by(Method::GET, true, &[]));
        assert!(by(Method::GET, true, &[("origin", "https://web.example")]));
    }

    #[test]
    fn a_browsers_question_whether_a_page_may_ask_needs_no_token_and_brings_nothing_else_in() {
        let asks = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
        let with = |more: &[(&'static str, &'static str)]| [&asks[..], more].concat();
        let ask = |method: Method, headers: &[(&str, &str)]| {
            let mut parts = parts("/x?a=b", headers);
            parts.method = method;
            try_in(&place(true), parts, false)
        };
        let secrets = [("cookie", "a=b; __Host-gridlease=x"), ("authorization", "Basic x"), ("x-kept", "1")];
        let (entered, parts) = ask(Method::OPTIONS, &with(&secrets));
        assert!(matches!(entered, Ok(None)));
        assert_eq!(parts.uri, "/x");
        let mut names: Vec<_> = parts.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["access-control-request-method", "origin", "x-kept"]);
        for method in [Method::GET, Method::POST, Method::HEAD] {
            assert!(ask(method.clone(), &asks).0.is_err(), "{method}");
        }
        for half in [&asks[..1], &asks[1..]] {
            assert!(matches!(ask(Method::OPTIONS, half).0, Err(Refusal::Token)), "{half:?}");
        }
    }

    #[test]
    fn where_a_visitor_comes_from_tells_no_token() {
        let referer = "https://web.example/?gridlease_token=of-this-port";
        let (_, parts) = try_in(&place(true), parts("/", &[("referer", referer), ("x-gridlease-token", TOKEN)]), false);
        assert!(parts.headers.is_empty(), "{parts:?}");
    }
}
