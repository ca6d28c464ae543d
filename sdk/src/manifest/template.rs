//! The example from which a buyer starts.

use super::types::Manifest;
use crate::image::ImageReference;

impl Manifest {
    /// A commented manifest, as `gridlease job init` writes it. It is valid as it stands and names no file of the buyer's,
    /// so that it can be posted without an edit.
    pub const fn template() -> &'static str {
        include_str!("template.yaml")
    }

    /// [`Manifest::template`] for an image of the buyer's own: that image, with its own command.
    pub fn template_for(image: &ImageReference) -> String {
        let line = |line: &str| match line.split_once(' ') {
            Some(("image:", _)) => format!("image: \"{image}\"\n"),
            // The template's command belongs to the template's image.
            Some(("command:", _)) => format!("# {line}\n"),
            _ => format!("{line}\n"),
        };
        Self::template().lines().map(line).collect()
    }
}
