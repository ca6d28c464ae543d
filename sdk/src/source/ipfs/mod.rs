//! Files that are named by their content: `ipfs://CID[/PATH]`. They come from a gateway as a CAR, and no word of the gateway is
//! believed: each block has the hash by which the one above it names it.

mod cid;
mod name;
mod unixfs;
mod unpack;

use std::fmt;
use std::str::FromStr;

use url::Url;

pub use cid::{Cid, CidError, Codec};
pub use name::folder_cid;
pub use unpack::{IpfsError, Unpacker};

use super::hub::is_path;

/// The variable that names the gateway that a buyer's program asks, and writes into manifests that name none.
pub const GATEWAY_VARIABLE: &str = "IPFS_GATEWAY";
/// What a gateway is asked for.
pub const ACCEPT: &str = "application/vnd.ipld.car; version=1; order=dfs; dups=y";

const SCHEME: &str = "ipfs://";

/// A file by its content, or by its path below a folder's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpfsPath {
    /// As it was written: one thing has many names.
    text: String,
    /// The root.
    pub cid: Cid,
    /// Path below it; empty for the root itself.
    pub path: String,
}

impl IpfsPath {
    /// SHA-256 of the file, where its name says it: where it is one block without a frame.
    #[must_use]
    pub fn sha256(&self) -> Option<[u8; 32]> {
        (self.path.is_empty() && self.cid.codec() == Codec::Raw).then(|| self.cid.sha256()).flatten()
    }

    /// Where a gateway has it, as a CAR with nothing else in it.
    #[must_use]
    pub fn car_url(&self, gateway: &Url) -> Url {
        let mut url = gateway.clone();
        let root = self.text.strip_prefix(SCHEME).unwrap_or(&self.text).split('/').next().unwrap_or_default();
        // A gateway is http(s), which always has segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["ipfs", root]).extend(self.path.split('/').filter(|part| !part.is_empty()));
        }
        url.set_query(Some("format=car&dag-scope=entity"));
        url
    }
}

impl fmt::Display for IpfsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for IpfsPath {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        let rest = text.strip_prefix(SCHEME).ok_or(CidError("write ipfs://CID or ipfs://CID/PATH"))?;
        let (cid, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_path(path) {
            return Err(CidError("its path is not one of a file; a folder is not taken as a whole"));
        }
        Ok(Self { text: text.to_owned(), cid: cid.parse()?, path: path.to_owned() })
    }
}
