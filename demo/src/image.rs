//! The renderer's image: built from scratch around one static binary, and pushed to the registry.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::query_parameters::{BuildImageOptionsBuilder, PushImageOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::StreamExt as _;

/// The statically linked renderer: `GRIDLEASE_RENDER_BIN`.
///
/// # Errors
/// The variable is not set, or there is no such file.
pub fn renderer() -> Result<PathBuf> {
    let path = std::env::var_os("GRIDLEASE_RENDER_BIN").map(PathBuf::from);
    let path = path.context(
        "GRIDLEASE_RENDER_BIN is not set; `cargo xtask demo` and `cargo xtask test` build the renderer and set it",
    )?;
    if !path.is_file() {
        bail!("there is no renderer at {}; `cargo xtask demo` builds it", path.display());
    }
    Ok(path)
}

/// Connects to the container engine.
///
/// # Errors
/// It does not answer.
pub async fn docker() -> Result<Docker> {
    let docker = Docker::connect_with_local_defaults().context("cannot find the Docker engine's socket")?;
    docker
        .negotiate_version()
        .await
        .context("the Docker engine does not answer; `cargo xtask setup` installs and starts it")
}

/// An image that was built and pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// `host/name:tag`, as a manifest names it.
    pub reference: String,
}

/// Builds an image that holds nothing but `binary` as `/{name}`, and pushes it as `{host}/gridlease/{name}:latest`.
///
/// # Errors
/// The engine refuses to build or push.
pub async fn build_and_push(docker: &Docker, binary: &Path, name: &str, host: &str) -> Result<Pushed> {
    let mut context = tar::Builder::new(Vec::new());
    // The label makes the image this market's own: with equal contents, markets side by side would share one image, and
    // the first that removes it would take it from all.
    let dockerfile = format!("FROM scratch\nLABEL gridlease.registry={host}\nCOPY {name} /{name}\nCMD [\"/{name}\"]\n");
    append(&mut context, "Dockerfile", 0o644, dockerfile.as_bytes())?;
    let bytes = std::fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
    append(&mut context, name, 0o755, &bytes)?;
    push(docker, context, name, host).await
}

/// Pushes an image that `cargo xtask examples` made as `{host}/gridlease/{name}:latest`, labelled as this market's own.
///
/// # Errors
/// It was not made, or the engine refuses to push.
pub async fn push_example(docker: &Docker, name: &str, host: &str) -> Result<Pushed> {
    let made = format!("gridlease-examples/{name}:latest");
    docker
        .inspect_image(&made)
        .await
        .with_context(|| format!("there is no {made}; `cargo xtask examples` makes it"))?;
    let mut context = tar::Builder::new(Vec::new());
    let dockerfile = format!("FROM {made}\nLABEL gridlease.registry={host}\n");
    append(&mut context, "Dockerfile", 0o644, dockerfile.as_bytes())?;
    push(docker, context, name, host).await
}

/// Builds an image from its context and pushes it.
async fn push(docker: &Docker, context: tar::Builder<Vec<u8>>, name: &str, host: &str) -> Result<Pushed> {
    let context = context.into_inner().context("cannot write the build context")?;
    let repository = format!("{host}/gridlease/{name}");
    let reference = format!("{repository}:latest");
    let options = BuildImageOptionsBuilder::default().t(&reference).rm(true).forcerm(true).build();
    let mut build = docker.build_image(options, None, Some(bollard::body_full(context.into())));
    while let Some(step) = build.next().await {
        step.with_context(|| format!("the image {reference} cannot be built"))?;
    }
    drop(build);
    let options = PushImageOptionsBuilder::default().tag("latest").build();
    let mut push = docker.push_image(&repository, Some(options), None);
    while let Some(step) = push.next().await {
        let step = step.with_context(|| format!("the image {reference} cannot be pushed"))?;
        if let Some(error) = step.error_detail.and_then(|detail| detail.message) {
            bail!("the image {reference} cannot be pushed: {error}");
        }
    }
    Ok(Pushed { reference })
}

impl Pushed {
    /// Removes the image from the engine, so that a pull is a real one.
    pub async fn forget(&self, docker: &Docker) {
        forget(docker, &self.reference).await;
    }
}

/// Removes an image and its digests from the engine.
pub async fn forget(docker: &Docker, reference: &str) {
    let Ok(found) = docker.inspect_image(reference).await else { return };
    let options = || Some(RemoveImageOptionsBuilder::default().force(true).build());
    // Not there is as good as removed.
    let _ = docker.remove_image(found.id.as_deref().unwrap_or(reference), options(), None).await;
}

fn append(tar: &mut tar::Builder<Vec<u8>>, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(bytes.len()).context("a file is too large")?);
    header.set_mode(mode);
    header.set_cksum();
    tar.append_data(&mut header, path, bytes).with_context(|| format!("cannot add {path} to the build context"))
}

/// Removes every image of the registry `host` from the engine: what was built, and what the nodes pulled by digest.
pub async fn remove_images(docker: &Docker, host: &str) {
    use bollard::query_parameters::ListImagesOptionsBuilder;
    let repository = format!("{host}/gridlease/");
    let options = ListImagesOptionsBuilder::default().all(true).build();
    for image in docker.list_images(Some(options)).await.unwrap_or_default() {
        if image.repo_tags.iter().chain(&image.repo_digests).any(|name| name.starts_with(&repository)) {
            forget(docker, &image.id).await;
        }
    }
}

/// Removes every container that a node of `machines` started.
pub async fn remove_containers(docker: &Docker, machines: &[String]) {
    use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
    for machine in machines {
        let label = format!("gridlease.node={machine}");
        let filters = std::collections::HashMap::from([("label", vec![label.as_str()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        for container in docker.list_containers(Some(options)).await.unwrap_or_default() {
            let options = RemoveContainerOptionsBuilder::default().force(true).build();
            if let Some(id) = container.id {
                let _ = docker.remove_container(&id, Some(options)).await;
            }
        }
    }
}
