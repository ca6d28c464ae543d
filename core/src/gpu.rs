//! The GPU models that requirements and offers name: a number each, and a bit in a requirement's mask.

/// Names of the models; the position is the model's number and the bit of its mask. Only ever appended to.
pub const MODELS: [&str; 30] = [
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

/// Number of the model called `name`, in lower case as in [`MODELS`].
pub fn model_id(name: &str) -> Option<u8> {
    MODELS.iter().position(|model| *model == name).and_then(|at| u8::try_from(at).ok())
}

/// Name of model `id`.
pub fn model_name(id: u8) -> Option<&'static str> {
    MODELS.get(usize::from(id)).copied()
}

/// The bit of model `id` in a requirement's mask; none for an unknown id.
pub fn model_bit(id: u8) -> u64 {
    if usize::from(id) < MODELS.len() { 1u64 << id } else { 0 }
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
