//! Words that the market knows and that change more often than the format.

use gridlease_core::gpu;

/// The words that are accepted where the format itself does not list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// GPU models; none accepts every word of the right form.
    pub gpu_models: Option<&'static [&'static str]>,
    /// Regions; none accepts every word of the right form.
    pub regions: Option<&'static [&'static str]>,
}

impl Vocabulary {
    /// What this version of the market knows: for whoever writes a manifest.
    pub const fn market() -> Self {
        Self { gpu_models: Some(&gpu::MODELS), regions: Some(&gpu::REGIONS) }
    }

    /// Every word of the right form: for whoever is handed a manifest, perhaps by a newer program. What cannot be
    /// matched was not, since the requirement on chain has the market's numbers.
    pub const fn open() -> Self {
        Self { gpu_models: None, regions: None }
    }
}
