//! `inputs`, `outputs` and `scratch`: where they come from and where they lie.

use super::Check;
use crate::image::is_loopback;
use crate::manifest::paths;
use crate::manifest::read::quoted;
use crate::manifest::types::{Input, InputSource, Manifest, Output};
use crate::manifest::units::show_seconds;
use crate::source::MAX_INPUTS;
use crate::source::hub::HubPath;
use crate::source::ipfs::IpfsPath;
use crate::source::s3::{S3Access, S3Object, S3Prefix};

const MAX_URI_BYTES: usize = 2048;
/// How often an output may be pushed while the job runs, seconds.
const PUSH_EVERY_S: std::ops::RangeInclusive<u64> = 10..=86_400;

pub(super) fn check(check: &mut Check, manifest: &Manifest) {
    check.at_most("inputs", manifest.inputs.len(), MAX_INPUTS, "files");
    check.at_most("outputs", manifest.outputs.len(), 8, "folders");
    check.at_most("scratch", manifest.scratch.len(), 16, "folders");
    let mut mounts: Vec<(String, &str)> = Vec::new();
    for (index, input) in manifest.inputs.iter().enumerate() {
        source(check, index, input);
        access(check, index, input, manifest);
        mounts.push((format!("inputs[{index}].mount"), &input.mount));
    }
    for (index, output) in manifest.outputs.iter().enumerate() {
        push(check, index, manifest);
        mounts.push((format!("outputs[{index}].path"), &output.path));
    }
    let kept = mounts.len();
    for (index, scratch) in manifest.scratch.iter().enumerate() {
        mounts.push((format!("scratch[{index}].path"), &scratch.path));
    }
    for (index, (key, path)) in mounts.iter().enumerate() {
        if let Some((problem, advice)) = paths::fault(path) {
            check.fail(key, format!("{} {problem}", quoted(path)), advice);
            continue;
        }
        // What comes and goes with a file may lie in a scratch folder, and not the other way round.
        let clash = mounts[..index].iter().enumerate().find(|(at, (_, other))| {
            paths::contains(other, path)
                || (paths::contains(path, other) && !(index >= kept && *at < kept && other != path))
        });
        let clash = clash.map(|(_, found)| found);
        if let Some((other_key, other)) = clash {
            let problem = if other == path {
                format!("{} is also {other_key}", quoted(path))
            } else {
                format!("{} and {} ({other_key}) lie within each other", quoted(path), quoted(other))
            };
            check.fail(key, problem, "give each its own place");
        }
    }
}

fn source(check: &mut Check, index: usize, input: &Input) {
    let key = format!("inputs[{index}].uri");
    let text = String::from(input.uri.clone());
    let sha256 = input.sha256.as_deref();
    let mut folder = false;
    match &input.uri {
        InputSource::Https(_) => {
            let url = url::Url::parse(&text).ok();
            let good = text.len() <= MAX_URI_BYTES
                && text.chars().all(|c| c.is_ascii_graphic())
                && url.as_ref().is_some_and(|url| {
                    url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
                });
            if !good {
                check.fail(
                    &key,
                    format!("{} cannot be loaded", quoted(&text)),
                    "write an https://, hf://, s3:// or ipfs:// address without credentials, a path on this machine, or push",
                );
            }
        }
        InputSource::Hub(_) => match text.parse::<HubPath>() {
            Ok(at) => folder = at.is_folder(),
            Err(error) => {
                check.fail(&key, format!("{} is no file of a hub", quoted(&text)), error.to_string());
            }
        },
        InputSource::S3(_) => {
            if let Err(error) = text.parse::<S3Object>() {
                check.fail(&key, format!("{} is no object of a store", quoted(&text)), error.to_string());
            }
        }
        InputSource::Ipfs(_) => {
            if let Err(error) = text.parse::<IpfsPath>() {
                check.fail(&key, format!("{} is no file of IPFS", quoted(&text)), error.to_string());
            }
        }
        InputSource::Local(path) => {
            if path.is_empty() || path.len() > 1024 || path.chars().any(char::is_control) {
                check.fail(&key, format!("{} is not a path", quoted(path)), "write a path on this machine");
            }
        }
        InputSource::Push => {}
    }
    let key = format!("inputs[{index}].sha256");
    let hashed_for_you = !matches!(input.uri, InputSource::Https(_) | InputSource::Push);
    match sha256 {
        Some(_) if folder => {
            check.fail(key, "is given for a folder", "leave it out: each file of the folder is hashed for you");
        }
        Some(hash) => {
            let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            if hash.len() != 64 || !hash.bytes().all(digit) {
                check.fail(
                    key,
                    format!("{} is not a SHA-256", quoted(hash)),
                    "write the 64 lower-case hex digits that sha256sum prints",
                );
            }
        }
        None if !hashed_for_you => check.fail(
            key,
            "is missing",
            "what is pushed, or loaded from an https:// address, cannot be hashed for you; write what sha256sum prints",
        ),
        None => {}
    }
}

/// How a store is reached, and that its credentials are among the secrets.
fn access(check: &mut Check, index: usize, input: &Input, manifest: &Manifest) {
    if let Some(gateway) = &input.gateway {
        let url = url::Url::parse(gateway).ok();
        let good = gateway.len() <= MAX_URI_BYTES
            && url.is_some_and(|url| {
                url.scheme() == "https"
                    && url.username().is_empty()
                    && url.password().is_none()
                    && url.query().is_none()
            });
        let fault = match input.uri {
            InputSource::Ipfs(_) if good => None,
            InputSource::Ipfs(_) => Some("is not an https:// address without credentials"),
            _ => Some("is given for an input that is not on IPFS"),
        };
        if let Some(fault) = fault {
            check.fail(
                format!("inputs[{index}].gateway"),
                fault,
                "write the gateway's https:// address, or leave it out",
            );
        }
    }
    let Some(s3) = &input.s3 else { return };
    let key = format!("inputs[{index}].s3");
    if !matches!(input.uri, InputSource::S3(_)) {
        check.fail(key, "is given for an input that is in no store", "leave it out, or write an s3:// address");
        return;
    }
    store(check, &key, s3, manifest);
}

/// Where an output is pushed, and that the store can be written to.
fn push(check: &mut Check, index: usize, manifest: &Manifest) {
    let Some(output) = manifest.outputs.get(index) else { return };
    let key = |part: &str| format!("outputs[{index}].{part}");
    let Some(text) = &output.push else {
        let without = [("s3", output.s3.is_some()), ("every", output.every_s.is_some()), ("restore", output.restore)];
        for (part, _) in without.iter().filter(|(_, given)| *given) {
            check.fail(
                key(part),
                "is given for an output that is not pushed",
                "add push: s3://BUCKET/PREFIX, or leave it out",
            );
        }
        return;
    };
    let parsed = text.parse::<S3Prefix>();
    match &parsed {
        Ok(_) => {}
        Err(error) => check.fail(key("push"), format!("{} is no place in a store", quoted(text)), error.to_string()),
    }
    match &output.s3 {
        Some(s3) => {
            store(check, &key("s3"), s3, manifest);
            if s3.access_key.is_none() {
                check.fail(
                    key("s3"),
                    "has no access_key",
                    "name the secrets with the credentials that may write there",
                );
            }
        }
        None => check.fail(
            key("s3"),
            "is missing",
            "write { endpoint: https://…, access_key: S3_ID, secret_key: S3_KEY }, and the two names in secrets",
        ),
    }
    if let Some(every) = output.every_s {
        check.within_as(&key("every"), u64::from(every), PUSH_EVERY_S, show_seconds);
    }
    let same = manifest.outputs.iter().take(index).position(|other| {
        let place = |output: &Output| {
            let at: S3Prefix = output.push.as_ref()?.parse().ok()?;
            Some((at, output.s3.as_ref()?.endpoint().ok()?))
        };
        place(other).is_some() && place(other) == place(output)
    });
    if let Some(other) = same {
        check.fail(key("push"), format!("is also that of outputs[{other}]"), "give each its own prefix");
    }
}

fn store(check: &mut Check, key: &str, s3: &S3Access, manifest: &Manifest) {
    if *s3 == S3Access::default() {
        check.fail(key.to_owned(), "says nothing", "leave it out");
        return;
    }
    match s3.endpoint() {
        // A store on this machine, for a market on it: a node of any other refuses the address.
        Ok(url) if url.scheme() == "https" || url.host().is_some_and(|host| is_loopback(&host)) => {}
        Ok(_) => check.fail(format!("{key}.endpoint"), "is not https", "write the store's https:// address"),
        Err(error) => check.fail(key, error.to_string(), "write { endpoint: https://…, region: … }"),
    }
    if s3.access_key.is_some() != s3.secret_key.is_some() || (s3.session_token.is_some() && s3.access_key.is_none()) {
        check.fail(
            key,
            "names only a part of the credentials",
            "give access_key and secret_key, or neither for objects that everybody may read",
        );
    }
    let named = [("access_key", &s3.access_key), ("secret_key", &s3.secret_key), ("session_token", &s3.session_token)];
    for (part, name) in named {
        if let Some(name) = name.as_ref().filter(|name| !manifest.secrets.contains_key(*name)) {
            check.fail(
                format!("{key}.{part}"),
                format!("{} is not among secrets", quoted(name)),
                "write the name of an entry of secrets, such as S3_KEY, and the entry `S3_KEY: { from: env }` there",
            );
        }
    }
}
