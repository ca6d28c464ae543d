//! A job's secrets: which its manifest names, and their values, which are looked up when they are needed and kept nowhere.

use std::collections::BTreeMap;

use gridlease_sdk::manifest::{Manifest, SecretSource};
use gridlease_sdk::node_api::secrets::{MAX_SECRET_BYTES, Secrets};
use zeroize::Zeroizing;

use super::store::JobRecord;
use crate::error::CliError;

/// What a job's manifest has sealed to the node that wins, the registry's password among it; none where it names none.
///
/// # Errors
/// [`CliError::Local`] where what is remembered of the job is damaged.
pub(super) fn secrets_of(record: &JobRecord) -> Result<Option<BTreeMap<String, SecretSource>>, CliError> {
    let manifest = Manifest::from_canonical(record.manifest.as_bytes())
        .map_err(|error| CliError::Local(format!("the manifest that is remembered of the job is damaged: {error}")))?;
    let sources = manifest.sealed_sources();
    Ok((!sources.is_empty()).then_some(sources))
}

/// Their values.
///
/// # Errors
/// [`CliError::Usage`] with every one that is not there, or too large.
pub(super) fn values(wanted: &BTreeMap<String, SecretSource>) -> Result<Secrets, CliError> {
    let (mut found, mut missing) = (Secrets::new(), Vec::new());
    for (name, from) in wanted {
        let value = match from {
            SecretSource::Env => std::env::var_os(name).map(std::os::unix::ffi::OsStringExt::into_vec),
        };
        match value {
            None => missing.push(name.as_str()),
            Some(value) if value.len() > MAX_SECRET_BYTES => {
                let bytes = value.len();
                drop(Zeroizing::new(value));
                return Err(CliError::Usage(format!(
                    "secret {name} has {bytes} bytes; at most {MAX_SECRET_BYTES} are sealed, so put it into a file that the job fetches"
                )));
            }
            Some(value) => {
                found.insert(name.clone(), Zeroizing::new(value));
            }
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(CliError::Usage(format!(
        "the manifest's secrets come from variables that are not set here: {}; set them (`read -rs {first} && export {first}`) and type the command again",
        missing.join(", "),
        first = missing.first().copied().unwrap_or_default(),
    )))
}
