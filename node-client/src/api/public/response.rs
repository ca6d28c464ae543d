//! A container's answer as a visitor gets it.

use axum::http::response::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use url::Url;

use super::entry::is_own_cookie;
use super::place::Place;
use super::request::listed;

/// What is between two neighbours on the way, and what would speak for more than the port: for the node's whole name with all its
/// ports, for what a browser keeps of it, or for where it is reached.
const DROPPED: [&str; 22] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "alt-svc",
    "clear-site-data",
    "nel",
    "report-to",
    "reporting-endpoints",
    "strict-transport-security",
    "public-key-pins",
    "public-key-pins-report-only",
    "expect-ct",
    "accept-ch",
    "critical-ch",
    "set-login",
    "service-worker-allowed",
];

/// What speaks for the whole origin, where that is shared with other leases' ports. A browser that learned a password here would show
/// it to all of them.
const DROPPED_BY_PATH: [&str; 5] = [
    "www-authenticate",
    "use-as-dictionary",
    "secure-session-registration",
    "sec-session-registration",
    "observe-browsing-topics",
];
/// The same of every name that begins so.
const DROPPED_BY_PATH_PREFIX: &str = "attribution-reporting-";

/// For every page below a path. The pages of all leases have the node's origin there, so each gets none at all: it cannot read what
/// another shows, nor cookies, nor a browser's stores, nor leave a worker behind.
const SANDBOX: HeaderValue = HeaderValue::from_static(
    "sandbox allow-downloads allow-forms allow-modals allow-orientation-lock allow-pointer-lock allow-popups allow-presentation allow-scripts",
);

/// Makes an answer's head one for a visitor. `path` is what the visitor asked for, as the container saw it.
pub(super) fn incoming(parts: &mut Parts, place: &Place, path: &str) {
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let headers = &mut parts.headers;
    for name in listed(headers) {
        headers.remove(name);
    }
    for name in DROPPED {
        headers.remove(name);
    }
    cookies(headers, place);
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some(told) = headers.get(&name) {
            let kept = text(told).and_then(|told| location(told, place, path));
            match kept.and_then(|kept| HeaderValue::from_str(&kept).ok()) {
                Some(kept) => headers.insert(name, kept),
                None => headers.remove(name),
            };
        }
    }
    if place.shares_origin() {
        for name in DROPPED_BY_PATH {
            headers.remove(name);
        }
        let more: Vec<_> =
            headers.keys().filter(|name| name.as_str().starts_with(DROPPED_BY_PATH_PREFIX)).cloned().collect();
        for name in more {
            headers.remove(name);
        }
        if let Some(told) = headers.remove(header::REFRESH)
            && let Some(kept) = text(&told).and_then(|told| refresh(told, place, path))
        {
            headers.insert(header::REFRESH, kept);
        }
        headers.append(header::CONTENT_SECURITY_POLICY, SANDBOX);
    }
}

/// Whether an answer is pages one after another, of which each has a head that nobody looks at.
pub(super) fn is_replacing(headers: &HeaderMap) -> bool {
    let replaces = |value: &HeaderValue| {
        let kind = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"multipart/x-mixed-replace")
    };
    headers.get_all(header::CONTENT_TYPE).iter().any(replaces)
}

/// Some servers write addresses as they are read.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// When and where an answer sends a visitor on by itself, as in `5; url=/next`.
fn refresh(told: &str, place: &Place, path: &str) -> Option<HeaderValue> {
    let (seconds, rest) = told.split_once([';', ',']).unwrap_or((told, ""));
    let (seconds, rest) = (seconds.trim(), rest.trim());
    if seconds.is_empty() || !seconds.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let named = rest.get(..3).filter(|name| name.eq_ignore_ascii_case("url")).and_then(|_| rest.get(3..));
    let target = named.and_then(|rest| rest.trim_start().strip_prefix('=')).unwrap_or(rest);
    let target = target.trim().trim_matches(['"', '\'']);
    if target.is_empty() {
        return HeaderValue::from_str(seconds).ok();
    }
    HeaderValue::from_str(&format!("{seconds}; url={}", location(target, place, path)?)).ok()
}

/// Where an answer sends a visitor: below the port's prefix, or to another host. `None`: nowhere that can be read.
fn location(told: &str, place: &Place, path: &str) -> Option<String> {
    let mut base = Url::parse(&format!("https://{}", place.host)).ok()?;
    base.set_path(path);
    let meant = base.join(told).ok()?;
    // A server that does not know of the TLS before it says `http`.
    let same = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
    let here = same(&meant) == same(&base)
        || (meant.scheme() == "http" && meant.host_str() == base.host_str() && meant.port() == base.port());
    if !here || !matches!(meant.scheme(), "http" | "https") {
        return Some(if told.is_ascii() { told.to_owned() } else { meant.into() });
    }
    let rest = &meant[url::Position::BeforePath..];
    let path = within(rest, place);
    // A path that begins with two slashes would be read as a host.
    let authority: Authority = place.host.parse().ok()?;
    Some(if path.starts_with("//") { format!("https://{authority}{path}") } else { path })
}

/// A path below the prefix, once.
fn within(path: &str, place: &Place) -> String {
    let already =
        path.strip_prefix(&place.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    if already { path.to_owned() } else { format!("{}{path}", place.prefix) }
}

/// Cookies are for the port that sets them: for no other host, no other path, and never the node's own.
fn cookies(headers: &mut HeaderMap, place: &Place) {
    if !headers.contains_key(header::SET_COOKIE) {
        return;
    }
    let kept: Vec<_> = headers.get_all(header::SET_COOKIE).iter().filter_map(|set| cookie(set, place)).collect();
    headers.remove(header::SET_COOKIE);
    for set in kept {
        headers.append(header::SET_COOKIE, set);
    }
}

fn cookie(set: &HeaderValue, place: &Place) -> Option<HeaderValue> {
    let text = std::str::from_utf8(set.as_bytes()).ok()?;
    let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
    let name = pair.split_once('=')?.0.trim();
    if name.is_empty() || is_own_cookie(name) {
        return None;
    }
    let mut kept = pair.to_owned();
    for attribute in attributes.split(';') {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || key.eq_ignore_ascii_case("domain") {
            continue;
        }
        let path = key.eq_ignore_ascii_case("path") && place.shares_origin();
        match path {
            true if value.starts_with('/') => kept.push_str(&format!("; Path={}", within(value, place))),
            true => {}
            false => kept.push_str(&format!(";{attribute}")),
        }
    }
    HeaderValue::from_bytes(kept.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Response;
    use solana_pubkey::Pubkey;

    fn place(host_form: bool) -> Place {
        let lease = Pubkey::new_from_array([1; 32]);
        let prefix = if host_form { "" } else { "/s/x/web" };
        Place { lease, name: "web".to_owned(), prefix: prefix.to_owned(), host: "node:8443".to_owned() }
    }

    fn told(host_form: bool, headers: &[(&str, &str)]) -> HeaderMap {
        let mut response = Response::builder();
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (mut parts, ()) = response.body(()).unwrap().into_parts();
        incoming(&mut parts, &place(host_form), "/dir/page");
        parts.headers
    }

    fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn threat_13_pages_that_share_the_nodes_origin_have_none_whatever_they_say() {
        let own = "default-src *; sandbox allow-same-origin";
        let headers = told(false, &[("content-security-policy", own)]);
        let policies = all(&headers, "content-security-policy");
        // A browser takes what all of them allow.
        assert_eq!(policies.len(), 2);
        assert!(policies[1].starts_with("sandbox ") && !policies[1].contains("same-origin"));
        assert!(!policies[1].contains("top-navigation") && !policies[1].contains("escape"));
        assert_eq!(all(&told(true, &[("content-security-policy", own)]), "content-security-policy"), [own]);
    }

    #[test]
    fn threat_13_an_answer_does_not_speak_for_more_than_its_port() {
        for host_form in [false, true] {
            let plain = told(host_form, &[]).len();
            for name in DROPPED {
                assert_eq!(told(host_form, &[(name, "x")]).len(), plain, "{name}");
            }
            // Where a name is shared with other leases', no password is asked for at all: a browser would show it to all of them.
            for name in DROPPED_BY_PATH.into_iter().chain(["attribution-reporting-register-source"]) {
                assert_eq!(told(host_form, &[(name, "x")]).len(), plain + usize::from(host_form), "{name}");
            }
            let headers = told(host_form, &[("connection", "x-own, close"), ("x-own", "1"), ("x-kept", "1")]);
            assert_eq!(headers.len(), plain + 1, "{headers:?}");
        }
    }

    #[test]
    fn threat_13_cookies_stay_at_their_port() {
        let set = |host_form: bool, cookie: &str| all(&told(host_form, &[("set-cookie", cookie)]), "set-cookie");
        for (cookie, kept) in [
            ("a=b", "a=b"),
            ("a=b; HttpOnly; Max-Age=5", "a=b; HttpOnly; Max-Age=5"),
            ("a=b; Path=/", "a=b; Path=/s/x/web/"),
            ("a=b; path = /c ; Secure", "a=b; Path=/s/x/web/c; Secure"),
            ("a=b; Path=/s/x/web/c", "a=b; Path=/s/x/web/c"),
            ("a=b; Path=/s/x/webb", "a=b; Path=/s/x/web/s/x/webb"),
            ("a=b; Path=/s/other/web", "a=b; Path=/s/x/web/s/other/web"),
            ("a=b; Path=; Domain=node; DOMAIN = .example", "a=b"),
        ] {
            assert_eq!(set(false, cookie), [kept]);
        }
        assert_eq!(set(true, "a=b; Path=/; Domain=jobs.example.com"), ["a=b; Path=/"]);
        for own in ["__Host-gridlease=x", "__secure-Gridlease = x; Path=/", "=__Host-gridlease=x", "novalue"] {
            assert_eq!([set(true, own), set(false, own)], [[""; 0]; 2], "{own}");
        }
    }

    #[test]
    fn threat_13_a_redirect_stays_below_the_prefix_or_leaves_the_node() {
        let at =
            |host_form: bool, location: &str| all(&told(host_form, &[("location", location)]), "location").join("");
        for (location, kept) in [
            ("/login?next=/", "/s/x/web/login?next=/"),
            ("other", "/s/x/web/dir/other"),
            ("?q", "/s/x/web/dir/page?q"),
            ("/s/x/web/done#top", "/s/x/web/done#top"),
            ("../../../../v1/health", "/s/x/web/v1/health"),
            ("/../../v1/health", "/s/x/web/v1/health"),
            ("/%2e%2e/%2E./v1", "/s/x/web/v1"),
            ("/a\\..\\..\\v1", "/s/x/web/v1"),
            ("/s/other/web/", "/s/x/web/s/other/web/"),
            ("/s/x/web/../../other/", "/s/x/web/s/other/"),
            ("https://node:8443/a", "/s/x/web/a"),
            ("http://node:8443/a", "/s/x/web/a"),
            ("//node:8443/a", "/s/x/web/a"),
            ("HTTPS://NODE:8443/v1/health", "/s/x/web/v1/health"),
            ("https://elsewhere.example/a", "https://elsewhere.example/a"),
            ("//elsewhere.example/a", "//elsewhere.example/a"),
        ] {
            assert_eq!(at(false, location), kept, "{location}");
        }
        assert_eq!(at(false, "/caf\u{e9}"), "/s/x/web/caf%C3%A9");
        assert_eq!(at(false, "https://elsewhere.example/\u{e9}"), "https://elsewhere.example/%C3%A9");
        assert_eq!(at(true, "/a"), "/a");
        assert_eq!(at(true, "/.//evil.example/"), "https://node:8443//evil.example/");
    }

    #[test]
    fn threat_13_a_page_that_sends_its_visitor_on_by_itself_stays_below_the_prefix() {
        let at = |told_it: &str| all(&told(false, &[("refresh", told_it)]), "refresh").join("");
        for (refresh, kept) in [
            ("5", "5"),
            ("0; url=/v1/health", "0; url=/s/x/web/v1/health"),
            ("0;URL = 'next'", "0; url=/s/x/web/dir/next"),
            ("1.5, /next", "1.5; url=/s/x/web/next"),
            ("0; url=//elsewhere.example/", "0; url=//elsewhere.example/"),
            ("x; url=/next", ""),
        ] {
            assert_eq!(at(refresh), kept, "{refresh}");
        }
        assert_eq!(all(&told(true, &[("refresh", "0; url=/a")]), "refresh"), ["0; url=/a"]);
    }

    #[test]
    fn threat_13_pages_that_replace_each_other_are_known_by_their_kind() {
        let is = |kind: &str| is_replacing(&told(true, &[("content-type", kind)]));
        assert!(is("multipart/x-mixed-replace; boundary=x") && is(" Multipart/X-Mixed-Replace"));
        assert!(!is("multipart/form-data; boundary=x") && !is("text/html"));
    }

    proptest::proptest! {
        #[test]
        fn threat_13_wherever_an_answer_sends_a_browser_it_is_below_the_prefix_or_another_host(
            location in "([/\\\\.?#:@a-z]|%2[eEfF5]|\\.\\.|//|https?:|node:8443|/s/x/web){0,12}",
            path in "/([a-z/.]){0,8}",
        ) {
            let place = place(false);
            if let Some(told) = super::location(&location, &place, &path) {
                let base = Url::parse(&format!("https://node:8443{}{path}", place.prefix)).unwrap();
                if let Ok(lands) = base.join(&told)
                    && lands.origin() == base.origin()
                {
                    let below = lands.path().strip_prefix(&place.prefix);
                    proptest::prop_assert!(below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')), "{told:?}");
                }
            }
        }
    }
}
