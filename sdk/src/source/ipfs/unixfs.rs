//! Nodes of files and folders: UnixFS v1 in dag-pb. Parsed by hand, as both are a handful of fields.

use super::cid::{Cid, varint};

const RAW: u64 = 0;
const DIRECTORY: u64 = 1;
const FILE: u64 = 2;
const SHARDED: u64 = 5;

/// A link to another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The node.
    pub cid: Cid,
    /// Its name in a folder.
    pub name: Vec<u8>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A part of a file: bytes, and then what the links have.
    File {
        /// Its own bytes.
        data: Vec<u8>,
        /// What follows.
        links: Vec<Link>,
    },
    /// A folder.
    Folder(Vec<Link>),
    /// A folder that is spread over several nodes.
    ShardedFolder,
    /// Something else: a symbolic link, or metadata.
    Other,
}

/// A field of a message.
enum Field<'b> {
    Number(u64, u64),
    Bytes(u64, &'b [u8]),
}

/// Splits the first field off a message.
fn field<'b>(message: &mut &'b [u8]) -> Option<Field<'b>> {
    let mut number = || {
        let (number, length) = varint(message)?;
        *message = message.get(length..)?;
        Some(number)
    };
    let key = number()?;
    match key & 7 {
        0 => Some(Field::Number(key >> 3, number()?)),
        2 => {
            let length = usize::try_from(number()?).ok()?;
            let bytes = message.get(..length)?;
            *message = message.get(length..)?;
            Some(Field::Bytes(key >> 3, bytes))
        }
        _ => None,
    }
}

fn link(mut message: &[u8]) -> Option<Link> {
    let (mut cid, mut name) = (None, Vec::new());
    while !message.is_empty() {
        match field(&mut message)? {
            Field::Bytes(1, bytes) => {
                let (found, length) = Cid::read(bytes).ok()?;
                cid = (length == bytes.len()).then_some(found);
            }
            Field::Bytes(2, bytes) => name = bytes.to_vec(),
            _ => {}
        }
    }
    Some(Link { cid: cid?, name })
}

impl Node {
    /// Reads a node; `None` for bytes that are none. At most `most` links are read, more make it none.
    pub fn read(mut message: &[u8], most: usize) -> Option<Self> {
        let (mut links, mut frame) = (Vec::new(), None);
        while !message.is_empty() {
            match field(&mut message)? {
                Field::Bytes(1, bytes) => frame = Some(bytes),
                Field::Bytes(2, _) if links.len() == most => return None,
                Field::Bytes(2, bytes) => links.push(link(bytes)?),
                _ => return None,
            }
        }
        let (mut kind, mut data, mut frame) = (None, Vec::new(), frame?);
        while !frame.is_empty() {
            match field(&mut frame)? {
                Field::Number(1, number) => kind = Some(number),
                Field::Bytes(2, bytes) => data = bytes.to_vec(),
                _ => {}
            }
        }
        Some(match kind? {
            FILE | RAW => Self::File { data, links },
            DIRECTORY => Self::Folder(links),
            SHARDED => Self::ShardedFolder,
            _ => Self::Other,
        })
    }
}
