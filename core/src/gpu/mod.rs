//! GPUs and regions: what a requirement and an offer name, as numbers on the chain.
//!
//! [`table`] is the only list of models there is. From it come the number of a model and its bit in a requirement's mask, the
//! ways people and drivers write it ([`spelling`]), and the memory it is sold with ([`nominal_mib`]).

pub mod spelling;
pub mod table;

pub use table::{Model, TABLE};

/// Names of the models; the position is the model's number and the bit of its mask.
pub const MODELS: [&str; TABLE.len()] = {
    let mut names = [""; TABLE.len()];
    let mut at = 0;
    while at < TABLE.len() {
        names[at] = TABLE[at].name;
        at += 1;
    }
    names
};

/// Every bit of a model in a requirement's mask.
pub const ALL_MODELS: u128 = u128::MAX >> (128 - TABLE.len());

/// A driver reports at least this part of the memory that is printed on the box: error correction takes a sixteenth of it, and
/// firmware and page tables a little more.
const LEAST_REPORTED: (u64, u64) = (10, 11);

/// Sizes that GPUs are sold with, in GB as printed on the box, ascending: for a model that the table does not list, and for a
/// listed one that was built with another size.
const USUAL_GB: &[u16] = &[
    2, 3, 4, 5, 6, 8, 10, 11, 12, 16, 18, 20, 22, 24, 32, 40, 48, 64, 72, 80, 94, 96, 128, 141, 144, 180, 192, 279, 288,
];

/// Number of the model called `name`, in lower case as in [`MODELS`].
pub fn model_id(name: &str) -> Option<u8> {
    MODELS.iter().position(|model| *model == name).and_then(|at| u8::try_from(at).ok())
}

/// Name of model `id`.
pub fn model_name(id: u8) -> Option<&'static str> {
    MODELS.get(usize::from(id)).copied()
}

/// The bit of model `id` in a requirement's mask; none for an unknown id.
pub fn model_bit(id: u8) -> u128 {
    if usize::from(id) < TABLE.len() { 1u128 << id } else { 0 }
}

/// The bits of all models that a buyer means by the name of model `id`: that model and its variants. `h100` is an H100 of any
/// form, `h100-pcie` is that card alone.
pub fn family_bits(id: u8) -> u128 {
    let Some(name) = model_name(id) else { return 0 };
    let variants = (0u8..).zip(&TABLE).filter(|(_, model)| model.variant_of == Some(name));
    variants.fold(model_bit(id), |bits, (variant, _)| bits | model_bit(variant))
}

/// The memory that is printed on the box of a GPU whose driver reports `reported` MiB: in MiB, and never less than `reported`.
///
/// A buyer asks for what is printed on the box, "24 GiB", and an offer carries what the driver reports, which is less: 24,564 MiB
/// for an RTX 4090, 81,559 for an H100 of 80 GB. So the two are compared by what is printed: the smallest size of the model that
/// is not below `reported`, where `reported` is at least ten elevenths of it. A size that no box has stands for itself.
pub fn nominal_mib(model: u8, reported: u32) -> u32 {
    let printed = TABLE.get(usize::from(model)).map_or(&[][..], |model| model.printed_gb);
    size_of_box(printed, reported).or_else(|| size_of_box(USUAL_GB, reported)).unwrap_or(reported)
}

/// The size in MiB among `printed` (in GB, ascending) that a driver may report as `reported` MiB.
fn size_of_box(printed: &[u16], reported: u32) -> Option<u32> {
    let (part, whole) = LEAST_REPORTED;
    let size = printed.iter().map(|gb| u32::from(*gb) * 1_024).find(|size| *size >= reported)?;
    (u64::from(reported) * whole >= u64::from(size) * part).then_some(size)
}

/// Is some model of `models` (a requirement's mask) sold with `gb` GB of memory?
pub fn is_sold_with(models: u128, gb: u16) -> bool {
    (0u8..).zip(&TABLE).any(|(id, model)| model_bit(id) & models != 0 && model.printed_gb.contains(&gb))
}

/// Regions, numbered by position.
pub const REGIONS: [&str; 10] = ["any", "eu", "us", "ca", "sa", "uk", "asia", "oceania", "africa", "me"];

/// Number of the region called `name`.
pub fn region_id(name: &str) -> Option<u8> {
    REGIONS.iter().position(|region| *region == name).and_then(|at| u8::try_from(at).ok())
}

/// Name of region `id`.
pub fn region_name(id: u8) -> Option<&'static str> {
    REGIONS.get(usize::from(id)).copied()
}

/// The bit of region `id` in a requirement's mask.
pub fn region_bit(id: u8) -> u32 {
    if usize::from(id) < REGIONS.len() { 1u32 << id } else { 0 }
}
