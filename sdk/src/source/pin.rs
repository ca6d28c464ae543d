//! Pinning the inputs that are elsewhere, before a job is posted: each gets an address that never changes its content, and its hash.

use reqwest::{Client, redirect};
use url::Url;

use super::hub::{DEFAULT_ENDPOINT, ENDPOINT_VARIABLE, HubPath, TOKEN};
use super::ipfs::{GATEWAY_VARIABLE, IpfsPath};
use super::s3::S3Object;
use super::{RemoteError, SourceFault, ask};
use crate::manifest::{Input, InputSource, Manifest};
use crate::node_api::secrets::Secrets;

/// Most inputs of a job, a folder's files counted each.
pub const MAX_INPUTS: usize = 128;
/// Most hosts that a small file may be sent on to.
const MAX_REDIRECTS: usize = 5;

/// Asks the sources of inputs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Answers as they are, redirects too.
    pub(super) asking: Client,
    /// Follows redirects.
    pub(super) loading: Client,
    /// The model hub.
    pub(super) hub: Url,
    /// The gateway to IPFS for inputs that name none.
    pub(super) gateway: Option<Url>,
}

/// What a source says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pinned {
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Its size in bytes, where it was said.
    pub size: Option<u64>,
}

impl Sources {
    /// Asks the hub at `hub`; the public one where it is none.
    ///
    /// # Errors
    /// [`SourceFault::Address`] where that is no http(s) address.
    pub fn new(hub: Option<&str>) -> Result<Self, SourceFault> {
        let text = hub.unwrap_or(DEFAULT_ENDPOINT);
        let wrong = || SourceFault::Address(format!("{ENDPOINT_VARIABLE} is {text:?}, not an http(s) address"));
        let url = Url::parse(text).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(wrong());
        }
        let loading = ask::client(redirect::Policy::limited(MAX_REDIRECTS))?;
        Ok(Self { asking: ask::client(redirect::Policy::none())?, loading, hub: url, gateway: None })
    }

    /// Has this gateway for inputs that name none.
    ///
    /// # Errors
    /// [`SourceFault::Address`] where that is no https address: a machine loads from it too.
    pub fn with_gateway(self, gateway: &str) -> Result<Self, SourceFault> {
        let url = Url::parse(gateway).ok().filter(|url| url.scheme() == "https" && url.has_host());
        let wrong = || SourceFault::Address(format!("{GATEWAY_VARIABLE} is {gateway:?}, not an https address"));
        Ok(Self { gateway: Some(url.ok_or_else(wrong)?), ..self })
    }

    /// As [`Sources::new`], with the hub and the gateway that the environment names.
    ///
    /// # Errors
    /// As [`Sources::new`].
    pub fn from_env() -> Result<Self, SourceFault> {
        let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let sources = Self::new(named(ENDPOINT_VARIABLE).as_deref())?;
        match named(GATEWAY_VARIABLE) {
            Some(gateway) => sources.with_gateway(&gateway),
            None => Ok(sources),
        }
    }
}

impl Manifest {
    /// Pins the inputs that are on a hub, in a store or on IPFS: a revision becomes its commit, a folder its files (each an input of its
    /// own), and each gets its SHA-256 where it is not stated. Returns their sizes together, as far as they were said, bytes.
    /// On an error the manifest is as it was.
    ///
    /// # Errors
    /// [`RemoteError`], for the first input that is at fault.
    pub async fn pin_remote_inputs(&mut self, sources: &Sources, secrets: &Secrets) -> Result<u64, RemoteError> {
        let (mut inputs, mut bytes) = (Vec::new(), 0u64);
        for (index, input) in self.inputs.iter().enumerate() {
            let others = self.inputs.len().saturating_sub(index + 1);
            let most = MAX_INPUTS.saturating_sub(inputs.len().saturating_add(others));
            let pinned = pin(sources, input, secrets, most).await;
            let pinned = pinned.map_err(|fault| RemoteError { index, uri: String::from(input.uri.clone()), fault })?;
            for (input, size) in pinned {
                bytes = bytes.saturating_add(size.unwrap_or_default());
                inputs.push(input);
            }
        }
        self.inputs = inputs;
        Ok(bytes)
    }
}

/// The inputs that one of a manifest's becomes, with their sizes.
async fn pin(
    sources: &Sources,
    input: &Input,
    secrets: &Secrets,
    most: usize,
) -> Result<Vec<(Input, Option<u64>)>, SourceFault> {
    match &input.uri {
        InputSource::Https(_) | InputSource::Push | InputSource::Local(_) => Ok(vec![(input.clone(), None)]),
        InputSource::Hub(uri) => {
            let at: HubPath = uri.parse().map_err(|error| SourceFault::Address(format!("{error}")))?;
            if at.is_pinned() && input.sha256.is_some() {
                return Ok(vec![(input.clone(), None)]);
            }
            let token = secrets.get(TOKEN).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim);
            if !at.is_folder() {
                let file = sources.pin_hub_file(&at, token).await?;
                let uri = InputSource::Hub(file.at.to_string());
                return Ok(vec![with_hash(Input { uri, ..input.clone() }, &file.content)?]);
            }
            let files = sources.pin_hub_folder(&at, token, most).await?;
            let within = at.path.trim_end_matches('/');
            let mount = input.mount.trim_end_matches('/');
            let each = files.into_iter().map(|file| {
                let below = file.at.path.strip_prefix(within).unwrap_or(&file.at.path).trim_start_matches('/');
                let input = Input {
                    mount: format!("{mount}/{below}"),
                    uri: InputSource::Hub(file.at.to_string()),
                    ..input.clone()
                };
                with_hash(input, &file.content)
            });
            each.collect()
        }
        InputSource::S3(uri) => {
            if input.sha256.is_some() {
                return Ok(vec![(input.clone(), None)]);
            }
            let object: S3Object = uri.parse().map_err(|error| SourceFault::Address(format!("{error}")))?;
            let access = input.s3.clone().unwrap_or_default();
            let content = sources.pin_s3(&object, &access, secrets).await?;
            Ok(vec![with_hash(input.clone(), &content)?])
        }
        InputSource::Ipfs(uri) => {
            let path: IpfsPath = uri.parse().map_err(|error| SourceFault::Address(format!("{error}")))?;
            let gateway = input.gateway.clone().or_else(|| sources.gateway.as_ref().map(Url::to_string));
            let input = Input { gateway, ..input.clone() };
            if let Some(sha256) = path.sha256() {
                return Ok(vec![with_hash(input, &Pinned { sha256, size: None })?]);
            }
            if input.sha256.is_some() {
                return Ok(vec![(input, None)]);
            }
            let content = sources.pin_ipfs(&path, input.gateway.as_deref()).await?;
            Ok(vec![with_hash(input, &content)?])
        }
    }
}

/// The input with this content, which has to be the one that it states.
fn with_hash(input: Input, content: &Pinned) -> Result<(Input, Option<u64>), SourceFault> {
    let found = hex::encode(content.sha256);
    match &input.sha256 {
        Some(expected) if *expected != found => Err(SourceFault::Mismatch { expected: expected.clone(), found }),
        _ => Ok((Input { sha256: Some(found), ..input }, content.size)),
    }
}
