//! From the manifest to what stands on chain: the requirement and the terms.
//!
//! The buyer posts what this says, and the node compares what it was sold with what it is asked to run by the same words.

use gridlease_core::gpu::{family_bits, model_id, region_bit, region_id};
use gridlease_core::job::{Mode, Terms};
use gridlease_core::limits::DEFAULT_WEIGHTS;
use gridlease_core::requirement::flags;
use gridlease_core::{Atoms, PricePerHour, RuleError, Seconds};

use super::{Manifest, PriceMode};
use crate::image::ResolvedImage;
use crate::instruction::job::{JobArgs, RequirementArgs};

/// A part of a manifest that cannot be honoured, or does not fit what the chain holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Unfit {
    /// Key in the YAML text.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

fn unfit(key: &'static str, problem: impl Into<String>) -> Unfit {
    Unfit { key, problem: problem.into() }
}

/// Everything in a manifest that would not be honoured: a job runs as written or not at all.
pub fn refusals(manifest: &Manifest) -> Vec<Unfit> {
    let mut found: Vec<Unfit> = manifest.unsupported().into_iter().map(|part| unfit(part.key, part.message)).collect();
    let cases = [
        (
            manifest.price.mode == PriceMode::Instant,
            "price.mode",
            "standing offers are not taken at once yet; write mode: auction",
        ),
        (
            !manifest.placement.exclude.is_empty(),
            "placement.exclude",
            "providers cannot be excluded yet; leave it out, or ask for a min_reputation",
        ),
        (
            manifest.duration.checkpoint_s.is_some(),
            "duration.checkpoint",
            "nodes do not keep checkpoints yet; leave it out",
        ),
    ];
    for (present, key, message) in cases {
        if present && !found.iter().any(|unfit| unfit.key == key) {
            found.push(unfit(key, message));
        }
    }
    found
}

/// What the job asks for, as its account holds it.
///
/// # Errors
/// [`Unfit`], for a word that the market does not know or a number that its account cannot hold.
pub fn requirement(manifest: &Manifest) -> Result<RequirementArgs, Unfit> {
    let resources = &manifest.resources;
    let mib = |key, value: u64| {
        u32::try_from(value).map_err(|_| unfit(key, format!("{value} MiB are more than any machine has")))
    };
    let mut need = RequirementArgs {
        gpu_models: 0,
        gpu_models_high: 0,
        min_stake: 0,
        vram_mib: 0,
        cpu_milli: resources.cpu_milli,
        memory_mib: mib("resources.memory", resources.memory_mib)?,
        disk_mib: mib("resources.disk", resources.disk_mib)?,
        regions: 0,
        down_mbit: resources.network.map_or(0, |network| network.down_mbit),
        up_mbit: resources.network.map_or(0, |network| network.up_mbit),
        flags: if manifest.network.is_some() { flags::EGRESS } else { 0 },
        compute_capability: 0,
        cuda: 0,
        min_reputation: u16::try_from(manifest.placement.min_reputation_bps)
            .map_err(|_| unfit("placement.min_reputation", "is above 1"))?,
        gpu_count: 0,
    };
    if let Some(gpu) = &resources.gpu {
        need.gpu_count =
            u8::try_from(gpu.count).map_err(|_| unfit("resources.gpu.count", "at most 255 are allowed"))?;
        need.cuda = u16::try_from(gpu.cuda_min).map_err(|_| unfit("resources.gpu.cuda", "is no CUDA version"))?;
        for model in &gpu.models {
            let id = model_id(model).ok_or_else(|| {
                unfit("resources.gpu.model", format!("{model:?} is not a model that the market knows"))
            })?;
            need.add_models(family_bits(id));
        }
        need.vram_mib = mib("resources.gpu.vram", gpu.vram_mib)?;
    }
    for region in &manifest.placement.regions {
        let id = region_id(region)
            .ok_or_else(|| unfit("placement.regions", format!("{region:?} is not a region that the market knows")))?;
        need.regions |= region_bit(id);
    }
    Ok(need)
}

/// The terms that the rules reckon with.
///
/// # Errors
/// [`RuleError`] for a price, a time or a number of attempts outside its bounds.
pub fn terms(manifest: &Manifest) -> Result<Terms, RuleError> {
    let terms = Terms {
        max_price: PricePerHour(manifest.price.max_atoms_per_hour),
        max_duration: Seconds(manifest.duration.max_s.into()),
        window: Seconds(manifest.price.window_s.into()),
        attempts: u8::try_from(manifest.attempts).map_err(|_| RuleError::AttemptsOutOfBounds)?,
        mode: Mode::Open,
        reveal: Seconds::ZERO,
        wait: Seconds(manifest.price.wait_s.into()),
        review: Seconds::ZERO,
    };
    terms.check()?;
    Ok(terms)
}

/// What posting reserves.
///
/// # Errors
/// As [`terms`].
pub fn cap(manifest: &Manifest) -> Result<Atoms, RuleError> {
    terms(manifest)?.cap()
}

/// Size of an image as the chain counts it: megabytes (10⁶ bytes), begun ones counted whole.
pub fn image_mb(size_bytes: u64) -> u32 {
    u32::try_from(size_bytes.div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

/// The arguments of `post_job`.
///
/// # Errors
/// As [`requirement`].
pub fn job_args(manifest: &Manifest, image: &ResolvedImage, manifest_hash: [u8; 32]) -> Result<JobArgs, Unfit> {
    Ok(JobArgs {
        requirement: requirement(manifest)?,
        manifest_hash,
        image_digest: image.digest,
        max_price: manifest.price.max_atoms_per_hour,
        max_duration_s: manifest.duration.max_s,
        window_s: manifest.price.window_s,
        reveal_s: 0,
        notice_s: 0,
        checkpoint_s: 0,
        wait_s: manifest.price.wait_s,
        review_s: 0,
        image_mb: image_mb(image.size_bytes),
        weights: DEFAULT_WEIGHTS,
        attempts: u8::try_from(manifest.attempts).map_err(|_| unfit("attempts", "at most 8 are allowed"))?,
        mode: 0,
        verify_class: 0,
        manifest_uri: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(more: &str) -> Manifest {
        let text = format!(
            "version: 1\nname: j\nimage: a.example/b\nresources: {{ cpu: 1.5, memory: 512MiB, disk: 1GiB{more}\n\
             price: {{ max: 1.80 }}\nduration: {{ max: 1h }}\n"
        );
        Manifest::from_yaml(&text, "job.yaml").unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn what_the_manifest_asks_for_stands_in_the_requirement() {
        let gpu = ", gpu: { model: [h100, a100], count: 2, vram: 24GiB, cuda: \">=12.4\" } }\nplacement: { regions: [eu, us], min_reputation: 0.8";
        let need = requirement(&manifest(&format!("{gpu} }}"))).unwrap();
        assert_eq!(need.models(), family_bits(model_id("h100").unwrap()) | family_bits(model_id("a100").unwrap()));
        assert_eq!((need.gpu_count, need.vram_mib, need.cuda), (2, 24 * 1_024, 1_204));
        assert_eq!(need.regions, (1 << region_id("eu").unwrap()) | (1 << region_id("us").unwrap()));
        assert_eq!((need.cpu_milli, need.memory_mib, need.disk_mib), (1_500, 512, 1_024));
        assert_eq!(need.min_reputation, 8_000);
    }

    #[test]
    fn r25_the_memory_is_asked_for_as_it_is_written() {
        let posted = |gpu: &str| requirement(&manifest(&format!(", gpu: {{ {gpu} }} }}"))).unwrap();
        assert_eq!(posted("model: rtx-4090, vram: 24GiB").vram_mib, 24 * 1_024);
        assert_eq!(posted("model: A100-80GB").vram_mib, 80 * 1_024);
        assert_eq!(posted("count: 1").vram_mib, 0);
    }

    #[test]
    fn r25_a_model_asks_for_all_of_its_variants_and_a_variant_for_itself() {
        let posted = |gpu: &str| requirement(&manifest(&format!(", gpu: {{ {gpu} }} }}"))).unwrap();
        let bit = |name| 1u128 << model_id(name).unwrap();
        assert_eq!(posted("model: H100-NVL").models(), bit("h100-nvl"));
        assert_ne!(posted("model: h100").models() & bit("h100-nvl"), 0);
        let eight = posted("model: \"h100:8\"");
        assert_eq!((eight.gpu_count, eight.models()), (8, posted("model: h100").models()));
    }

    #[test]
    fn a_job_without_a_gpu_asks_for_none_and_for_no_class_of_machine() {
        let need = requirement(&manifest(" }")).unwrap();
        assert_eq!((need.gpu_count, need.gpu_models, need.vram_mib, need.flags, need.regions), (0, 0, 0, 0, 0));
    }

    #[test]
    fn what_would_not_be_honoured_is_refused_by_name() {
        let mut manifest = manifest(" }");
        assert_eq!(refusals(&manifest), []);
        manifest.price.mode = PriceMode::Instant;
        manifest.duration.checkpoint_s = Some(60);
        let mut keys: Vec<_> = refusals(&manifest).iter().map(|unfit| unfit.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["duration.checkpoint", "price.mode"]);
    }

    #[test]
    fn a_job_that_wants_a_network_asks_for_a_machine_that_gives_one() {
        for (network, flags) in [("none", 0), ("egress", flags::EGRESS), ("{ allow: [hub.example] }", flags::EGRESS)] {
            let manifest = manifest(&format!(" }}\nnetwork: {network}"));
            assert_eq!(requirement(&manifest).unwrap().flags, flags, "{network}");
            assert_eq!(refusals(&manifest), []);
        }
    }

    #[test]
    fn bandwidth_is_asked_for_in_megabits() {
        let need = requirement(&manifest(", network: { down: 100, up: 20 } }\nnetwork: egress")).unwrap();
        assert_eq!((need.down_mbit, need.up_mbit), (100, 20));
        let need = requirement(&manifest(", network: { up: 20 } }\nnetwork: egress")).unwrap();
        assert_eq!((need.down_mbit, need.up_mbit), (0, 20));
    }

    #[test]
    fn the_cap_is_the_rules_cap() {
        assert_eq!(cap(&manifest(" }")).unwrap(), Atoms(1_800_000));
    }

    #[test]
    fn a_megabyte_that_is_begun_counts_whole() {
        assert_eq!((image_mb(0), image_mb(1), image_mb(1_000_000), image_mb(1_000_001)), (0, 1, 1, 2));
    }
}
