//! Files as `ipfs add --cid-version 1 --raw-leaves` names them, written for the tests alone, and a gateway that hands them out.

use std::collections::HashMap;

use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse as _;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use super::{Book, file, serve};

/// A block with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its CID, binary.
    pub cid: Vec<u8>,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A file or folder as a tree of blocks, each before those below it, as often as it is used.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The blocks; the first is the root.
    pub blocks: Vec<Block>,
    size: u64,
    sum: u64,
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or_default());
    bytes
}

fn bytes_field(key: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![key], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number_field(key: u8, number: u64) -> Vec<u8> {
    [vec![key], varint(number)].concat()
}

/// A block of a codec: 0x55 raw, 0x70 dag-pb.
#[must_use]
pub fn block(codec: u8, data: Vec<u8>) -> Block {
    let cid = [&[1, codec, 0x12, 0x20], Sha256::digest(&data).as_slice()].concat();
    Block { cid, data }
}

/// A node with links to trees of these names, and UnixFS data.
#[must_use]
pub fn node(links: &[(&str, &Tree)], unixfs: &[u8]) -> Tree {
    let mut data = Vec::new();
    for (name, tree) in links {
        let cid = tree.blocks.first().map(|root| root.cid.clone()).unwrap_or_default();
        let link = [bytes_field(0x0a, &cid), bytes_field(0x12, name.as_bytes()), number_field(0x18, tree.sum)].concat();
        data.extend(bytes_field(0x12, &link));
    }
    data.extend(bytes_field(0x0a, unixfs));
    let below = links.iter().map(|(_, tree)| tree.sum).sum::<u64>();
    let sum = below + data.len() as u64;
    let mut blocks = vec![block(0x70, data)];
    blocks.extend(links.iter().flat_map(|(_, tree)| tree.blocks.clone()));
    Tree { blocks, size: links.iter().map(|(_, tree)| tree.size).sum(), sum }
}

/// A file in chunks of `chunk` bytes, `width` links to a node.
#[must_use]
pub fn import(content: &[u8], chunk: usize, width: usize) -> Tree {
    let leaf = |part: &[u8]| {
        let size = part.len() as u64;
        Tree { blocks: vec![block(0x55, part.to_vec())], size, sum: size }
    };
    let mut level: Vec<Tree> = content.chunks(chunk).map(leaf).collect();
    if level.is_empty() {
        return leaf(&[]);
    }
    while level.len() > 1 {
        level = level
            .chunks(width)
            .map(|children| {
                let links: Vec<(&str, &Tree)> = children.iter().map(|child| ("", child)).collect();
                let size = children.iter().map(|child| child.size).sum();
                let sizes = children.iter().map(|child| number_field(0x20, child.size));
                let unixfs =
                    [number_field(0x08, 2), number_field(0x18, size), sizes.collect::<Vec<_>>().concat()].concat();
                node(&links, &unixfs)
            })
            .collect();
    }
    level.pop().unwrap_or_else(|| leaf(&[]))
}

/// A folder.
#[must_use]
pub fn folder(entries: &[(&str, &Tree)]) -> Tree {
    node(entries, &[0x08, 1])
}

impl Tree {
    /// The root's CID as text.
    #[must_use]
    pub fn cid(&self) -> String {
        let digits = b"abcdefghijklmnopqrstuvwxyz234567";
        let bytes = self.blocks.first().map(|root| root.cid.clone()).unwrap_or_default();
        let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| (byte >> bit) & 1)).collect();
        let digit = |bits: &[u8]| {
            let value = (0..5).fold(0usize, |sum, at| sum * 2 + usize::from(bits.get(at).copied().unwrap_or_default()));
            char::from(digits.get(value).copied().unwrap_or_default())
        };
        std::iter::once('b').chain(bits.chunks(5).map(digit)).collect()
    }

    /// The blocks as a CAR.
    #[must_use]
    pub fn car(&self) -> Vec<u8> {
        car(&self.blocks)
    }
}

/// Blocks as a CAR; its header says nothing that is true.
#[must_use]
pub fn car(blocks: &[Block]) -> Vec<u8> {
    let mut bytes = bytes_field(0, b"\xa1gversion\x01");
    bytes.remove(0);
    for block in blocks {
        bytes.extend(varint((block.cid.len() + block.data.len()) as u64));
        bytes.extend(&block.cid);
        bytes.extend(&block.data);
    }
    bytes
}

/// A gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its address.
    pub url: String,
    /// What it does wrong, and what it was asked.
    pub book: Book,
}

impl Gateway {
    /// One that answers these paths, such as `CID/a`, with these bytes.
    pub async fn start(cars: &[(&str, Vec<u8>)]) -> Self {
        let book = Book::default();
        let cars: HashMap<String, Vec<u8>> =
            cars.iter().map(|(path, car)| (format!("/ipfs/{path}"), car.clone())).collect();
        let noted = book.clone();
        let url = serve(Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| {
            let (cars, noted) = (cars.clone(), noted.clone());
            async move {
                let fault = noted.note(&method, &uri, &headers);
                let path = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
                let asked = uri.query() == Some("format=car&dag-scope=entity");
                match cars.get(&path).filter(|_| asked) {
                    Some(car) => file(&headers, car, fault),
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }
        }))
        .await;
        Self { url, book }
    }
}
