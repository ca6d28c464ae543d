//! The streams of a container's own program, for as long as somebody is attached to them. What it writes is in its log all the same.

use bollard::query_parameters::{InspectContainerOptions, ResizeContainerTTYOptionsBuilder};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use gridlease_sdk::node_api::reach::TerminalSize;

use super::exec::{DETACH_KEYS, framed, raw};
use super::{DockerDriver, engine, is_missing};
use crate::driver::{Attached, ContainerId, ContainerState, DriverError, Exec, ExecControl, ExecState};

/// A container's own program.
#[derive(Debug)]
struct Own {
    driver: DockerDriver,
    id: ContainerId,
}

impl DockerDriver {
    pub(super) async fn attach_to(&self, id: &ContainerId) -> Result<Attached, DriverError> {
        let found = match self.docker.inspect_container(&id.0, None::<InspectContainerOptions>).await {
            Ok(found) => found,
            Err(e) if is_missing(&e) => return Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            Err(e) => return Err(engine("look at a container", &e)),
        };
        if found.state.and_then(|state| state.running) != Some(true) {
            return Err(DriverError::NotRunningContainer { id: id.0.clone() });
        }
        let config = found.config.unwrap_or_default();
        let (stdin, tty) = (config.open_stdin.unwrap_or(false), config.tty.unwrap_or(false));
        let keys: String = DETACH_KEYS.replace(',', "%2C").replace('^', "%5E");
        let path = format!(
            "/containers/{}/attach?stream=1&stdout=1&stderr=1&stdin={}&detachKeys={keys}",
            id.0,
            u8::from(stdin)
        );
        let (read, write) = tokio::io::split(self.taken_over(&path, String::new()).await?);
        let output = if tty { raw(read) } else { framed(read) };
        let control = Box::new(Own { driver: self.clone(), id: id.clone() });
        Ok(Attached { program: Exec { input: Box::pin(write), output, control }, stdin, tty })
    }
}

impl ExecControl for Own {
    fn state(&self) -> BoxFuture<'_, Result<ExecState, DriverError>> {
        async {
            Ok(match self.driver.state(&self.id).await? {
                ContainerState::Exited(exit) => ExecState::Exited(exit.code),
                ContainerState::Running { .. } => ExecState::Running,
                ContainerState::Created => ExecState::Starting,
                ContainerState::Missing => return Err(DriverError::NoSuchContainer { id: self.id.0.clone() }),
            })
        }
        .boxed()
    }

    fn resize(&self, size: TerminalSize) -> BoxFuture<'_, Result<(), DriverError>> {
        async move {
            let options =
                ResizeContainerTTYOptionsBuilder::default().h(size.rows.into()).w(size.columns.into()).build();
            let resized = self.driver.docker.resize_container_tty(&self.id.0, options).await;
            resized.map_err(|e| engine("give a terminal its size", &e))
        }
        .boxed()
    }

    /// Whoever lets go of it leaves it running.
    fn end(&self) -> BoxFuture<'_, Result<(), DriverError>> {
        async { Ok(()) }.boxed()
    }
}
