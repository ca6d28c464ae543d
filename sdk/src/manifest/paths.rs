//! Paths inside the container.

const MAX_PATH_BYTES: usize = 256;
/// Where the system of every container lives, and what the node puts there; mounting over it breaks the container or its walls.
const RESERVED: [&str; 5] = ["/proc", "/sys", "/dev", "/.gridlease", "/run/secrets"];

/// What is wrong with a path inside the container, and what to write instead; none if nothing is.
pub(super) fn fault(path: &str) -> Option<(String, String)> {
    let advice = "write an absolute path such as /data/scene.json".to_owned();
    let fault = |problem: &str, advice: String| Some((problem.to_owned(), advice));
    if !path.starts_with('/') {
        return fault("is not an absolute path", advice);
    }
    if path.len() > MAX_PATH_BYTES {
        return fault("is longer than 256 bytes", advice);
    }
    if path == "/" {
        return fault("is the root of the container", advice);
    }
    // A colon ends the path in the container engine's notation.
    if path.chars().any(|c| c.is_control() || matches!(c, ':' | '\\')) {
        return fault("contains a character that is not accepted in a path", advice);
    }
    if path[1..].split('/').any(|part| matches!(part, "" | "." | "..")) {
        return fault("is not written in its shortest form", "leave out empty parts, `.` and `..`".to_owned());
    }
    let reserved = RESERVED.iter().find(|reserved| contains(reserved, path));
    reserved.and_then(|reserved| {
        fault(&format!("is under {reserved}, which belongs to the system"), "choose another folder".to_owned())
    })
}

/// Whether `inner` is `outer` or below it.
pub(super) fn contains(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
