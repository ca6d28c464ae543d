//! What the services of a job must satisfy, each and together.

use super::super::paths;
use super::super::read::quoted;
use super::super::services::{LEAST_CPU_MILLI, LEAST_MEMORY_MIB, MAX_SERVICES};
use super::super::types::{Manifest, Service};
use super::super::units::{show_cores, show_mib};
use super::{Check, program};
use crate::image::ImageReference;

pub(super) fn check(check: &mut Check, manifest: &Manifest) {
    let services = &manifest.services;
    if services.is_empty() {
        return;
    }
    check.at_most("services", services.len(), MAX_SERVICES, "services");
    if services.len() > MAX_SERVICES {
        return; // what they are to each other takes long to find out of very many
    }
    let mut before: Vec<(&String, &Service)> = Vec::new();
    for (name, service) in services {
        one(check, manifest, name, service);
        beside(check, name, service, &before);
        before.push((name, service));
    }
    if services.values().flat_map(|service| &service.depends_on).all(|on| services.contains_key(on))
        && manifest.service_order().is_none()
    {
        check.fail("services", "wait for each other", "remove one of the depends_on that make the circle");
    }
    let (cpu, memory) = manifest.left();
    if memory < LEAST_MEMORY_MIB {
        check.fail(
            "services",
            format!("leave {} of resources.memory to the job's own container", show_mib(memory)),
            "raise resources.memory, which is for all containers of the job together",
        );
    }
    if cpu < LEAST_CPU_MILLI {
        check.fail(
            "services",
            format!("leave {} of resources.cpu to the job's own container", show_cores(cpu)),
            "raise resources.cpu, which is for all containers of the job together",
        );
    }
}

fn one(check: &mut Check, manifest: &Manifest, name: &str, service: &Service) {
    let key = |part: &str| format!("services.{name}.{part}");
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins_well || name.len() > 32 || !name.chars().all(good) || name.ends_with('-') {
        check.fail(
            format!("services.{name}"),
            format!("{} is not a name", quoted(name)),
            "write up to 32 of a-z, 0-9 and -, beginning with a letter: the others find it by that name",
        );
    } else if name == "localhost" {
        check.fail(format!("services.{name}"), format!("{} is the machine itself", quoted(name)), "write another name");
    }
    if let Err(error) = service.image.parse::<ImageReference>() {
        check.fail(key("image"), error.to_string(), "write registry/name:tag or registry/name@sha256:…");
    }
    program(check, &format!("services.{name}."), &service.command, &service.args, &service.env);
    check.unique(&key("secrets"), &service.secrets);
    for (index, secret) in service.secrets.iter().enumerate() {
        if !manifest.secrets.contains_key(secret) {
            let advice = "name it under secrets of the job, where it is said where it comes from";
            check.fail(
                key(&format!("secrets[{index}]")),
                format!("{} is no secret of the job", quoted(secret)),
                advice,
            );
        }
        if service.env.contains_key(secret) {
            check.fail(key(&format!("env.{secret}")), "is a secret", "a secret must not stand in env; remove it there");
        }
    }
    check.at_most(&key("scratch"), service.scratch.len(), 16, "folders");
    for (index, scratch) in service.scratch.iter().enumerate() {
        let at = key(&format!("scratch[{index}].path"));
        if let Some((problem, advice)) = paths::fault(&scratch.path) {
            check.fail(at, format!("{} {problem}", quoted(&scratch.path)), advice);
        } else if let Some(other) = service.scratch[..index]
            .iter()
            .find(|other| paths::contains(&other.path, &scratch.path) || paths::contains(&scratch.path, &other.path))
        {
            let problem = format!("{} and {} lie within each other", quoted(&scratch.path), quoted(&other.path));
            check.fail(at, problem, "give each its own place");
        }
    }
    check.within_as(&key("cpu"), service.cpu_milli, LEAST_CPU_MILLI..=1_024_000, show_cores);
    check.within_as(&key("memory"), service.memory_mib, LEAST_MEMORY_MIB..=16 << 20, show_mib);
    if service.port == Some(0) {
        check.fail(key("port"), "is 0", "allowed: 1 to 65535");
    }
    if service.once && service.port.is_some() {
        let advice = "one that ends is up when it has; leave out the port, or once";
        check.fail(key("once"), "is said of a service with a port", advice);
    }
    check.unique(&key("depends_on"), &service.depends_on);
    for (index, on) in service.depends_on.iter().enumerate() {
        if !manifest.services.contains_key(on) {
            let known: Vec<_> = manifest.services.keys().map(String::as_str).collect();
            let advice = format!("services of this job: {}", known.join(", "));
            check.fail(key(&format!("depends_on[{index}]")), format!("{} is no service", quoted(on)), advice);
        }
    }
    if service.gpu && manifest.resources.gpu.is_none() {
        check.fail(key("gpu"), "asks for GPUs, and the job has none", "write resources.gpu, or leave it out");
    }
}

/// What no two of them can have.
fn beside(check: &mut Check, name: &str, service: &Service, before: &[(&String, &Service)]) {
    if let Some(port) = service.port
        && let Some((other, _)) = before.iter().find(|(_, other)| other.port == Some(port))
    {
        check.fail(
            format!("services.{name}.port"),
            format!("{port} is also services.{other}.port"),
            "the containers of a job share one network; let one of them listen on another port",
        );
    }
    if service.gpu
        && let Some((other, _)) = before.iter().find(|(_, other)| other.gpu)
    {
        let problem = format!("has the GPUs, as services.{other} has");
        check.fail(format!("services.{name}.gpu"), problem, "one container of a job gets its GPUs");
    }
}
