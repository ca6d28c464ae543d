//! The example from which a buyer starts.

use super::types::Manifest;

impl Manifest {
    /// A commented manifest, as `gridlease job init` writes it. It is valid as it stands.
    pub const fn template() -> &'static str {
        include_str!("template.yaml")
    }
}
