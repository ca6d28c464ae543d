//! `nft`, the program: everything that the node says to the kernel's firewall.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::NetError;
use crate::for_buyer::plain;

/// For one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where distributions put it, also where PATH lacks the system's folders.
const PATHS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

fn failed(what: &'static str, reason: &str) -> NetError {
    NetError::Firewall { what, reason: plain(reason.trim(), 512) }
}

/// Runs it with `input`, and returns what it wrote.
async fn nft(what: &'static str, args: &[&str], input: &str) -> Result<String, NetError> {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = std::iter::once(path.as_str()).chain(PATHS).collect::<Vec<_>>().join(":");
    let run = async {
        let mut child = Command::new("nft")
            .args(args)
            .env("PATH", &path)
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
    let output = match tokio::time::timeout(TIMEOUT, run).await {
        Err(_) => return Err(failed(what, "nft does not end")),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Err(NetError::NoNft),
        Ok(Err(error)) => return Err(failed(what, &error.to_string())),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        return Err(failed(what, &String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Carries out all of `rules`, or nothing.
pub(super) async fn load(rules: &str) -> Result<(), NetError> {
    nft("set its rules", &["-f", "-"], rules).await.map(|_| ())
}

/// Whether the kernel would take `rules`.
pub(super) async fn check(rules: &str) -> Result<(), NetError> {
    nft("check its rules", &["-c", "-f", "-"], rules).await.map(|_| ())
}

/// A table as it stands, without what changes by itself: counters, and the contents of named sets.
pub(super) async fn list(table: &str) -> Result<String, NetError> {
    nft("show its rules", &["-t", "-s", "-n", "list", "table", "inet", table], "").await
}
