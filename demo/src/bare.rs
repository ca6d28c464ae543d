//! The same image without the market: what the node adds to a bare `docker run`.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, CreateImageOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt as _;
use gridlease_cli::buyer::PreparedJob;
use serde::Serialize;

use crate::market::Market;
use crate::walk::Walk;

/// Two runs of one image.
#[derive(Clone, Debug, Serialize)]
pub struct BareRun {
    /// From ready to finish as the buyer saw it, in milliseconds.
    pub node_ms: u64,
    /// From start to exit of the bare container, in milliseconds.
    pub bare_ms: u64,
    /// The first divided by the second.
    pub ratio: f64,
}

/// Runs the job's image once more with the same command, inputs and CPU limit, without the market.
///
/// # Errors
/// The engine refuses, or the run does not end well.
pub async fn bare_run(docker: &Docker, job: &PreparedJob, market: &Market, walk: &Walk) -> Result<BareRun> {
    let dir = market.dir();
    // Labelled as a provider's, so that the market's stop removes it too.
    let owner = market.providers.first().map(|one| one.record.to_string()).unwrap_or_default();
    let node_ms = walk.run_ms().context("the job did not run from ready to finish")?;
    let out = dir.join("bare-out");
    std::fs::create_dir_all(&out).context("cannot create the bare run's output folder")?;
    let mut binds = vec![format!("{}:/out", out.display())];
    for (input, local) in job.manifest.inputs.iter().zip(&job.quote.inputs) {
        let path =
            std::fs::canonicalize(&local.path).with_context(|| format!("cannot find {}", local.path.display()))?;
        binds.push(format!("{}:{}:ro", path.display(), input.mount));
    }
    let image = job.quote.image.clone();
    let mut pull =
        docker.create_image(Some(CreateImageOptionsBuilder::default().from_image(&image).build()), None, None);
    while let Some(step) = pull.next().await {
        step.with_context(|| format!("cannot pull {image}"))?;
    }
    let body = ContainerCreateBody {
        image: Some(image),
        cmd: Some(job.manifest.command.clone()),
        labels: Some([("gridlease.node".to_owned(), owner)].into()),
        host_config: Some(HostConfig {
            binds: Some(binds),
            network_mode: Some("none".to_owned()),
            nano_cpus: Some(i64::from(job.manifest.resources.cpu_milli) * 1_000_000),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let name = format!("gridlease-bare-{}", std::process::id());
    let options = CreateContainerOptionsBuilder::default().name(&name).build();
    docker.create_container(Some(options), body).await.context("cannot create the bare container")?;
    let started = Instant::now();
    docker.start_container(&name, None::<StartContainerOptions>).await.context("cannot start the bare container")?;
    // The end's own answer is an error for every exit code but zero; the inspection tells which.
    let _ = docker.wait_container(&name, None::<WaitContainerOptions>).next().await;
    let bare_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let state = docker
        .inspect_container(&name, None::<InspectContainerOptions>)
        .await
        .context("cannot look at the bare container")?;
    let remove = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    docker.remove_container(&name, Some(remove)).await.context("cannot remove the bare container")?;
    match state.state.and_then(|state| state.exit_code) {
        Some(0) => {}
        code => bail!("the bare container ended with {code:?}"),
    }
    #[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
    let ratio = node_ms as f64 / bare_ms.max(1) as f64;
    Ok(BareRun { node_ms, bare_ms, ratio })
}
