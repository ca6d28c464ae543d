//! `services`: the containers beside the job's own.

use std::collections::BTreeMap;

use super::resources::size;
use super::{env, files, flag, image, required, words};
use crate::manifest::DEFAULT_SERVICE_CPU_MILLI;
use crate::manifest::read::{Fields, Reader, join};
use crate::manifest::types::{Scratch, Service};
use crate::manifest::units;

const KEYS: [&str; 12] =
    ["image", "command", "args", "env", "secrets", "scratch", "cpu", "memory", "port", "once", "depends_on", "gpu"];

pub(super) fn services(reader: &mut Reader, fields: Fields<'_>) -> BTreeMap<String, Service> {
    let mut services = BTreeMap::new();
    let advice = "write a mapping such as { db: { image: docker.io/library/postgres:17, memory: 512MiB, port: 5432 } }";
    let Some(map) = fields.get("services").and_then(|node| reader.open_map("services", node, advice)) else {
        return services;
    };
    for entry in map.entries() {
        let path = join("services", &entry.key);
        if let Some(fields) = reader.fields(&path, &entry.value, &KEYS) {
            services.insert(entry.key.clone(), service(reader, fields, &path));
        }
    }
    services
}

fn service(reader: &mut Reader, fields: Fields<'_>, path: &str) -> Service {
    let cpu = fields
        .get("cpu")
        .and_then(|node| reader.convert(&join(path, "cpu"), node, "write cores, such as 4 or 0.5", units::milli_cores));
    required(reader, fields, path, "memory", "write how much of the job's memory it gets, such as 512MiB");
    let port = fields.get("port").and_then(|node| {
        reader.convert(&join(path, "port"), node, "write a port, such as 5432", |text| {
            let bad = || (format!("{text} is no port"), "allowed: 1 to 65535".to_owned());
            text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad)
        })
    });
    let folders = files::folders(reader, fields, path, "scratch", "write a folder that it needs to write to");
    Service {
        image: image(reader, fields, path),
        command: words(reader, fields, path, "command", "write a list such as [\"redis-server\", \"--save\", \"\"]"),
        args: words(reader, fields, path, "args", "write a list such as [\"--port\", \"8000\"]"),
        env: env(reader, fields, path),
        secrets: words(reader, fields, path, "secrets", "write a list of names of the job's secrets"),
        scratch: folders.into_iter().map(|path| Scratch { path }).collect(),
        cpu_milli: cpu.unwrap_or(DEFAULT_SERVICE_CPU_MILLI),
        memory_mib: size(reader, fields, path, "memory", 64),
        port,
        once: flag(reader, fields, path, "once"),
        depends_on: words(reader, fields, path, "depends_on", "write a list of services"),
        gpu: flag(reader, fields, path, "gpu"),
    }
}
