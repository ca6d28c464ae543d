//! Pulling by digest, with a bound on size and on silence.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error as BollardError;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptions};
use futures_util::StreamExt as _;
use gridlease_sdk::image::Credentials;
use gridlease_sdk::node_api::PullProgress;
use tokio::sync::watch;

use super::troubled::ROOM;
use super::{DockerDriver, engine, is_missing, reason};
use crate::driver::registry::is_docker_hub;
use crate::driver::{DriverError, ImageRef, Pull};

/// A pull in which nothing happens for so long is given up.
const STALL: Duration = Duration::from_secs(120);
/// Layers beyond this many are not shown in the progress; no image has them.
const MAX_LAYERS: usize = 1_024;

impl DockerDriver {
    pub(super) async fn pull_image(
        &self,
        image: &ImageRef,
        pull: Pull<'_>,
        progress: &watch::Sender<PullProgress>,
    ) -> Result<u64, DriverError> {
        let max_bytes = pull.max_bytes;
        // Also where the image is here already: what the owner pulled from a registry of its own is not for buyers.
        self.registries.check_name(image)?;
        if let Some(size) = self.local_size(image, max_bytes).await? {
            if pull.guarded {
                self.registries.prove(image, pull.login).await?;
            }
            return Ok(size);
        }
        let name = image.to_string();
        let found = self.registries.check(image, pull.login, &platform()).await?;
        if let Some(found) = found.filter(|found| found.size_bytes > max_bytes) {
            return Err(DriverError::ImageTooLarge { image: name, bytes: found.size_bytes, limit: max_bytes });
        }
        let room = self.room().await;
        if room.is_some_and(|room| room < ROOM) {
            return Err(DriverError::NoSpace { image: name, reason: left(room) });
        }
        let options = CreateImageOptionsBuilder::default().from_image(&name).build();
        let mut events = std::pin::pin!(self.docker.create_image(Some(options), None, pull.login.map(credentials)));
        let mut layers = Layers::default();
        loop {
            let event = tokio::time::timeout(STALL, events.next())
                .await
                .map_err(|_| DriverError::PullStalled { image: name.clone(), seconds: STALL.as_secs() })?;
            let Some(event) = event else { break };
            let event = event.map_err(|e| self.troubled.noted(pull_error(image, &e)))?;
            layers.note(event);
            // What unpacks to more than anybody said ends here, and not with every other lease's disk.
            let now = self.room().await;
            if let Some(bytes) = room.zip(now).and_then(|(before, now)| overflow(before, now, max_bytes)) {
                return Err(match bytes {
                    Some(bytes) => DriverError::ImageTooLarge { image: name, bytes, limit: max_bytes },
                    None => DriverError::NoSpace { image: name, reason: left(now) },
                });
            }
            let now = layers.progress();
            // Compressed layers are never larger than what they unpack to, but for a few bytes.
            if now.bytes_total > max_bytes {
                return Err(DriverError::ImageTooLarge { image: name, bytes: now.bytes_total, limit: max_bytes });
            }
            progress.send_replace(now);
        }
        match self.local_size(image, max_bytes).await? {
            Some(size) => Ok(size),
            None => Err(DriverError::Engine { what: "find the image it pulled", reason: name }),
        }
    }

    /// The unpacked size of the image if the engine holds it under its digest.
    async fn local_size(&self, image: &ImageRef, max_bytes: u64) -> Result<Option<u64>, DriverError> {
        let name = image.to_string();
        let found = match self.docker.inspect_image(&name).await {
            Ok(found) => found,
            Err(e) if is_missing(&e) => return Ok(None),
            Err(e) => return Err(engine("look at an image", &e)),
        };
        let digests = found.repo_digests.unwrap_or_default();
        if !digests.iter().any(|d| d.rsplit('@').next() == Some(image.digest())) {
            return Err(DriverError::DigestMismatch { image: name, found: digests.join(", ") });
        }
        let built = format!("{}/{}", found.os.unwrap_or_default(), found.architecture.unwrap_or_default());
        if built != platform() {
            let reason = format!("it is built for {built}, and this machine is {}", platform());
            return Err(DriverError::ImageUnfit { image: name, reason });
        }
        let bytes = u64::try_from(found.size.unwrap_or(0)).unwrap_or(0);
        if bytes > max_bytes {
            // It was pulled for this lease only, if no container uses it; one in use stays, which is no error here.
            let _ = self.docker.remove_image(&name, None::<RemoveImageOptions>, None).await;
            return Err(DriverError::ImageTooLarge { image: name, bytes, limit: max_bytes });
        }
        Ok(Some(bytes))
    }
}

fn left(room: Option<u64>) -> String {
    format!("{} MiB are left", room.unwrap_or_default() >> 20)
}

/// Whether the engine's disk has become too full since a pull began: with the bytes that went, where these are more than its image may
/// have.
fn overflow(before: u64, now: u64, max_bytes: u64) -> Option<Option<u64>> {
    let gone = before.saturating_sub(now);
    (now < ROOM).then(|| (gone > max_bytes).then_some(gone))
}

/// The login as the engine takes it, for this pull alone: it keeps none.
fn credentials(login: &Credentials) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.username().to_owned()),
        password: Some(login.password().to_owned()),
        ..DockerCredentials::default()
    }
}

/// What this machine is, as images say it.
fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

fn pull_error(image: &ImageRef, error: &BollardError) -> DriverError {
    let (image, hub) = (image.to_string(), is_docker_hub(image));
    let reason = reason(error);
    let text = reason.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if has(&[
        "manifest unknown",
        "not found",
        "does not exist",
        "pull access denied",
        "unauthorized",
        "no basic auth credentials",
        "authentication required",
        "incorrect username or password",
        "invalid reference",
        "no matching manifest",
    ]) && !has(&["toomanyrequests", "too many requests"])
    {
        DriverError::ImageNotFound { image, reason }
    } else if has(&["toomanyrequests", "too many requests"]) && hub {
        DriverError::RateLimited { image, reason }
    } else if has(&["max depth exceeded"]) {
        DriverError::ImageUnfit { image, reason }
    } else if has(&[
        "connection refused",
        "no such host",
        "i/o timeout",
        "timeout",
        "connection reset",
        "eof",
        "no route",
        "unreachable",
        "dial tcp",
        // Any other registry's word is that of whoever runs it.
        "toomanyrequests",
        "too many requests",
    ]) {
        DriverError::RegistryUnreachable { image, reason }
    } else {
        DriverError::Engine { what: "pull an image", reason: format!("{image}: {reason}") }
    }
}

#[derive(Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Default)]
struct Layer {
    received: u64,
    total: u64,
    done: bool,
}

impl Layers {
    fn note(&mut self, event: CreateImageInfo) {
        let (Some(id), Some(status)) = (event.id, event.status) else { return };
        // The first line names the image with the id of its tag or digest; only layers matter.
        if status.starts_with("Pulling from") || (self.0.len() >= MAX_LAYERS && !self.0.contains_key(&id)) {
            return;
        }
        let layer = self.0.entry(id).or_default();
        let bytes = |n: Option<i64>| u64::try_from(n.unwrap_or(0)).unwrap_or(0);
        match status.as_str() {
            "Downloading" => {
                if let Some(detail) = event.progress_detail {
                    layer.received = bytes(detail.current);
                    layer.total = bytes(detail.total).max(layer.total);
                }
            }
            "Verifying Checksum" | "Download complete" => layer.received = layer.total,
            "Pull complete" | "Already exists" => {
                layer.received = layer.total;
                layer.done = true;
            }
            _ => {}
        }
    }

    fn progress(&self) -> PullProgress {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        PullProgress {
            layers_done: count(self.0.values().filter(|l| l.done).count()),
            layers_total: count(self.0.len()),
            bytes_done: self.0.values().map(|l| l.received).fold(0, u64::saturating_add),
            bytes_total: self.0.values().map(|l| l.total).fold(0, u64::saturating_add),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(image: &str, message: &str) -> DriverError {
        let image = ImageRef::parse(&format!("{image}@sha256:{}", "ab".repeat(32))).unwrap();
        pull_error(&image, &BollardError::DockerResponseServerError { status_code: 500, message: message.to_owned() })
    }

    #[test]
    fn report_10_only_docker_hub_s_own_limit_is_a_machine_s_trouble_and_no_registry_s_words_are_a_full_disk() {
        const LIMIT: &str = "toomanyrequests: You have reached your pull rate limit.";
        let limited = said("docker.io/library/python", LIMIT);
        assert!(matches!(limited, DriverError::RateLimited { .. }) && !limited.is_transient(), "{limited}");
        let elsewhere = said("registry.example/x", LIMIT);
        assert!(
            matches!(elsewhere, DriverError::RegistryUnreachable { .. }) && elsewhere.is_transient(),
            "{elsewhere}"
        );
        let forged = said("registry.example/x", "no space left on device");
        assert!(matches!(forged, DriverError::Engine { .. }), "{forged}");
    }

    #[test]
    fn threat_09_a_layer_that_unpacks_without_end_is_the_image_s_doing_and_a_small_disk_the_owner_s() {
        let gib = 1 << 30;
        assert_eq!(overflow(100 * gib, 50 * gib, gib), None, "there is room");
        assert_eq!(overflow(100 * gib, ROOM - 1, 64 * gib), Some(Some(100 * gib - ROOM + 1)));
        assert_eq!(overflow(10 * gib, ROOM - 1, 64 * gib), Some(None));
        assert_eq!(overflow(gib, 2 * gib, gib), None, "more than before");
    }
}
