//! Pinning an image: with the manifest's login, else as everybody, else with the login that `docker login` left on this machine.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridlease_sdk::image::{Credentials, ImageError, ImageReference, ResolvedImage, http_client, resolve_digest};
use gridlease_sdk::manifest::Manifest;
use gridlease_sdk::node_api::secrets::Secrets;
use zeroize::Zeroizing;

use crate::error::CliError;

/// Largest configuration of Docker's client that is read.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// As which Docker's client keeps the login at its own hub.
const HUB: [&str; 2] = ["https://index.docker.io/v1/", "docker.io"];

/// What the registry has for an image of the manifest.
///
/// # Errors
/// [`CliError::Image`], and [`CliError::Usage`] where only this machine may see the image: a node could not pull it.
pub(super) async fn pin(
    manifest: &Manifest,
    secrets: &Secrets,
    image: &ImageReference,
) -> Result<ResolvedImage, CliError> {
    let http = http_client(image)?;
    if let Some(auth) = manifest.login_for(image) {
        let name = &auth.password.secret;
        let value = secrets.get(name).map(|value| value.as_slice()).unwrap_or_default();
        let login = Credentials::new(&auth.username, value)
            .map_err(|error| CliError::Usage(format!("{name}, which registry_auth names: {error}")))?;
        return Ok(resolve_digest(image, &http, Some(&login)).await?);
    }
    let error = match resolve_digest(image, &http, None).await {
        Ok(resolved) => return Ok(resolved),
        Err(error) => error,
    };
    let limited = matches!(error, ImageError::Refused { status: 429, .. });
    if !limited && !matches!(error, ImageError::Private { .. }) {
        return Err(error.into());
    }
    let of = image.registry.clone();
    let login = tokio::task::spawn_blocking(move || of_docker(&of)).await.ok().flatten();
    let Some(login) = login else { return Err(error.into()) };
    match resolve_digest(image, &http, Some(&login)).await {
        Ok(resolved) if limited => Ok(resolved),
        // It would be posted, won, and fail.
        Ok(_) => Err(CliError::Usage(format!(
            "{image} is private: your docker login sees it, a node does not have that; write \
             `registry_auth: {{ username: {}, password: {{ secret: VARIABLE }} }}` into the manifest, for a token that may only read",
            login.username()
        ))),
        Err(_) => Err(error.into()),
    }
}

/// The login that Docker's client keeps for a registry in its configuration's `auths`. Helpers are not run.
fn of_docker(registry: &str) -> Option<Credentials> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let file = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?.join("config.json");
    if std::fs::metadata(&file).ok()?.len() > MAX_CONFIG_BYTES {
        return None;
    }
    login_in(&Zeroizing::new(std::fs::read(&file).ok()?), registry)
}

fn login_in(config: &[u8], registry: &str) -> Option<Credentials> {
    #[derive(serde::Deserialize)]
    struct Config {
        #[serde(default)]
        auths: std::collections::BTreeMap<String, Login>,
    }
    #[derive(serde::Deserialize)]
    struct Login {
        auth: Option<String>,
    }
    let config: Config = serde_json::from_slice(config).ok()?;
    let names = if registry == "docker.io" { HUB.to_vec() } else { vec![registry] };
    let plain =
        |name: &str| name.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut found = config.auths.iter().filter(|(name, _)| names.iter().any(|wanted| plain(name) == plain(wanted)));
    let auth = Zeroizing::new(found.find_map(|(_, login)| login.auth.clone())?);
    let pair = Zeroizing::new(STANDARD.decode(auth.trim()).ok()?);
    let (username, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Credentials::new(username, password.trim_end_matches('\0').as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_25_the_login_of_docker_s_client_is_found_for_its_registry_alone() {
        let config = br#"{ "auths": {
            "https://index.docker.io/v1/": { "auth": "aHViOmE6Yg==" },
            "127.0.0.1:5000": { "auth": "Y2k6eA==" },
            "kept.elsewhere": {}, "broken": { "auth": "!" } }, "credsStore": "desktop" }"#;
        let hub = login_in(config, "docker.io").unwrap();
        assert_eq!((hub.username(), hub.password()), ("hub", "a:b"));
        assert_eq!(login_in(config, "127.0.0.1:5000").unwrap().username(), "ci");
        for other in ["127.0.0.1", "127.0.0.1:5001", "index.docker.io.evil", "kept.elsewhere", "broken"] {
            assert_eq!(login_in(config, other), None, "{other}");
        }
        assert_eq!(login_in(b"[", "docker.io"), None);
    }
}
