//! What a typed manifest must satisfy, wherever it came from: bounds, names, and what the parts demand of each other.
//! Keys are named as in the YAML text.

mod services;

use super::error::Problem;
use super::read::{nearest, quoted};
use super::types::{Array, Bandwidth, Gpu, Manifest, Placement, Port, PriceMode, Probe, VerifyClass};
use super::units::{show_cores, show_mib, show_seconds};
use super::{MAX_ALLOWED_HOSTS, Network, Vocabulary, is_reserved_variable, ready, registry_auth, restart};
use crate::image::ImageReference;
use gridlease_core::limits;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

mod files;

const MAX_ARGUMENT_BYTES: usize = 4096;
/// The most bandwidth that can be asked for, Mbit/s.
const MAX_MBIT: u32 = 100_000;

/// Longest name of a port. With what names the lease it fits into one label of a host's name.
const MAX_SERVICE_NAME: usize = 32;

/// Everything that is wrong.
pub(super) fn problems(manifest: &Manifest, vocabulary: &Vocabulary) -> Vec<Problem> {
    let mut check = Check::default();
    identity(&mut check, manifest);
    registry_auth::check(&mut check, manifest);
    process(&mut check, manifest);
    files::check(&mut check, manifest);
    resources(&mut check, manifest, vocabulary);
    placement(&mut check, &manifest.placement, vocabulary);
    terms(&mut check, manifest);
    ports(&mut check, &manifest.ports);
    check.0.extend(ready::problems(manifest));
    restart::check(&mut check, "", manifest.restart.as_ref());
    verification(&mut check, manifest);
    network(&mut check, &manifest.network);
    services::check(&mut check, manifest);
    check.0
}

#[derive(Default)]
pub(super) struct Check(Vec<Problem>);

impl Check {
    pub(super) fn fail(&mut self, key: impl Into<String>, problem: impl Into<String>, advice: impl Into<String>) {
        self.0.push(Problem { key: key.into(), problem: problem.into(), advice: advice.into() });
    }

    pub(super) fn within<T: PartialOrd + Display + Copy>(&mut self, key: &str, value: T, allowed: RangeInclusive<T>) {
        self.within_as(key, value, allowed, |value| value.to_string());
    }

    /// As `within`, with the values shown in a unit.
    pub(super) fn within_as<T: PartialOrd + Copy>(
        &mut self,
        key: &str,
        value: T,
        allowed: RangeInclusive<T>,
        show: impl Fn(T) -> String,
    ) {
        if !allowed.contains(&value) {
            let (least, most) = (show(*allowed.start()), show(*allowed.end()));
            self.fail(key, format!("is {}", show(value)), format!("allowed: {least} to {most}"));
        }
    }

    fn at_most(&mut self, key: &str, count: usize, most: usize, what: &str) {
        if count > most {
            self.fail(key, format!("has {count} {what}"), format!("at most {most} are allowed"));
        }
    }

    /// A short lower-case word from `known`, where that is given.
    fn word(&mut self, key: &str, word: &str, known: Option<&[&str]>) {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match known {
            Some(known) if !known.contains(&word) => {
                let list = known.join(", ");
                let advice = match nearest(word, known) {
                    Some(nearest) => format!("did you mean `{nearest}`? allowed: {list}"),
                    None => format!("allowed: {list}"),
                };
                self.fail(key, format!("{} is not known", quoted(word)), advice);
            }
            None if word.is_empty() || word.len() > 24 || !word.chars().all(good) => {
                self.fail(key, format!("{} is not a name", quoted(word)), "write up to 24 of a-z, 0-9 and -")
            }
            _ => {}
        }
    }

    fn unique<'a>(&mut self, key: &str, words: impl IntoIterator<Item = &'a String>) {
        let mut seen = std::collections::BTreeSet::new();
        for (index, word) in words.into_iter().enumerate() {
            if !seen.insert(word) {
                self.fail(format!("{key}[{index}]"), format!("{} is given twice", quoted(word)), "keep one of them");
            }
        }
    }
}

fn identity(check: &mut Check, manifest: &Manifest) {
    if manifest.version != 1 {
        check.fail("version", format!("is {}", manifest.version), "this program knows version 1");
    }
    let name = &manifest.name;
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !begins_well || name.len() > 64 || !name.chars().all(good) {
        check.fail(
            "name",
            format!("{} is not a name", quoted(name)),
            "write up to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit",
        );
    }
    if let Err(error) = manifest.image.parse::<ImageReference>() {
        check.fail("image", error.to_string(), "write registry/name:tag or registry/name@sha256:…");
    }
}

fn process(check: &mut Check, manifest: &Manifest) {
    program(check, "", &manifest.command, &manifest.args, &manifest.env);
    check.at_most("ready.exec", manifest.ready.exec.len(), 64, "parts");
    for (index, part) in manifest.ready.exec.iter().enumerate() {
        text(check, &format!("ready.exec[{index}]"), part);
    }
    check.at_most("secrets", manifest.secrets.len(), 16, "entries");
    for name in manifest.secrets.keys() {
        let key = format!("secrets.{name}");
        variable(check, &key, name);
        if manifest.env.contains_key(name) {
            check.fail(key, "is in env, too", "a secret must not stand in env; remove it there");
        }
    }
}

/// What a container runs. `parent` is empty, or ends in a dot.
fn program(check: &mut Check, parent: &str, command: &[String], args: &[String], env: &BTreeMap<String, String>) {
    for (key, parts) in [("command", command), ("args", args)] {
        check.at_most(&format!("{parent}{key}"), parts.len(), 64, "parts");
        for (index, part) in parts.iter().enumerate() {
            text(check, &format!("{parent}{key}[{index}]"), part);
        }
    }
    check.at_most(&format!("{parent}env"), env.len(), 64, "entries");
    for (name, value) in env {
        let key = format!("{parent}env.{name}");
        variable(check, &key, name);
        text(check, &key, value);
    }
}

fn text(check: &mut Check, key: &str, value: &str) {
    if value.len() > MAX_ARGUMENT_BYTES {
        check.fail(
            key,
            format!("is {} bytes long", value.len()),
            format!("at most {MAX_ARGUMENT_BYTES} are allowed; put it into an input file"),
        );
    }
    if value.contains('\0') {
        check.fail(key, "contains a zero byte", "no program can be given one");
    }
}

pub(super) fn variable(check: &mut Check, key: &str, name: &str) {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 128 || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(good)
    {
        check.fail(
            key,
            format!("{} is not the name of a variable", quoted(name)),
            "write up to 128 letters, digits and `_`, not beginning with a digit",
        );
    } else if name.starts_with("GRIDLEASE_") {
        check.fail(key, "begins with GRIDLEASE_", "these variables are set by the node");
    } else if is_reserved_variable(name) {
        check.fail(
            key,
            "steers a loader, a runtime or a proxy outside the container",
            format!("set it within the command, such as [\"/usr/bin/env\", \"{name}=…\", \"/app\"]"),
        );
    }
}

fn resources(check: &mut Check, manifest: &Manifest, vocabulary: &Vocabulary) {
    let resources = &manifest.resources;
    check.within_as("resources.cpu", resources.cpu_milli, 50..=1_024_000, show_cores);
    check.within_as("resources.memory", resources.memory_mib, 16..=16 << 20, show_mib);
    check.within_as("resources.disk", resources.disk_mib, 16..=64 << 20, show_mib);
    if let Some(shm) = resources.shm_mib {
        // It is memory, and a job that fills it is ended like one that fills its memory.
        check.within_as("resources.shm", shm, 1..=resources.memory_mib.max(1), show_mib);
    }
    if let Some(Bandwidth { down_mbit, up_mbit }) = resources.network {
        check.within("resources.network.down", down_mbit, 0..=MAX_MBIT);
        check.within("resources.network.up", up_mbit, 0..=MAX_MBIT);
        let fault = match (down_mbit, up_mbit) {
            (0, 0) => Some("names no bandwidth"),
            _ if !manifest.network.is_some() => Some("is bandwidth for a job without a network"),
            _ => None,
        };
        if let Some(fault) = fault {
            check.fail(
                "resources.network",
                fault,
                "write { down: 100, up: 20 } in Mbit/s, and network: egress; or leave it out",
            );
        }
    }
    let Some(Gpu { models, count, vram_mib, cuda_min }) = &resources.gpu else {
        return;
    };
    check.at_most("resources.gpu.model", models.len(), 16, "models");
    for (index, model) in models.iter().enumerate() {
        check.word(&format!("resources.gpu.model[{index}]"), model, vocabulary.gpu_models);
    }
    check.unique("resources.gpu.model", models);
    check.within("resources.gpu.count", *count, 1..=64);
    check.within_as("resources.gpu.vram", *vram_mib, 0..=1 << 20, show_mib);
    check.within("resources.gpu.cuda", *cuda_min, 0..=9_999);
}

fn placement(check: &mut Check, placement: &Placement, vocabulary: &Vocabulary) {
    check.at_most("placement.regions", placement.regions.len(), 16, "regions");
    for (index, region) in placement.regions.iter().enumerate() {
        check.word(&format!("placement.regions[{index}]"), region, vocabulary.regions);
    }
    check.unique("placement.regions", &placement.regions);
    let reputation = placement.min_reputation_bps;
    check.within("placement.min_reputation", reputation, 0..=10_000);
    check.at_most("placement.exclude", placement.exclude.len(), 8, "providers");
    for (index, provider) in placement.exclude.iter().enumerate() {
        if provider.parse::<solana_pubkey::Pubkey>().is_err() {
            check.fail(
                format!("placement.exclude[{index}]"),
                format!("{} is not an address", quoted(provider)),
                "write a provider's address as `gridlease provider show` prints it",
            );
        }
    }
    check.unique("placement.exclude", &placement.exclude);
}

fn terms(check: &mut Check, manifest: &Manifest) {
    let price = &manifest.price;
    let dearest = limits::MAX_PRICE.0;
    if price.max_atoms_per_hour == 0 {
        check.fail("price.max", "is zero", "nobody works for nothing; write the most that you pay an hour");
    } else if price.max_atoms_per_hour > dearest {
        let usd = dearest / 1_000_000;
        check.fail("price.max", format!("is above {usd} USD an hour"), "prices are in US dollars per hour");
    }
    let (shortest, longest) = limits::WINDOW_BOUNDS;
    let windows = shortest.0..=longest.0;
    match price.mode {
        PriceMode::Auction => check.within_as("price.window", u64::from(price.window_s), windows, show_seconds),
        PriceMode::Instant | PriceMode::Sealed if price.window_s != 0 => {
            check.fail("price.window", "is given, but only an auction has a window that can be chosen", "leave it out")
        }
        PriceMode::Instant | PriceMode::Sealed => {}
    }
    // No bid could be taken whose window would end after the wait.
    let waits = u64::from(price.window_s).max(shortest.0)..=limits::MAX_WAIT.0;
    check.within_as("price.wait", u64::from(price.wait_s), waits, show_seconds);
    let durations = limits::MIN_DURATION.0..=limits::MAX_DURATION.0;
    let max = u64::from(manifest.duration.max_s);
    check.within_as("duration.max", max, durations, show_seconds);
    if let Some(checkpoint) = manifest.duration.checkpoint_s
        && (checkpoint < 10 || u64::from(checkpoint) > max)
    {
        check.fail(
            "duration.checkpoint",
            format!("is {}", show_seconds(checkpoint.into())),
            "allowed: 10s up to duration.max",
        );
    }
    let attempts = u32::from(limits::MAX_ATTEMPTS);
    check.within("attempts", manifest.attempts, 1..=attempts);
}

fn network(check: &mut Check, network: &Network) {
    let Network::Allow(hosts) = network else { return };
    if hosts.is_empty() {
        check.fail("network.allow", "is empty", "name the hosts that the job needs, or write network: none");
    }
    check.at_most("network.allow", hosts.len(), MAX_ALLOWED_HOSTS, "hosts");
    check.unique("network.allow", &hosts.iter().map(ToString::to_string).collect::<Vec<_>>());
}

fn ports(check: &mut Check, ports: &[Port]) {
    check.at_most("ports", ports.len(), 16, "ports");
    for (index, port) in ports.iter().enumerate() {
        let key = format!("ports[{index}].container");
        check.within(&key, port.container, 1..=u16::MAX);
        if ports[..index].iter().any(|before| before.container == port.container) {
            check.fail(key, format!("{} is given twice", port.container), "keep one of them");
        }
        let key = format!("ports[{index}].name");
        match &port.name {
            Some(name) if !is_service_name(name) => check.fail(
                key,
                format!("{} is not a name", quoted(name)),
                "write up to 32 of a-z, 0-9 and `-`, beginning and ending with a letter or digit, not only digits",
            ),
            Some(name) if ports[..index].iter().any(|before| before.name.as_ref() == Some(name)) => {
                check.fail(key, format!("{} is given twice", quoted(name)), "give each port a name of its own");
            }
            _ => {}
        }
        if let Some(Probe::Http(path)) = &port.probe {
            let good = path.starts_with('/') && path.len() <= 256 && path.chars().all(|c| c.is_ascii_graphic());
            if !good {
                check.fail(
                    format!("ports[{index}].probe.http"),
                    format!("{} is not a path", quoted(path)),
                    "write a path such as /healthz",
                );
            }
        }
    }
}

/// Whether it can stand in an address, as a part of a host's name too, and is no port's number.
fn is_service_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MAX_SERVICE_NAME).contains(&name.len())
        && name.chars().all(good)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.chars().all(|c| c.is_ascii_digit())
}

fn verification(check: &mut Check, manifest: &Manifest) {
    if let Some(Array { count, parameters }) = &manifest.array {
        check.within("array.count", *count, 1..=10_000);
        if let Some(path) = parameters
            && (path.is_empty() || path.len() > 1024 || path.chars().any(char::is_control))
        {
            check.fail(
                "array.parameters",
                format!("{} is not a path", quoted(path)),
                "write the path of a CSV file on this machine",
            );
        }
    }
    let verify = &manifest.verify;
    let fewest = match verify.class {
        VerifyClass::Hash | VerifyClass::Fingerprint => 2,
        VerifyClass::None | VerifyClass::Attested | VerifyClass::Service => 1,
    };
    check.within("verify.replicas", verify.replicas, fewest..=8);
}
