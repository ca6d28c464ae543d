//! Key files in the format of the Solana tools.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use solana_keypair::Keypair;

/// Writes a key that only this user can read.
///
/// # Errors
/// The file cannot be written.
pub fn write_key(path: &Path, key: &Keypair) -> Result<()> {
    let bytes: Vec<u8> = key.to_bytes().to_vec();
    let json = serde_json::to_string(&bytes).context("a key cannot be written as JSON")?;
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(json.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
