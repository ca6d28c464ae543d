//! The job manifest: what a buyer writes, and what is hashed.
//!
//! A person writes YAML with units (`24GiB`, `2h`, `1.80` USD an hour); [`Manifest::from_yaml`] reads it and reports
//! everything that is wrong at once, each error with its line, its key and what is allowed. The market knows only the
//! **canonical form**: JSON by RFC 8785 with every default filled in and every unit an integer, whose SHA-256 stands in
//! the job. [`Manifest::from_canonical`] accepts that form and no other spelling of it.
//!
//! Between the two, two things are pinned: the image to its digest ([`crate::image::resolve_digest`]) and local input
//! files to their hashes ([`Manifest::pin_local_inputs`]).

mod canonical;
mod check;
mod disk;
mod error;
mod inputs;
mod network;
mod paths;
mod read;
mod ready;
mod registry_auth;
pub mod requirement;
mod reserved;
mod restart;
mod sections;
mod services;
mod template;
mod types;
mod units;
mod unsupported;
mod vocabulary;
mod yaml;

pub use canonical::CanonicalError;
pub use disk::DiskParts;
pub use error::{ManifestError, ManifestErrors};
pub use inputs::{LocalInput, PinError};
pub use network::{AllowedHost, BadHost, HostPattern, MAX_ALLOWED_HOSTS, Network, USUAL_PORTS};
pub use ready::Ready;
pub use registry_auth::{RegistryAuth, RegistryPassword};
pub use reserved::is_reserved_variable;
pub use restart::{DEFAULT_RESTART_DELAY_S, DEFAULT_RESTARTS, LONGEST_RESTART_DELAY_S, Restart, STEADY_RUN_S};
pub use services::{DEFAULT_SERVICE_CPU_MILLI, MAX_SERVICES, POD_MEMORY_MIB};
pub use types::{
    Array, Bandwidth, Duration, Gpu, Input, InputSource, Manifest, Output, Placement, Port, Price, PriceMode, Probe,
    Public, Resources, Scratch, Secret, SecretForm, SecretSource, Service, Verify, VerifyClass,
};
pub use unsupported::Unsupported;
pub use vocabulary::Vocabulary;

/// Largest YAML text, in bytes.
pub const MAX_YAML_BYTES: usize = 256 * 1024;
/// Largest canonical form, in bytes.
pub const MAX_CANONICAL_BYTES: usize = 64 * 1024;
