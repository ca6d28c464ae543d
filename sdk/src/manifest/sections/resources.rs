//! `resources`: what the container gets.

use gridlease_core::gpu::model_name;
use gridlease_core::gpu::spelling::spelled;

use super::{number, words};
use crate::manifest::read::{Fields, Reader, join};
use crate::manifest::types::{Bandwidth, Gpu, Resources};
use crate::manifest::units;
use crate::manifest::yaml::Value;

const SIZE_ADVICE: &str = "write a size with a unit, such as 24GiB";

pub(super) fn resources(reader: &mut Reader, fields: Fields<'_>) -> Resources {
    let mut resources =
        Resources { gpu: None, cpu_milli: 1000, memory_mib: 512, disk_mib: 1024, shm_mib: None, network: None };
    let Some(fields) = fields
        .get("resources")
        .and_then(|node| reader.fields("resources", node, &["gpu", "cpu", "memory", "disk", "shm", "network"]))
    else {
        return resources;
    };
    if let Some(node) = fields.get("cpu") {
        let advice = "write cores, such as 4 or 0.5";
        let cores = reader.convert("resources.cpu", node, advice, units::milli_cores);
        resources.cpu_milli = cores.unwrap_or(1000);
    }
    resources.memory_mib = size(reader, fields, "resources", "memory", 512);
    resources.disk_mib = size(reader, fields, "resources", "disk", 1024);
    resources.shm_mib = fields.get("shm").map(|_| size(reader, fields, "resources", "shm", 1));
    resources.gpu = gpu_of(reader, fields);
    resources.network = bandwidth(reader, fields);
    resources
}

fn bandwidth(reader: &mut Reader, fields: Fields<'_>) -> Option<Bandwidth> {
    let path = "resources.network";
    let fields = reader.fields(path, fields.get("network")?, &["down", "up"])?;
    Some(Bandwidth {
        down_mbit: number(reader, fields, path, "down", Some(0), 1),
        up_mbit: number(reader, fields, path, "up", Some(0), 1),
    })
}

fn gpu_of(reader: &mut Reader, fields: Fields<'_>) -> Option<Gpu> {
    let path = "resources.gpu";
    let node = fields.get("gpu")?;
    let fields = reader.fields(path, node, &["model", "count", "vram", "cuda"])?;
    let Named { models, memory_mib, count: named } = models(reader, fields, path);
    let count = number(reader, fields, path, "count", Some(named.unwrap_or(1)), 1);
    if let (Some(named), Some(node)) = (named, fields.get("count"))
        && named != count
    {
        let problem = format!("is {count}, and {named} are written with the model");
        reader.report(&join(path, "count"), node.at, &problem, "write the number in one place");
    }
    Some(Gpu {
        models,
        count,
        vram_mib: size(reader, fields, path, "vram", 0).max(memory_mib),
        cuda_min: fields
            .get("cuda")
            .and_then(|node| {
                let advice = "write the lowest version, such as \">=12.4\"";
                reader.convert(&join(path, "cuda"), node, advice, units::cuda_version)
            })
            .unwrap_or(0),
    })
}

/// What is written as the model.
#[derive(Default)]
struct Named {
    /// The models, by the market's names.
    models: Vec<String>,
    /// The memory in MiB that is written with them (`A100-80GB`), 0 for none.
    memory_mib: u64,
    /// The count that is written with them (`h100:8`).
    count: Option<u32>,
}

/// One model or a list of them.
fn models(reader: &mut Reader, fields: Fields<'_>, path: &str) -> Named {
    let Some(node) = fields.get("model") else {
        return Named::default();
    };
    let advice = "write a model such as h100, or a list such as [h100, a100]";
    let written = if let Value::Scalar { .. } = node.value {
        reader.text(&join(path, "model"), node, advice).map(str::to_owned).into_iter().collect()
    } else {
        words(reader, fields, path, "model", advice)
    };
    let (mut sizes, mut counts) = (Vec::new(), Vec::new());
    let mut name = |word: String| match spelled(&word) {
        Some(spelled) => {
            sizes.extend(spelled.memory_gb);
            counts.extend(spelled.count);
            model_name(spelled.model).map_or(word, str::to_owned)
        }
        None => word.to_ascii_lowercase(),
    };
    let models = written.into_iter().map(&mut name).collect();
    if sizes.iter().any(|size| sizes.first() != Some(size)) {
        let problem = "names models with different memory, and a requirement has one for all";
        reader.report(
            &join(path, "model"),
            node.at,
            problem,
            "write the models alone, and the least that will do as vram",
        );
    }
    if counts.iter().any(|count| counts.first() != Some(count)) {
        let problem = "names models with different counts, and a requirement has one for all";
        reader.report(&join(path, "model"), node.at, problem, "write the models alone, and how many as count");
    }
    let most = sizes.into_iter().max().unwrap_or(0);
    Named { models, memory_mib: u64::from(most) * 1_024, count: counts.into_iter().map(u32::from).next() }
}

pub(super) fn size(reader: &mut Reader, fields: Fields<'_>, parent: &str, key: &str, default: u64) -> u64 {
    fields
        .get(key)
        .and_then(|node| reader.convert(&join(parent, key), node, SIZE_ADVICE, units::size_mib))
        .unwrap_or(default)
}
