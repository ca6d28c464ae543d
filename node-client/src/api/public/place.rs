//! Which port of which lease a visitor wants, by the path or by the host's name.

use axum::http::{HeaderMap, Uri, header};
use gridlease_sdk::node_api::public::{ROOT, prefix};
use solana_pubkey::Pubkey;

use super::names::Names;

/// A port that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The lease.
    pub lease: Pubkey,
    /// The port's name.
    pub name: String,
    /// What stands before the container's own paths, without a slash at its end; empty where it has a host's name of its own.
    pub prefix: String,
    /// The visitor's `Host`.
    pub host: String,
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// The node's own interface.
    Api,
    /// A port.
    Port(Place),
    /// A port, whose path lacks the slash behind its name.
    Slash(Place),
    /// Something below a public name or path that can be no port.
    Nothing,
    /// It cannot be told.
    Unclear(&'static str),
}

impl Place {
    /// Whether it shares its origin with the ports of other leases.
    pub fn shares_origin(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// What the container is to see of a visitor's path.
    pub fn inner<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.prefix.as_str()).filter(|rest| rest.starts_with('/')).unwrap_or("/")
    }
}

/// Finds out what a request is for, from its target and its `Host` alone.
pub(super) fn find(
    names: Option<&Names>,
    uri: &Uri,
    headers: &HeaderMap,
    labelled: impl Fn(&str) -> Option<Pubkey>,
) -> Sought {
    let rest = uri.path().strip_prefix(ROOT).filter(|rest| rest.starts_with('/'));
    if names.is_none() && rest.is_none() {
        return Sought::Api;
    }
    let host = match host(uri, headers) {
        Ok(host) => host,
        // The node's own interface never asked for one.
        Err(_) if rest.is_none() => return Sought::Api,
        Err(reason) => return Sought::Unclear(reason),
    };
    if let Some(label) = names.and_then(|names| names.label_of(host)) {
        // What is below a public name is the containers', whatever its path.
        let Some((name, lease)) = label.rsplit_once('-').and_then(|(name, label)| Some((name, labelled(label)?)))
        else {
            return Sought::Nothing;
        };
        return confined(
            uri.path(),
            Place { lease, name: name.to_owned(), prefix: String::new(), host: host.to_owned() },
        );
    }
    let Some(rest) = rest.and_then(|rest| rest.strip_prefix('/')) else { return Sought::Api };
    let (lease, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, path) = match rest.split_once('/') {
        Some((name, _)) => (name, true),
        None => (rest, false),
    };
    let (Ok(parsed), false) = (lease.parse::<Pubkey>(), name.is_empty()) else { return Sought::Nothing };
    let place = Place { lease: parsed, name: name.to_owned(), prefix: prefix(&parsed, name), host: host.to_owned() };
    // The one spelling of an address, so that no two paths are the same place.
    if !uri.path().starts_with(&place.prefix) {
        return Sought::Nothing;
    }
    if path { confined(uri.path(), place) } else { Sought::Slash(place) }
}

/// A browser takes dots out of a path before it sends it. One that comes with them wants to be read differently by two readers.
fn confined(path: &str, place: Place) -> Sought {
    let climbs = |segment: &str| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    };
    if path.split(['/', '\\']).any(climbs) {
        return Sought::Unclear("the path has a part that is `.` or `..`");
    }
    Sought::Port(place)
}

/// Whom a request is addressed to.
fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Result<&'r str, &'static str> {
    let mut named = headers.get_all(header::HOST).iter();
    let (first, more) = (named.next(), named.next());
    if more.is_some() {
        return Err("the request has more than one `Host`");
    }
    let host = match (uri.authority(), first) {
        // An absolute target and every HTTP/2 request say it themselves.
        (Some(authority), _) => authority.as_str(),
        (None, Some(value)) => value.to_str().map_err(|_| "the request's `Host` is no name")?,
        (None, None) => return Err("the request has no `Host`"),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    if host.is_empty() || host.len() > 255 || !host.chars().all(good) {
        return Err("the request's `Host` is no name");
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridlease_sdk::node_api::public::{host_label, label};

    fn lease() -> Pubkey {
        Pubkey::new_from_array([3; 32])
    }

    fn sought(names: Option<&Names>, uri: &str, host: &str) -> Sought {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        find(names, &uri.parse().unwrap(), &headers, |name| (name == label(&lease())).then(lease))
    }

    fn named(prefix: &str, host: &str) -> Place {
        Place { lease: lease(), name: "web".to_owned(), prefix: prefix.to_owned(), host: host.to_owned() }
    }

    #[test]
    fn a_path_leads_to_a_port_of_a_lease_and_nowhere_else() {
        let prefix = format!("/s/{}/web", lease());
        let place = named(&prefix, "node:8443");
        let at = |path: &str| sought(None, path, "node:8443");
        assert_eq!(at(&format!("{prefix}/")), Sought::Port(place.clone()));
        assert_eq!(at(&format!("{prefix}/a//b?q=/..")), Sought::Port(place.clone()));
        assert_eq!(at(&prefix), Sought::Slash(place.clone()));
        assert_eq!(place.inner(&format!("{prefix}//a%2f..")), "//a%2f..");
        for api in ["/v1/health", "/s", "/sx/", "//s/", "/"] {
            assert_eq!(at(api), Sought::Api, "{api}");
        }
        for nothing in
            ["/s/", "/s//", "/s/../v1/health", "/s/web/", &format!("/s/{}", lease()), &format!("/s/{}/", lease())]
        {
            assert_eq!(at(nothing), Sought::Nothing, "{nothing}");
        }
        for climbing in ["/..", "/../x", "/a/%2e%2E/x", "/.", "/a\\..\\b", "/%2e", "/.%2e/v1/health"] {
            assert!(matches!(at(&format!("{prefix}{climbing}")), Sought::Unclear(_)), "{climbing}");
        }
        assert!(matches!(at(&format!("/s/{}/../v1/", lease())), Sought::Unclear(_)));
    }

    #[test]
    fn a_hosts_name_leads_to_a_port_with_all_paths_and_the_nodes_own_name_to_its_interface() {
        let names = Names::new("jobs.example.com").unwrap();
        let host = format!("{}.jobs.example.com", host_label(&lease(), "web"));
        for host in [host.clone(), format!("{host}:443"), host.to_uppercase(), format!("{host}.")] {
            assert_eq!(sought(Some(&names), "/v1/health?x", &host), Sought::Port(named("", &host)), "{host}");
        }
        let deep = format!("/s/{}/web/", lease());
        assert_eq!(sought(Some(&names), &deep, &host), Sought::Port(named("", &host)));
        assert_eq!(sought(Some(&names), &deep, "node"), Sought::Port(named(deep.trim_end_matches('/'), "node")));
        for nothing in ["x.jobs.example.com", "web-aaaaaaaaaaaaaaaa.jobs.example.com", "a.b.jobs.example.com"] {
            assert_eq!(sought(Some(&names), "/v1/health", nothing), Sought::Nothing, "{nothing}");
        }
        for own in ["jobs.example.com", "node", "evil-jobs.example.com", "10.0.0.1:8443"] {
            assert_eq!(sought(Some(&names), "/v1/health", own), Sought::Api, "{own}");
        }
        let absolute = format!("http://{host}/x");
        assert_eq!(sought(Some(&names), &absolute, "node"), Sought::Port(named("", &host)));
    }

    #[test]
    fn threat_13_a_request_to_two_hosts_or_none_is_refused() {
        let uri: Uri = format!("/s/{}/web/", lease()).parse().unwrap();
        let mut headers = HeaderMap::new();
        let at = |headers: &HeaderMap| find(None, &uri, headers, |_| None);
        assert!(matches!(at(&headers), Sought::Unclear(_)));
        headers.append(header::HOST, "a".parse().unwrap());
        headers.append(header::HOST, "b".parse().unwrap());
        assert!(matches!(at(&headers), Sought::Unclear(_)));
        for bad in ["", "a b", "a/b", "a@b", "a\"", "a,b"] {
            headers.insert(header::HOST, bad.parse().unwrap());
            assert!(matches!(at(&headers), Sought::Unclear(_)), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn threat_13_no_path_below_leads_to_the_nodes_own_routes_and_each_is_handed_on_as_it_came(
            path in "/s/([a-zA-Z0-9./\\\\-]|%2[eEfF]|%5c|11111111111111111111111111111112|/web/|/v1/health){0,12}",
        ) {
            if let Ok(uri) = path.parse::<Uri>() {
                let mut headers = HeaderMap::new();
                headers.insert(header::HOST, "node:8443".parse().unwrap());
                match find(None, &uri, &headers, |_| None) {
                    Sought::Api => proptest::prop_assert!(false, "{path}"),
                    Sought::Port(place) => {
                        let inner = place.inner(uri.path());
                        proptest::prop_assert!(inner.starts_with('/'));
                        proptest::prop_assert_eq!(format!("{}{inner}", place.prefix), uri.path());
                        let climbs = |segment: &str| matches!(segment.to_lowercase().replace("%2e", ".").as_str(), "." | "..");
                        proptest::prop_assert!(!inner.split('/').any(climbs));
                    }
                    _ => {}
                }
            }
        }
    }
}
