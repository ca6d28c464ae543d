//! Finding the engine, and saying exactly why it cannot be used.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use bollard::{API_DEFAULT_VERSION, Docker};

use super::{DockerDriver, engine, reason};
use crate::driver::{DriverError, EngineInfo, RegistryPolicy};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// For one answer of the engine, seconds. Longer than the longest grace of a stop.
const TIMEOUT_S: u64 = 120;

pub(super) async fn connect(socket: Option<PathBuf>) -> Result<DockerDriver, DriverError> {
    let socket = match socket {
        Some(socket) => socket,
        None => from_environment(std::env::var("DOCKER_HOST").ok())?,
    };
    probe(&socket).await?;
    let not_running = |e: &bollard::errors::Error| DriverError::NotRunning {
        socket: socket.display().to_string(),
        reason: reason(e),
    };
    let docker = Docker::connect_with_unix(&socket.to_string_lossy(), TIMEOUT_S, API_DEFAULT_VERSION)
        .map_err(|e| not_running(&e))?
        .negotiate_version()
        .await
        .map_err(|e| not_running(&e))?;
    Ok(DockerDriver {
        docker,
        socket,
        registries: RegistryPolicy::default(),
        facts: Arc::default(),
        reaches: Arc::default(),
        troubled: Arc::default(),
    })
}

/// A node mounts directories of its own machine, so an engine elsewhere is of no use.
fn from_environment(docker_host: Option<String>) -> Result<PathBuf, DriverError> {
    match docker_host.filter(|h| !h.is_empty()) {
        None => Ok(PathBuf::from(DEFAULT_SOCKET)),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
            _ => Err(DriverError::Remote { host }),
        },
    }
}

/// Opens the socket once, only to learn why it cannot be opened.
async fn probe(socket: &Path) -> Result<(), DriverError> {
    let name = socket.display().to_string();
    match tokio::net::UnixStream::connect(socket).await {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(DriverError::NoPermission { socket: name }),
        Err(e) if e.kind() == ErrorKind::NotFound && !installed() => Err(DriverError::NotInstalled { socket: name }),
        Err(e) => Err(DriverError::NotRunning { socket: name, reason: e.to_string() }),
    }
}

/// Whether an engine is on PATH, or where distributions put it when PATH lacks the system's folders.
fn installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/bin".into(), "/usr/sbin".into(), "/usr/local/bin".into()])
        .any(|dir: PathBuf| dir.join("dockerd").is_file())
}

impl DockerDriver {
    pub(super) async fn check_engine(&self, gpu: bool) -> Result<EngineInfo, DriverError> {
        let version = self.docker.version().await.map_err(|e| engine("say its version", &e))?;
        let info = self.docker.info().await.map_err(|e| engine("describe itself", &e))?;
        let podman = version
            .components
            .unwrap_or_default()
            .iter()
            .any(|component| component.name.to_ascii_lowercase().contains("podman"));
        if gpu && podman {
            return Err(DriverError::PodmanWithGpu { socket: self.socket.display().to_string() });
        }
        let nvidia_runtime = info.runtimes.unwrap_or_default().keys().any(|name| name.contains("nvidia"));
        if gpu && !nvidia_runtime {
            tracing::warn!(
                "the engine lists no NVIDIA runtime; GPU containers start only if its toolkit hook is installed"
            );
        }
        if !podman && info.live_restore_enabled == Some(false) {
            // The engine is looked at again and again.
            static TOLD: Once = Once::new();
            TOLD.call_once(|| {
                tracing::warn!(
                    "jobs end when this engine is restarted, by an update for example; with `\"live-restore\": true` in its daemon.json they outlive it"
                );
            });
        }
        let name = format!("{} {}", if podman { "Podman" } else { "Docker" }, version.version.unwrap_or_default());
        Ok(EngineInfo { name, podman, nvidia_runtime })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_docker_host_is_refused_and_a_local_socket_is_used() {
        assert_eq!(from_environment(None).unwrap(), PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(from_environment(Some(String::new())).unwrap(), PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(
            from_environment(Some("unix:///run/user/1/docker.sock".to_owned())).unwrap(),
            PathBuf::from("/run/user/1/docker.sock")
        );
        let error = from_environment(Some("tcp://10.0.0.1:2375".to_owned())).unwrap_err();
        assert!(matches!(error, DriverError::Remote { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_means_not_running() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("docker.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let error = connect(Some(socket)).await.unwrap_err();
        assert!(matches!(error, DriverError::NotRunning { .. }), "{error}");
        assert!(error.to_string().contains("start it"), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_told_apart_from_one_without_permission() {
        let dir = tempfile::tempdir().unwrap();
        let error = connect(Some(dir.path().join("absent.sock"))).await.unwrap_err();
        assert!(matches!(error, DriverError::NotRunning { .. } | DriverError::NotInstalled { .. }), "{error}");
    }

    /// An engine that answers the two questions that are asked of it, as Podman does.
    async fn podman(socket: &Path) {
        use axum::response::IntoResponse as _;
        let answer = |uri: axum::http::Uri| async move {
            let version =
                r#"{"Version":"5.4.0","ApiVersion":"1.41","Components":[{"Name":"Podman Engine","Version":"5.4.0"}]}"#;
            let body = if uri.path().ends_with("/version") { version } else { "{}" };
            ([(axum::http::header::CONTENT_TYPE, "application/json")], body).into_response()
        };
        let listener = tokio::net::UnixListener::bind(socket).unwrap();
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await.unwrap() });
    }

    #[tokio::test]
    async fn podman_is_recognised_and_refused_for_gpus_only() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("podman.sock");
        podman(&socket).await;
        let driver = connect(Some(socket)).await.unwrap();
        let info = driver.check_engine(false).await.unwrap();
        assert!(info.podman && info.name.starts_with("Podman 5.4.0"), "{info:?}");
        let error = driver.check_engine(true).await.unwrap_err();
        assert!(matches!(error, DriverError::PodmanWithGpu { .. }), "{error}");
    }
}
