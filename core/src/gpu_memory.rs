//! How much memory a GPU has: what is printed on its box, and what its driver reports.
//!
//! A buyer asks for what is printed on the box, "24 GiB". An offer carries what the driver of its GPU reports, and that is
//! less: firmware, page tables and error correction take their part. So a requirement that says 24,576 MiB fits no RTX 4090
//! on earth (24,564 MiB), and one of 81,920 MiB no H100 (81,559 MiB).

use crate::gpu::{model_bit, model_id};

/// Nominal sizes of the models of [`crate::gpu::MODELS`], in GB as printed on the box, each with a floor in MiB for what drivers
/// report (`nvidia-smi --query-gpu=memory.total`): a little under the lowest figure known, with error correction on where there
/// is any. A model can have several sizes; `other` has those that no named model has.
pub const NOMINAL: &[(&str, u16, u32)] = &[
    ("other", 8, 8_000),
    ("other", 20, 19_900),
    ("h100", 80, 81_079),
    ("h100", 94, 95_320),
    ("h100", 96, 97_251),
    ("h200", 141, 143_156),
    ("b200", 180, 182_642),
    ("b200", 192, 182_642),
    ("b300", 288, 274_658),
    ("gb200", 192, 188_416),
    ("gh200", 96, 97_251),
    ("gh200", 144, 146_831),
    ("a100", 40, 40_326),
    ("a100", 80, 81_050),
    ("a40", 48, 45_403),
    ("a30", 24, 24_061),
    ("a10", 24, 22_512),
    ("a16", 16, 15_101),
    ("l40s", 48, 45_403),
    ("l40", 48, 45_403),
    ("l4", 24, 22_512),
    ("t4", 16, 14_910),
    ("v100", 16, 16_130),
    ("v100", 32, 32_480),
    ("p100", 12, 12_193),
    ("p100", 16, 16_270),
    ("rtx-pro-6000", 96, 97_251),
    ("rtx-6000-ada", 48, 45_403),
    ("rtx-a6000", 48, 45_403),
    ("rtx-a5000", 24, 22_512),
    ("rtx-5090", 32, 32_109),
    ("rtx-5080", 16, 16_072),
    ("rtx-4090", 24, 24_072),
    ("rtx-4080", 16, 16_072),
    ("rtx-3090", 24, 24_072),
    ("rtx-3080", 10, 10_009),
    ("rtx-3080", 12, 12_053),
    ("rtx-a4000", 16, 15_101),
    ("rtx-2080-ti", 11, 11_011),
];

/// What a requirement says where a buyer asks for a GPU with `asked` MiB of memory: the most that every model with that much
/// printed on its box reports, and never more than was asked. `models` is the requirement's mask; 0 for any model.
pub fn least_reported(asked: u32, models: u64) -> u32 {
    let wanted = |model: &str| models == 0 || model_id(model).is_some_and(|id| model_bit(id) & models != 0);
    NOMINAL
        .iter()
        .filter(|(model, printed, _)| u32::from(*printed) * 1_024 >= asked && wanted(model))
        .map(|(_, _, reported)| *reported)
        .fold(asked, u32::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nominal_size_is_of_a_known_model_and_above_what_is_reported() {
        for (model, printed, reported) in NOMINAL {
            assert!(model_id(model).is_some(), "{model}");
            // A GB on the box is between 10⁹ and 2³⁰ bytes; error correction takes at most a sixteenth.
            let (least, most) =
                (u64::from(*printed) * 1_000_000_000 / 1_048_576 * 15 / 16, u64::from(*printed) * 1_049);
            assert!((least..=most).contains(&u64::from(*reported)), "{model} {printed}: {reported}");
        }
    }

    #[test]
    fn whoever_asks_for_a_size_gets_no_model_with_less_printed_on_its_box() {
        for (model, printed, reported) in NOMINAL {
            for (other, less, theirs) in NOMINAL.iter().filter(|(_, less, _)| less < printed) {
                // The B200 is printed with two sizes.
                assert!(theirs < reported || model == other, "{other} of {less} would pass for {model} of {printed}");
            }
        }
    }
}
