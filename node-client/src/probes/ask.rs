//! Asking one question.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;

use super::plan::Question;
use super::program::{self, Ran};
use crate::driver::{ContainerId, ContainerState, Driver, DriverError};
use crate::for_buyer::{ForBuyer as _, plain};

/// Most bytes of the head of an answer.
const MAX_HEAD: usize = 16 * 1024;
/// Most characters of a program, and of what it wrote, in what is told.
const MAX_COMMAND: usize = 80;
const MAX_LINE: usize = 200;

/// What was answered instead of what is right, for the buyer; none where it was right. A node that cannot reach the container at all has
/// nothing to say of the job, and fails.
pub(super) async fn ask(
    driver: &Arc<dyn Driver>,
    id: &ContainerId,
    question: &Question,
    patience: Duration,
) -> Result<Option<String>, DriverError> {
    match question {
        Question::Http { port, path } => http(driver.as_ref(), id, *port, path, patience).await,
        Question::Tcp { port } => match tokio::time::timeout(patience, driver.connect(id, *port)).await {
            Err(_) => Ok(Some(format!("port {port} took no connection within {} s", patience.as_secs()))),
            Ok(Ok(_)) => Ok(None),
            Ok(Err(error)) => no_service(error),
        },
        Question::Program { command, of_image } => {
            let ran = program::run(Arc::clone(driver), id.clone(), command.clone(), patience).await;
            match ran {
                Ok((ran, line)) => Ok(told(command, *of_image, &ran, &line, patience)),
                Err(error) => no_service(error),
            }
        }
        Question::Runs(time) => {
            tokio::time::sleep(*time).await;
            let runs = matches!(driver.inspect(id).await?, ContainerState::Running { .. });
            Ok((!runs).then(|| format!("it did not run for {} s", time.as_secs())))
        }
    }
}

/// The words where it is the job that cannot be reached, and not the engine that fails.
pub(crate) fn no_service(error: DriverError) -> Result<Option<String>, DriverError> {
    match error {
        DriverError::NotListening { .. } | DriverError::NotRunningContainer { .. } => Ok(Some(error.for_buyer())),
        error => Err(error),
    }
}

fn told(command: &[String], of_image: bool, ran: &Ran, line: &str, patience: Duration) -> Option<String> {
    let name = plain(&command.join(" "), MAX_COMMAND);
    let what = if of_image { format!("the image's HEALTHCHECK `{name}`") } else { format!("`{name}`") };
    let mut words = match ran {
        Ran::Ended(0) => return None,
        Ran::Ended(code) => format!("{what} ended with exit code {code}"),
        Ran::NotStarted(126) => format!("{what} could not be started: the container has it, and cannot run it"),
        Ran::NotStarted(_) => format!("{what} could not be started: the container has no such program"),
        Ran::Late => format!("{what} did not end within {} s", patience.as_secs()),
    };
    if !line.is_empty() {
        words = format!("{words}: {}", plain(line, MAX_LINE));
    }
    if of_image {
        words.push_str(" (`ready: { healthcheck: false }` leaves it out)");
    }
    Some(words)
}

async fn http(
    driver: &dyn Driver,
    id: &ContainerId,
    port: u16,
    path: &str,
    patience: Duration,
) -> Result<Option<String>, DriverError> {
    let told = |what: &str| Ok(Some(format!("GET {path} on port {port} {what}")));
    match tokio::time::timeout(patience, get(driver, id, port, path)).await {
        Err(_) => told(&format!("had no answer within {} s", patience.as_secs())),
        Ok(Ok(status)) if (200..400).contains(&status) => Ok(None),
        Ok(Ok(status)) => told(&format!("was answered with status {status}")),
        Ok(Err(No::Reach(error))) => no_service(error),
        Ok(Err(No::Http)) => told("was not answered in HTTP"),
    }
}

/// Why there is no status.
enum No {
    /// The port.
    Reach(DriverError),
    /// What listens there speaks something else.
    Http,
}

async fn get(driver: &dyn Driver, id: &ContainerId, port: u16, path: &str) -> Result<u16, No> {
    let stream = driver.connect(id, port).await.map_err(No::Reach)?;
    let mut http = hyper::client::conn::http1::Builder::new();
    let shaken = http.max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|_| No::Http)?;
    let request = Request::get(path)
        .header(HOST, format!("localhost:{port}"))
        .header(USER_AGENT, "gridlease-node")
        .header(CONNECTION, "close")
        .body(Body::empty())
        .map_err(|_| No::Http)?;
    // The connection ends with this: nothing of the answer's body is read.
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // It may have brought the answer with its end.
        _ = connection => answer.await,
    };
    answer.map(|answer| answer.status().as_u16()).map_err(|_| No::Http)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(of_image: bool, ran: Ran, line: &str) -> Option<String> {
        let command = ["pg_isready".to_owned(), "-q".to_owned()];
        told(&command, of_image, &ran, line, Duration::from_secs(5))
    }

    #[test]
    fn a_program_s_answer_is_told_with_its_last_line_and_an_image_s_check_with_how_to_leave_it_out() {
        assert_eq!(words(false, Ran::Ended(0), "up"), None);
        assert_eq!(
            words(false, Ran::Ended(2), "no response").unwrap(),
            "`pg_isready -q` ended with exit code 2: no response"
        );
        assert_eq!(words(false, Ran::Late, "").unwrap(), "`pg_isready -q` did not end within 5 s");
        assert!(words(false, Ran::NotStarted(127), "").unwrap().ends_with("the container has no such program"));
        let told = words(true, Ran::Ended(1), "\u{1b}[2J\u{202e}up").unwrap();
        assert!(told.starts_with("the image's HEALTHCHECK `pg_isready -q`"), "{told}");
        assert!(told.ends_with("(`ready: { healthcheck: false }` leaves it out)"), "{told}");
        assert!(!told.contains(['\u{1b}', '\u{202e}']), "nothing of it moves a reader's cursor: {told}");
    }
}
