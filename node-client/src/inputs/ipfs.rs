//! Loading a file that is named by its content: from the manifest's gateway, or the operator's, and verified block by block.

use std::io::Error;
use std::sync::{Mutex, PoisonError};

use futures_util::{TryStreamExt as _, stream};
use gridlease_sdk::source::ipfs::{self, IpfsError, IpfsPath, Unpacker};
use reqwest::header::ACCEPT;
use reqwest::{Client, Response};
use tokio_util::io::StreamReader;
use url::Url;

use super::load::{Limits, refused};
use super::{InputError, chain, place};
use crate::state_dir::LeaseDir;

/// Who is asked for a file.
pub(super) struct Gateway<'a> {
    /// The client that may go there.
    pub client: &'a Client,
    /// Its address.
    pub url: Url,
}

/// Loads a file from the first gateway that has it.
pub(super) async fn load(
    lease: &LeaseDir,
    sha256: &[u8; 32],
    path: &IpfsPath,
    limits: &Limits<'_>,
    gateways: Vec<Gateway<'_>>,
) -> Result<(), InputError> {
    let name = path.to_string();
    let mut outcome = Err(InputError::Bad {
        name: name.clone(),
        reason: "the manifest names no gateway for it, and this node has none".to_owned(),
    });
    for gateway in gateways {
        let request = gateway.client.get(path.car_url(&gateway.url)).header(ACCEPT, ipfs::ACCEPT);
        outcome = match request.send().await {
            Ok(answer) if answer.status().is_success() => unpack(lease, sha256, path, &name, limits, answer).await,
            // That one gateway does not have it says nothing of the next one, nor of tomorrow.
            Ok(answer) => Err(match refused(&name, answer.status()) {
                InputError::Bad { name, reason } => InputError::Transfer { name, reason },
                error => error,
            }),
            Err(error) => Err(InputError::Transfer { name: name.clone(), reason: chain(&error.without_url()) }),
        };
        match &outcome {
            Err(error) if error.is_transient() => {}
            _ => break,
        }
    }
    outcome
}

async fn unpack(
    lease: &LeaseDir,
    sha256: &[u8; 32],
    path: &IpfsPath,
    name: &str,
    limits: &Limits<'_>,
    answer: Response,
) -> Result<(), InputError> {
    let car = StreamReader::new(answer.bytes_stream().map_err(|error| Error::other(error.without_url())));
    // What ends the stream for good; `place` knows of transfers only.
    let fault = Mutex::new(None);
    let next = |mut unpacker: Unpacker<_>| {
        let fault = &fault;
        async move {
            let part = match unpacker.next().await {
                Ok(part) => part,
                Err(error) => {
                    let told = error.to_string();
                    if let IpfsError::NoFile(reason) = error {
                        *lock(fault) = Some(InputError::Bad { name: name.to_owned(), reason: reason.to_owned() });
                    }
                    return Err(told);
                }
            };
            Ok::<_, String>(part.map(|part| (part, unpacker)))
        }
    };
    let parts = stream::try_unfold(Unpacker::new(path, car), next);
    let placed = place(lease, sha256, name, limits.max_bytes, limits.room, parts).await;
    placed.map(drop).map_err(|error| lock(&fault).take().unwrap_or(error))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
