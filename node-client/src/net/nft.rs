//! `nft`, the program: everything that the node says to the kernel's firewall.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::NetError;
use crate::for_buyer::plain;

/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where distributions put it, also where PATH lacks the system's folders.
const PATHS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// How it says that there is no such table.
const NO_SUCH: &str = "No such file or directory";

fn failed(what: &'static str, reason: &str) -> NetError {
    NetError::Firewall { what, reason: plain(reason.trim(), 512) }
}

fn unheard(what: &'static str, reason: &str) -> NetError {
    NetError::NoAnswer { what, reason: plain(reason.trim(), 512) }
}

/// Runs it with `input`, and returns what it wrote.
async fn nft(what: &'static str, args: &[&str], input: &str) -> Result<String, NetError> {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = std::iter::once(path.as_str()).chain(PATHS).collect::<Vec<_>>().join(":");
    let run = async {
        let mut child = Command::new("nft")
            .args(args)
            .env("PATH", &path)
            // Its words are read.
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let ran = tokio::time::timeout(TIMEOUT, run).await;
    heard(what, ran.unwrap_or_else(|_| Err(io::Error::other("it does not end"))))
}

/// What it wrote. That it could not be run, or was killed, is no word of the firewall's.
fn heard(what: &'static str, ran: io::Result<Output>) -> Result<String, NetError> {
    match ran {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NetError::NoNft),
        Err(error) => Err(unheard(what, &error.to_string())),
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) if output.status.code().is_none() => Err(unheard(what, &output.status.to_string())),
        Ok(output) => Err(failed(what, &String::from_utf8_lossy(&output.stderr))),
    }
}

/// Carries out all of `rules`, or nothing.
pub(super) async fn load(rules: &str) -> Result<(), NetError> {
    nft("set its rules", &["-f", "-"], rules).await.map(|_| ())
}

/// Whether the kernel would take `rules`.
pub(super) async fn check(rules: &str) -> Result<(), NetError> {
    nft("check its rules", &["-c", "-f", "-"], rules).await.map(|_| ())
}

/// A table as it stands, without what changes by itself: counters, and the contents of named sets. `None`: there is none.
///
/// # Errors
/// It could not be looked at, whether it stands or not.
pub(super) async fn list(table: &str) -> Result<Option<String>, NetError> {
    shown(nft("show its rules", &["-t", "-s", "-n", "list", "table", "inet", table], "").await)
}

fn shown(listed: Result<String, NetError>) -> Result<Option<String>, NetError> {
    match listed {
        Ok(rules) => Ok(Some(rules)),
        Err(NetError::Firewall { reason, .. }) if reason.contains(NO_SUCH) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    fn ran(status: i32, stderr: &str) -> io::Result<Output> {
        Ok(Output { status: ExitStatus::from_raw(status), stdout: b"rules".to_vec(), stderr: stderr.into() })
    }

    #[test]
    fn only_what_the_firewall_says_counts_as_its_word() {
        let look = |ran| shown(heard("look", ran));
        assert_eq!(look(ran(0, "")).unwrap().unwrap(), "rules");
        assert!(
            look(ran(1 << 8, "Error: No such file or directory\nlist table inet gridlease_x\n")).unwrap().is_none()
        );
        // It was killed, it could not be started, it is not there, and it could not read the kernel's rules.
        assert!(matches!(look(ran(9, "")), Err(NetError::NoAnswer { .. })));
        assert!(matches!(look(Err(io::ErrorKind::WouldBlock.into())), Err(NetError::NoAnswer { .. })));
        assert!(matches!(look(Err(io::ErrorKind::NotFound.into())), Err(NetError::NoNft)));
        let denied = "Error: cache initialization failed: Operation not permitted";
        assert!(matches!(look(ran(1 << 8, denied)), Err(NetError::Firewall { .. })));
    }

    #[tokio::test]
    async fn a_table_that_nobody_made_is_told_apart_from_one_that_cannot_be_seen() {
        if nix::unistd::geteuid().is_root() && check("").await.is_ok() {
            assert!(list("gridlease_nobody_made_it").await.unwrap().is_none());
        }
    }
}
