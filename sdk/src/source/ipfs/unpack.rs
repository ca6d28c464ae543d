//! From a CAR to the bytes of one file, in order, as they are verified.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::IpfsPath;
use super::cid::{Cid, Codec, varint};
use super::unixfs::{Link, Node};

/// Largest block, bytes: twice what the network passes on.
const MAX_BLOCK: usize = 4 << 20;
/// Largest name of a block, bytes.
const MAX_NAME: usize = 256;
/// Largest header of a CAR, bytes.
const MAX_HEADER: u64 = 64 << 10;
/// Blocks that are kept because they came early or may come again, bytes.
const KEEP: usize = 16 << 20;
/// Bytes of blocks that nothing asked for, at most.
const MAX_UNASKED: u64 = 64 << 20;
/// Links that wait to be followed, at most.
const MAX_WAITING: usize = 1 << 18;
/// Deepest file.
const MAX_DEPTH: usize = 64;
/// Nodes of a file, besides one for every [`LEAST_PART`] of its bytes.
const MAX_NODES: u64 = 1 << 16;
const LEAST_PART: u64 = 512;
/// Bytes of blocks, besides two for every byte of the file: one that is named often is looked at as often.
const MAX_LOOKED_AT: u64 = 64 << 20;

/// Why there is no file, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum IpfsError {
    /// What the address names is no file: no other gateway helps.
    #[error("{0}")]
    NoFile(&'static str),
    /// The gateway's answer.
    #[error("the gateway's answer cannot be used: {0}")]
    Answer(&'static str),
    /// The transfer.
    #[error("the gateway's answer breaks off: {0}")]
    Transfer(#[from] std::io::Error),
}

impl IpfsError {
    /// Whether another answer may be better.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::NoFile(_))
    }
}

/// A file that comes out of a CAR.
#[derive(Debug)]
pub struct Unpacker<R> {
    car: R,
    begun: bool,
    /// What is left of the path, the next part last.
    path: Vec<String>,
    /// What comes next, on each level of the file the next one last.
    stack: Vec<Vec<Cid>>,
    waiting: usize,
    kept: HashMap<Cid, Bytes>,
    order: VecDeque<Cid>,
    kept_bytes: usize,
    unasked: u64,
    nodes: u64,
    bytes: u64,
    looked_at: u64,
}

impl<R: AsyncRead + Unpin> Unpacker<R> {
    /// The file at `path`, out of `car`.
    pub fn new(path: &IpfsPath, car: R) -> Self {
        let parts = path.path.split('/').filter(|part| !part.is_empty()).map(str::to_owned);
        Self {
            car,
            begun: false,
            path: parts.rev().collect(),
            stack: vec![vec![path.cid.clone()]],
            waiting: 1,
            kept: HashMap::new(),
            order: VecDeque::new(),
            kept_bytes: 0,
            unasked: 0,
            nodes: 0,
            bytes: 0,
            looked_at: 0,
        }
    }

    /// The next bytes of the file, verified; `None` behind the last.
    ///
    /// # Errors
    /// [`IpfsError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, IpfsError> {
        loop {
            let Some(level) = self.stack.last_mut() else { return Ok(None) };
            let Some(cid) = level.pop() else {
                self.stack.pop();
                continue;
            };
            self.waiting = self.waiting.saturating_sub(1);
            self.nodes = self.nodes.saturating_add(1);
            if self.nodes > MAX_NODES.saturating_add(self.bytes / LEAST_PART) {
                return Err(IpfsError::NoFile("it has more nodes than a file of its size has"));
            }
            // A block that is kept is read without a wait, and a file can name one very often.
            tokio::task::yield_now().await;
            let block = self.block(&cid).await?;
            self.looked_at = self.looked_at.saturating_add(block.len() as u64);
            if self.looked_at > MAX_LOOKED_AT.saturating_add(self.bytes.saturating_mul(2)) {
                return Err(IpfsError::NoFile("its blocks hold more than a file of its size needs"));
            }
            let data = self.open(&cid, block)?;
            if !data.is_empty() {
                self.bytes = self.bytes.saturating_add(data.len() as u64);
                return Ok(Some(data));
            }
        }
    }

    /// The file's own bytes in a block; what follows is put on the stack.
    fn open(&mut self, cid: &Cid, block: Bytes) -> Result<Bytes, IpfsError> {
        if cid.codec() == Codec::Raw {
            return if self.path.is_empty() {
                Ok(block)
            } else {
                Err(IpfsError::NoFile("its path leads through a file"))
            };
        }
        let node = Node::read(&block, MAX_WAITING).ok_or(IpfsError::NoFile("a block of it is no node of a file"))?;
        match (node, self.path.pop()) {
            (Node::File { data, links }, None) => {
                self.wait(links)?;
                Ok(data.into())
            }
            (Node::File { .. }, Some(_)) => Err(IpfsError::NoFile("its path leads through a file")),
            (Node::Folder(links), Some(name)) => {
                let found = links.into_iter().find(|link| link.name == name.as_bytes());
                self.wait(vec![found.ok_or(IpfsError::NoFile("the folder has nothing of this name"))?])?;
                Ok(Bytes::new())
            }
            (Node::Folder(_), None) => Err(IpfsError::NoFile("it is a folder; name a file in it")),
            (Node::ShardedFolder, _) => {
                Err(IpfsError::NoFile("it lies in a folder that is sharded; name the file's own CID"))
            }
            (Node::Other, _) => Err(IpfsError::NoFile("it is neither a file nor a folder")),
        }
    }

    fn wait(&mut self, links: Vec<Link>) -> Result<(), IpfsError> {
        self.waiting = self.waiting.saturating_add(links.len());
        // A level whose last node is open takes no place.
        self.stack.retain(|level| !level.is_empty());
        if self.waiting > MAX_WAITING || self.stack.len() >= MAX_DEPTH {
            return Err(IpfsError::NoFile("it is deeper or wider than files are"));
        }
        if !links.is_empty() {
            self.stack.push(links.into_iter().rev().map(|link| link.cid).collect());
        }
        Ok(())
    }

    /// The block of this name.
    async fn block(&mut self, wanted: &Cid) -> Result<Bytes, IpfsError> {
        if let Some(inline) = wanted.inline() {
            return Ok(Bytes::copy_from_slice(inline));
        }
        if let Some(kept) = self.kept.get(wanted) {
            return Ok(kept.clone());
        }
        loop {
            let Some((cid, block)) = self.section().await? else {
                return Err(IpfsError::Answer("a block is missing"));
            };
            self.keep(&cid, &block);
            if cid == *wanted {
                return Ok(block);
            }
            self.unasked = self.unasked.saturating_add(block.len() as u64 + 1);
            if self.unasked > MAX_UNASKED {
                return Err(IpfsError::Answer("it is full of blocks that were not asked for"));
            }
        }
    }

    fn keep(&mut self, cid: &Cid, block: &Bytes) {
        if self.kept.insert(cid.clone(), block.clone()).is_some() {
            return;
        }
        self.order.push_back(cid.clone());
        self.kept_bytes = self.kept_bytes.saturating_add(block.len().saturating_add(MAX_NAME));
        while self.kept_bytes > KEEP {
            let Some(oldest) = self.order.pop_front() else { return };
            if let Some(gone) = self.kept.remove(&oldest) {
                self.kept_bytes = self.kept_bytes.saturating_sub(gone.len().saturating_add(MAX_NAME));
            }
        }
    }

    /// The next block of the CAR, which has the hash that its name says; `None` at the end.
    async fn section(&mut self) -> Result<Option<(Cid, Bytes)>, IpfsError> {
        if !self.begun {
            // Its roots are what the gateway says they are: nothing that counts.
            let length = self.length().await?.ok_or(IpfsError::Answer("it is empty"))?;
            if length == 0 || length > MAX_HEADER {
                return Err(IpfsError::Answer("it is no CAR"));
            }
            self.read(length).await?;
            self.begun = true;
        }
        let Some(length) = self.length().await? else { return Ok(None) };
        if length > (MAX_BLOCK + MAX_NAME) as u64 {
            return Err(IpfsError::Answer("a block is too large"));
        }
        let section = self.read(length).await?;
        let (cid, name) =
            Cid::read(&section).map_err(|_| IpfsError::Answer("a block has a name that is none of a file's block"))?;
        let block = section.slice(name..);
        if cid.names(&block) {
            Ok(Some((cid, block)))
        } else {
            Err(IpfsError::Answer("a block does not have its hash"))
        }
    }

    /// A section's length; `None` at the end.
    async fn length(&mut self) -> Result<Option<u64>, IpfsError> {
        let mut bytes = Vec::with_capacity(9);
        loop {
            let mut byte = [0; 1];
            if self.car.read(&mut byte).await? == 0 {
                return if bytes.is_empty() { Ok(None) } else { Err(IpfsError::Answer("it is cut off")) };
            }
            bytes.extend(byte);
            if byte[0] & 0x80 == 0 {
                let (length, _) = varint(&bytes).ok_or(IpfsError::Answer("it is no CAR"))?;
                return Ok(Some(length));
            }
            if bytes.len() >= 9 {
                return Err(IpfsError::Answer("it is no CAR"));
            }
        }
    }

    async fn read(&mut self, length: u64) -> Result<Bytes, IpfsError> {
        let mut bytes = Vec::new();
        // Memory is taken as bytes come, not as they are announced.
        let read = (&mut self.car).take(length).read_to_end(&mut bytes).await?;
        if read as u64 == length { Ok(bytes.into()) } else { Err(IpfsError::Answer("it is cut off")) }
    }
}

#[cfg(test)]
mod tests;
