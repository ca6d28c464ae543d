//! `resources`: what the container gets.

use super::{number, words};
use crate::gpu;
use crate::manifest::read::{Fields, Reader, join};
use crate::manifest::types::{Gpu, Resources};
use crate::manifest::units;
use crate::manifest::yaml::Value;

const SIZE_ADVICE: &str = "write a size with a unit, such as 24GiB";

pub(super) fn resources(reader: &mut Reader, fields: Fields<'_>) -> Resources {
    let mut resources = Resources { gpu: None, cpu_milli: 1000, memory_mib: 512, disk_mib: 1024 };
    let Some(fields) =
        fields.get("resources").and_then(|node| reader.fields("resources", node, &["gpu", "cpu", "memory", "disk"]))
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
    resources.gpu = gpu_of(reader, fields);
    resources
}

fn gpu_of(reader: &mut Reader, fields: Fields<'_>) -> Option<Gpu> {
    let path = "resources.gpu";
    let node = fields.get("gpu")?;
    let fields = reader.fields(path, node, &["model", "count", "vram", "cuda"])?;
    let (models, named_mib) = models(reader, fields, path);
    Some(Gpu {
        models,
        count: number(reader, fields, path, "count", Some(1), 1),
        vram_mib: size(reader, fields, path, "vram", 0).max(named_mib),
        cuda_min: fields
            .get("cuda")
            .and_then(|node| {
                let advice = "write the lowest version, such as \">=12.4\"";
                reader.convert(&join(path, "cuda"), node, advice, units::cuda_version)
            })
            .unwrap_or(0),
    })
}

/// One model or a list of them, by the market's names, and the memory in MiB that is written with them (`A100-80GB`), 0 for none.
fn models(reader: &mut Reader, fields: Fields<'_>, path: &str) -> (Vec<String>, u64) {
    let Some(node) = fields.get("model") else {
        return (Vec::new(), 0);
    };
    let advice = "write a model such as h100, or a list such as [h100, a100]";
    let written = if let Value::Scalar { .. } = node.value {
        reader.text(&join(path, "model"), node, advice).map(str::to_owned).into_iter().collect()
    } else {
        words(reader, fields, path, "model", advice)
    };
    let mut sizes: Vec<u32> = Vec::new();
    let mut name = |word: String| match gpu::spelled(&word) {
        Some(spelled) => {
            sizes.extend(spelled.memory_gib);
            spelled.model.to_owned()
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
    let most = sizes.into_iter().max().unwrap_or(0);
    (models, u64::from(most) * 1_024)
}

fn size(reader: &mut Reader, fields: Fields<'_>, parent: &str, key: &str, default: u64) -> u64 {
    fields
        .get(key)
        .and_then(|node| reader.convert(&join(parent, key), node, SIZE_ADVICE, units::size_mib))
        .unwrap_or(default)
}
