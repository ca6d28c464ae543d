//! What machines and jobs of the tests are, wherever they are told of: in the test VM, and where the rules stand alone.

use gridlease_core::limits::DEFAULT_WEIGHTS;
use gridlease_core::requirement::flags;
use gridlease_sdk::instruction::job::{JobArgs, RequirementArgs};
use gridlease_sdk::instruction::lease::Outcome;
use gridlease_sdk::instruction::provider::{OfferMachine, SpecArgs};

/// One USDC.
pub const USDC: u64 = 1_000_000;
/// What every offer of the tests may bind: more than any of them does.
pub const STAKE_LIMIT: u64 = 1_000_000_000 * USDC;
/// Digest of the image that every job of the tests runs.
pub const IMAGE: [u8; 32] = [7; 32];
/// Hash over the GPU UUIDs that every node of the tests reports.
pub const GPUS: [u8; 32] = [8; 32];

/// What a job of the tests asks for: one H100 for at most two hours at up to 1.80 USDC an hour, an image of 0.5 GB.
#[must_use]
pub fn job_args() -> JobArgs {
    JobArgs {
        requirement: RequirementArgs {
            gpu_models: 1 << 1,
            gpu_models_high: 0,
            min_stake: 0,
            vram_mib: 40_960,
            cpu_milli: 4_000,
            memory_mib: 16_384,
            disk_mib: 51_200,
            regions: 1 << 1,
            down_mbit: 100,
            up_mbit: 100,
            flags: flags::EGRESS,
            compute_capability: 80,
            cuda: 1_200,
            min_reputation: 0,
            gpu_count: 1,
        },
        manifest_hash: [9; 32],
        image_digest: IMAGE,
        max_price: 1_800_000,
        max_duration_s: 7_200,
        window_s: 12,
        reveal_s: 0,
        notice_s: 0,
        checkpoint_s: 0,
        wait_s: 86_400,
        review_s: 0,
        image_mb: 500,
        weights: DEFAULT_WEIGHTS,
        attempts: 3,
        mode: 0,
        verify_class: 0,
        manifest_uri: "https://buyer.example/manifest.json".to_owned(),
    }
}

/// What the container left behind: exit code 0 and two hashes.
#[must_use]
pub fn outcome() -> Outcome {
    Outcome { exit_code: Some(0), result_hash: [10; 32], log_hash: [11; 32], ended_ts: 0, stood_s: 0 }
}

/// One H100 with 8 cores, 64 GiB of memory and 200 GiB of disk, in the EU.
#[must_use]
pub fn machine() -> SpecArgs {
    SpecArgs {
        vram_mib: 81_920,
        cpu_milli: 8_000,
        memory_mib: 65_536,
        disk_mib: 204_800,
        down_mbit: 1_000,
        up_mbit: 500,
        flags: flags::EGRESS,
        compute_capability: 90,
        cuda: 1_204,
        gpu_model: 1,
        gpu_count: 1,
        region: 1,
    }
}

/// The machine of an offer, with what was measured of it.
#[must_use]
pub fn offered(spec: SpecArgs) -> OfferMachine {
    OfferMachine { spec, gpu_root: [3; 32], benchmark_hash: [4; 32], benchmark: 1_000, stake_limit: STAKE_LIMIT }
}

/// The hash of a slot, as the test VM tells it.
#[must_use]
pub fn hash_of(slot: u64) -> [u8; 32] {
    let mut hash = [42; 32];
    hash[..8].copy_from_slice(&slot.to_le_bytes());
    hash
}
