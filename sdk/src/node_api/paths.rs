//! The paths of the node's interface, in one place for the server's routes and the client's calls.

use solana_pubkey::Pubkey;

/// Route of the health check (unsigned).
pub const HEALTH: &str = "/v1/health";

/// Path to which a job's canonical manifest is pushed.
pub fn manifest(job: &Pubkey) -> String {
    format!("/v1/jobs/{job}/manifest")
}

/// Path to which the input with the given SHA-256 is pushed.
pub fn input(job: &Pubkey, sha256: &[u8; 32]) -> String {
    format!("/v1/jobs/{job}/inputs/{}", hex::encode(sha256))
}

/// Path of the key to which a lease's secrets are sealed.
pub fn key(lease: &Pubkey) -> String {
    format!("/v1/leases/{lease}/key")
}

/// Path to which a lease's secrets are pushed.
pub fn secrets(lease: &Pubkey) -> String {
    format!("/v1/leases/{lease}/secrets")
}

/// Path of a lease's status.
pub fn status(lease: &Pubkey) -> String {
    format!("/v1/leases/{lease}/status")
}

/// Path and query of a lease's log, from sequence number `from`; of one of its services where that is not empty.
pub fn logs(lease: &Pubkey, service: &str, follow: bool, from: u64) -> String {
    let service = if service.is_empty() { String::new() } else { format!("&service={service}") };
    format!("/v1/leases/{lease}/logs?follow={follow}&from={from}{service}")
}

/// Path of how far a lease's log is, signed by the node.
pub fn log_head(lease: &Pubkey) -> String {
    format!("/v1/leases/{lease}/logs/head")
}

/// Path and query of what a lease's container uses: of the measurements after `since_ms` (unix milliseconds), or of the last one.
pub fn stats(lease: &Pubkey, follow: bool, since_ms: Option<u64>) -> String {
    let since = since_ms.map_or_else(String::new, |since| format!("&since={since}"));
    format!("/v1/leases/{lease}/stats?follow={follow}{since}")
}

/// Path and query of what happened to a lease, from event `from` on.
pub fn events(lease: &Pubkey, follow: bool, from: u64) -> String {
    format!("/v1/leases/{lease}/events?follow={follow}&from={from}")
}

/// Path and query of the list of a lease's outputs: at most `most` of them, from number `from` on.
pub fn outputs(lease: &Pubkey, from: usize, most: usize) -> String {
    format!("/v1/leases/{lease}/outputs?from={from}&most={most}")
}

/// Path and query of one of a lease's outputs, by its path in the list.
pub fn output_file(lease: &Pubkey, path: &str) -> String {
    let path: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
    format!("/v1/leases/{lease}/outputs/file?path={path}")
}

/// Path of the archive of a lease's outputs.
pub fn outputs_tar(lease: &Pubkey) -> String {
    format!("/v1/leases/{lease}/outputs.tar")
}

/// Path of a connection to a port of a lease's container.
pub fn port(lease: &Pubkey, port: u16) -> String {
    format!("/v1/leases/{lease}/ports/{port}")
}

/// Path of who may visit a port of a lease's container.
pub fn public(lease: &Pubkey, port: u16) -> String {
    format!("/v1/leases/{lease}/ports/{port}/public")
}

/// Path of the streams of a lease's own program.
pub fn attach(lease: &Pubkey) -> String {
    format!("/v1/leases/{lease}/attach")
}

/// Path of a program in a lease's container.
pub fn exec(lease: &Pubkey) -> String {
    format!("/v1/leases/{lease}/exec")
}
