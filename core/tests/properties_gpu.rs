//! The table of GPU models: numbers that never change, memory as it is printed on the box, and names as people and drivers
//! write them.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::collections::BTreeSet;

use gridlease_core::gpu::spelling::{Spelled, product, spelled};
use gridlease_core::gpu::{
    ALL_MODELS, MODELS, TABLE, family_bits, is_sold_with, model_bit, model_id, model_name, nominal_mib,
};
use proptest::prelude::*;

fn models() -> impl Strategy<Value = u8> {
    0..u8::try_from(MODELS.len()).unwrap()
}

/// What `nvidia-smi --query-gpu=name,memory.total` says of a GPU, its model, and what is printed on its box. Where error
/// correction can be on or off, both are here.
const REPORTED: &[(&str, u32, &str, u32)] = &[
    ("NVIDIA A10", 23_028, "a10", 24),
    ("NVIDIA A10", 22_731, "a10", 24),
    ("NVIDIA A10G", 23_028, "a10g", 24),
    ("NVIDIA A100-PCIE-40GB", 40_960, "a100-pcie", 40),
    ("NVIDIA A100-SXM4-40GB", 40_536, "a100-sxm", 40),
    ("NVIDIA A100-SXM4-80GB", 81_920, "a100-sxm", 80),
    ("NVIDIA A100 80GB PCIe", 81_559, "a100-pcie", 80),
    ("NVIDIA A16", 15_356, "a16", 16),
    ("NVIDIA A2", 15_356, "a2", 16),
    ("NVIDIA A30", 24_576, "a30", 24),
    ("NVIDIA A40", 46_068, "a40", 48),
    ("NVIDIA A40", 49_140, "a40", 48),
    ("NVIDIA B200", 183_359, "b200", 192),
    ("NVIDIA B300 SXM6 AC", 275_040, "b300", 288),
    ("NVIDIA GB200", 189_471, "gb200", 192),
    ("NVIDIA GH200 480GB", 97_871, "gh200", 96),
    ("NVIDIA H100 80GB HBM3", 81_559, "h100-sxm", 80),
    ("NVIDIA H100 PCIe", 81_559, "h100-pcie", 80),
    ("NVIDIA H100 NVL", 95_830, "h100-nvl", 94),
    ("NVIDIA H20", 97_871, "h20", 96),
    ("NVIDIA H200", 143_771, "h200-sxm", 141),
    ("NVIDIA H200 NVL", 143_771, "h200-nvl", 141),
    ("NVIDIA L4", 23_034, "l4", 24),
    ("NVIDIA L40", 46_068, "l40", 48),
    ("NVIDIA L40S", 46_068, "l40s", 48),
    ("Tesla M40 24GB", 22_945, "m40", 24),
    ("Tesla P4", 7_611, "p4", 8),
    ("Tesla P40", 22_919, "p40", 24),
    ("Tesla P100-PCIE-16GB", 16_280, "p100", 16),
    ("Tesla P100-PCIE-12GB", 12_198, "p100", 12),
    ("Tesla T4", 15_360, "t4", 16),
    ("Tesla T4", 15_109, "t4", 16),
    ("Tesla V100-SXM2-16GB", 16_160, "v100-sxm", 16),
    ("Tesla V100-SXM2-32GB", 32_510, "v100-sxm", 32),
    ("Tesla V100-PCIE-16GB", 16_160, "v100-pcie", 16),
    ("NVIDIA RTX PRO 6000 Blackwell Server Edition", 97_887, "rtx-pro-6000-server", 96),
    ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 97_887, "rtx-pro-6000-workstation", 96),
    ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 97_887, "rtx-pro-6000-max-q", 96),
    ("NVIDIA RTX 6000 Ada Generation", 49_140, "rtx-6000-ada", 48),
    ("NVIDIA RTX 6000 Ada Generation", 46_068, "rtx-6000-ada", 48),
    ("NVIDIA RTX 4000 SFF Ada Generation", 20_475, "rtx-4000-sff-ada", 20),
    ("NVIDIA RTX 4000 Ada Generation", 19_195, "rtx-4000-ada", 20),
    ("NVIDIA RTX A2000 12GB", 12_282, "rtx-a2000", 12),
    ("NVIDIA RTX A2000", 5_754, "rtx-a2000", 6),
    ("NVIDIA RTX A6000", 49_140, "rtx-a6000", 48),
    ("Quadro RTX 6000", 24_220, "quadro-rtx-6000", 24),
    ("Quadro RTX 8000", 48_601, "quadro-rtx-8000", 48),
    ("NVIDIA TITAN RTX", 24_220, "titan-rtx", 24),
    ("NVIDIA TITAN V", 12_066, "titan-v", 12),
    ("NVIDIA GeForce RTX 5090", 32_607, "rtx-5090", 32),
    ("NVIDIA GeForce RTX 5060 Ti", 16_311, "rtx-5060-ti", 16),
    ("NVIDIA GeForce RTX 5060 Ti", 8_151, "rtx-5060-ti", 8),
    ("NVIDIA GeForce RTX 4090", 24_564, "rtx-4090", 24),
    ("NVIDIA GeForce RTX 4090", 49_140, "rtx-4090", 48), // rebuilt with twice the memory
    ("NVIDIA GeForce RTX 4090 D", 24_564, "rtx-4090-d", 24),
    ("NVIDIA GeForce RTX 4090 Laptop GPU", 16_376, "rtx-4090-laptop", 16),
    ("NVIDIA GeForce RTX 4070 Ti SUPER", 16_376, "rtx-4070-ti-super", 16),
    ("NVIDIA GeForce RTX 3090", 24_576, "rtx-3090", 24),
    ("NVIDIA GeForce RTX 3090 Ti", 23_028, "rtx-3090-ti", 24),
    ("NVIDIA GeForce RTX 3080", 10_240, "rtx-3080", 10),
    ("NVIDIA GeForce RTX 3080", 12_288, "rtx-3080", 12),
    ("NVIDIA GeForce RTX 2080 Ti", 11_264, "rtx-2080-ti", 11),
    ("NVIDIA GeForce RTX 2060", 5_934, "rtx-2060", 6),
    ("NVIDIA GeForce GTX 1080 Ti", 11_172, "gtx-1080-ti", 11),
    ("NVIDIA GeForce GTX 1660 SUPER", 5_944, "gtx-1660-super", 6),
    ("NVIDIA GeForce GTX 1650", 3_911, "gtx-1650", 4),
    // Not listed, and parts of a GPU.
    ("NVIDIA GeForce RTX 3080 Ti Laptop GPU", 16_384, "other", 16),
    ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4_864, "other", 5),
    ("NVIDIA L40S-48Q", 46_068, "other", 48),
    ("NVIDIA GeForce RTX 2080 Super with Max-Q Design", 8_192, "other", 8),
];

#[test]
fn r25_what_drivers_report_becomes_the_model_and_the_memory_on_its_box() {
    for (name, reported, model, printed) in REPORTED {
        let id = product(name);
        assert_eq!(model_name(id), Some(*model), "{name}");
        assert_eq!(nominal_mib(id, *reported), printed * 1_024, "{name} reports {reported}");
    }
}

#[test]
fn r25_the_numbers_of_the_first_edition_are_as_they_were() {
    let first = [
        "other",
        "h100",
        "h200",
        "b200",
        "b300",
        "gb200",
        "gh200",
        "a100",
        "a40",
        "a30",
        "a10",
        "a16",
        "l40s",
        "l40",
        "l4",
        "t4",
        "v100",
        "p100",
        "rtx-pro-6000",
        "rtx-6000-ada",
        "rtx-a6000",
        "rtx-a5000",
        "rtx-5090",
        "rtx-5080",
        "rtx-4090",
        "rtx-4080",
        "rtx-3090",
        "rtx-3080",
        "rtx-a4000",
        "rtx-2080-ti",
    ];
    assert_eq!(MODELS[..30], first);
}

#[test]
fn r25_no_two_models_share_a_name_and_every_variant_is_of_a_model_with_its_memory() {
    let plain = |name: &str| name.replace('-', "");
    let mut names = BTreeSet::new();
    for model in &TABLE {
        assert!(names.insert(plain(model.name)), "{}", model.name);
        assert!(model.printed_gb.is_sorted());
        let Some(base) = model.variant_of else { continue };
        let base = TABLE[usize::from(model_id(base).unwrap())];
        assert!(base.variant_of.is_none() && model.name.starts_with(base.name), "{}", model.name);
        assert!(model.printed_gb.iter().all(|gb| base.printed_gb.contains(gb)), "{}", model.name);
    }
    let mut drivers = BTreeSet::new();
    for name in TABLE.iter().flat_map(|model| model.drivers) {
        assert!(drivers.insert(*name), "{name}");
        assert_eq!(*name, name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), ""));
    }
    assert_eq!(ALL_MODELS.count_ones() as usize, TABLE.len());
    assert!(TABLE.len() <= 128, "a mask has 128 bits");
}

#[test]
fn r25_a_model_stands_for_its_variants_and_a_variant_for_itself() {
    let bits = |names: &[&str]| names.iter().fold(0, |bits, name| bits | model_bit(model_id(name).unwrap()));
    let family = |name| family_bits(model_id(name).unwrap());
    assert_eq!(family("h100"), bits(&["h100", "h100-sxm", "h100-pcie", "h100-nvl"]));
    assert_eq!(family("h100-nvl"), bits(&["h100-nvl"]));
    assert_eq!(family("rtx-4090"), bits(&["rtx-4090"]), "a 4090 D is another GPU");
    assert_eq!(family_bits(255), 0);
}

#[test]
fn r25_a_buyer_may_write_a_model_as_people_write_it() {
    for (text, model, memory_gb, count) in [
        ("h100", "h100", None, None),
        ("h100:8", "h100", None, Some(8)),
        ("8x H100", "h100", None, Some(8)),
        ("8xh100-sxm", "h100-sxm", None, Some(8)),
        ("H100 SXM5", "h100-sxm", None, None),
        ("h100-80gb-pcie", "h100-pcie", Some(80), None),
        ("A100-80GB:4", "a100", Some(80), Some(4)),
        ("A100-SXM4-80GB", "a100-sxm", Some(80), None),
        ("NVIDIA H200", "h200", None, None),
        ("rtx4090", "rtx-4090", None, None),
        ("RTX 4090", "rtx-4090", None, None),
        ("NVIDIA GeForce RTX 4090", "rtx-4090", None, None),
        ("rtx_2080_ti", "rtx-2080-ti", None, None),
        ("a100 40g", "a100", Some(40), None),
        ("RTX6000Ada", "rtx-6000-ada", None, None),
        ("Tesla V100 32GiB", "v100", Some(32), None),
        ("RTX PRO 6000 Max-Q", "rtx-pro-6000-max-q", None, None),
        ("RTX 4090 24GB", "rtx-4090", Some(24), None),
        ("other", "other", None, None),
    ] {
        let model = model_id(model).unwrap();
        assert_eq!(spelled(text), Some(Spelled { model, memory_gb, count }), "{text}");
        assert_eq!(spelled(text).unwrap().models(), family_bits(model));
    }
}

#[test]
fn r25_what_is_left_over_of_a_model_is_not_dropped() {
    for text in [
        "",
        "80GB",
        "RTX 4090 Foo",
        "A100-80GB-40GB",
        "mi300x",
        "a100-0gb",
        "a100-48gb",
        "rtx4090-80gb",
        "h100:0",
        "h100:",
        "h100:300",
        "h100:eight",
        "0x h100",
        ":8",
        "rtx6000",
        "xh100",
        "h100:8:8",
        "é",
    ] {
        assert_eq!(spelled(text), None, "{text}");
    }
}

#[test]
fn r25_every_name_means_its_model() {
    for (id, name) in (0u8..).zip(MODELS) {
        assert_eq!(spelled(name).map(|spelled| spelled.model), Some(id), "{name}");
    }
    assert!(is_sold_with(family_bits(model_id("h100").unwrap()), 94));
    assert!(!is_sold_with(model_bit(model_id("h100-pcie").unwrap()), 94));
}

#[test]
fn r25_who_asks_for_a_size_gets_no_listed_gpu_with_less_printed_on_its_box() {
    for (id, model) in (0u8..).zip(&TABLE) {
        for gb in model.printed_gb {
            let size = u32::from(*gb) * 1_024;
            assert_eq!(nominal_mib(id, size), size, "{} of {gb} GB", model.name);
        }
        for pair in model.printed_gb.windows(2) {
            let (less, more) = (u32::from(pair[0]) * 1_024, u32::from(pair[1]) * 1_024);
            assert!(nominal_mib(id, less) < more, "{} of {} GB passes for one of {} GB", model.name, pair[0], pair[1]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn r25_the_nominal_memory_is_at_most_a_tenth_above_what_is_reported_and_never_below(
        model in any::<u8>(), reported in any::<u32>(),
    ) {
        let nominal = nominal_mib(model, reported);
        prop_assert!(nominal >= reported);
        prop_assert!(u64::from(nominal) * 10 <= u64::from(reported) * 11);
        prop_assert_eq!(nominal_mib(model, nominal), nominal);
    }

    #[test]
    fn r25_more_memory_is_never_nominally_less(model in models(), reported in 0u32..320_000, more in 0u32..4_000) {
        prop_assert!(nominal_mib(model, reported) <= nominal_mib(model, reported + more));
    }

    #[test]
    fn r25_no_text_breaks_the_reader(text in any::<String>()) {
        let _ = (spelled(&text), product(&text));
    }
}
