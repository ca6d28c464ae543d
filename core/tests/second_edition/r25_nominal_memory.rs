//! R25: a buyer asks for the memory that is printed on the box, and every GPU on earth reports less.

use gridlease_core::gpu::spelling::product;
use gridlease_core::requirement::{Field, OfferSpec, Requirement, Standing, satisfies};

/// The rule of the first edition: what is reported against what is asked.
fn first_edition(offer: &OfferSpec, need: &Requirement) -> bool {
    offer.vram_mib >= need.vram_mib
}

/// The GPU's driver's name, what it reports, and what its buyers ask for.
const GPUS: [(&str, u32, u32); 4] = [
    ("NVIDIA GeForce RTX 4090", 24_564, 24),
    ("NVIDIA H100 80GB HBM3", 81_559, 80),
    ("NVIDIA L40S", 46_068, 48),
    ("Tesla T4", 15_360, 16),
];

#[test]
fn r25_who_asks_for_the_memory_on_the_box_finds_the_gpus_that_have_it() {
    for (name, reported, printed) in GPUS {
        let offer = OfferSpec { gpu_model: product(name), gpu_count: 1, vram_mib: reported, ..OfferSpec::default() };
        let need = Requirement { gpu_count: 1, vram_mib: printed * 1_024, ..Requirement::default() };
        assert!(!first_edition(&offer, &need), "{name}: no GPU of this kind was ever found");
        assert_eq!(satisfies(&offer, &Standing::default(), &need), Ok(()), "{name}");
        let more = Requirement { vram_mib: printed * 1_024 + 1, ..need };
        assert_eq!(satisfies(&offer, &Standing::default(), &more).unwrap_err().field, Field::Vram, "{name}");
    }
}

#[test]
fn r25_a_gpu_of_a_smaller_box_never_passes_for_the_larger_one() {
    let need = |gb: u32| Requirement { gpu_count: 1, vram_mib: gb * 1_024, ..Requirement::default() };
    for (name, reported, asked) in [
        ("NVIDIA A100-SXM4-40GB", 40_960, 48),
        ("NVIDIA H100 80GB HBM3", 81_559, 94),
        ("NVIDIA H100 NVL", 95_830, 96),
        ("NVIDIA GeForce RTX 3080", 10_240, 12),
        ("NVIDIA GeForce RTX 4090", 24_564, 32),
    ] {
        let offer = OfferSpec { gpu_model: product(name), gpu_count: 1, vram_mib: reported, ..OfferSpec::default() };
        assert!(satisfies(&offer, &Standing::default(), &need(asked)).is_err(), "{name} for {asked} GB");
    }
}
