//! Names of blocks: CID v0 and v1, of the hashes and codecs that files are made of.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;
const IDENTITY: u64 = 0x00;
/// Largest block that stands in its own name, bytes.
const MAX_INLINE: usize = 128;
const MAX_TEXT: usize = 256;

/// How a block is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Bytes of a file.
    Raw,
    /// A node of a file or a folder.
    DagPb,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Digest {
    Sha256([u8; 32]),
    Identity(Vec<u8>),
}

/// Name of a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cid {
    codec: Codec,
    digest: Digest,
}

/// Why a text is no name of a file's block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CidError(pub(super) &'static str);

impl Cid {
    /// The name of a block, by its SHA-256.
    pub(super) fn of(codec: Codec, block: &[u8]) -> Self {
        Self { codec, digest: Digest::Sha256(Sha256::digest(block).into()) }
    }

    /// As it stands in a link: version 1.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Each of these is below 128, and so a varint of one byte.
        let codec = if self.codec == Codec::Raw { 0x55 } else { 0x70 };
        let (hash, digest): (u8, &[u8]) = match &self.digest {
            Digest::Sha256(hash) => (0x12, hash),
            Digest::Identity(block) => (0x00, block),
        };
        let length = u8::try_from(digest.len()).unwrap_or_default();
        [&[1, codec, hash, length], digest].concat()
    }

    /// How the block is to be read.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// The block's SHA-256; none where the block stands in the name.
    #[must_use]
    pub fn sha256(&self) -> Option<[u8; 32]> {
        match &self.digest {
            Digest::Sha256(hash) => Some(*hash),
            Digest::Identity(_) => None,
        }
    }

    /// The block, where it stands in the name.
    pub(super) fn inline(&self) -> Option<&[u8]> {
        match &self.digest {
            Digest::Sha256(_) => None,
            Digest::Identity(block) => Some(block),
        }
    }

    /// Whether this is the name of the block.
    pub(super) fn names(&self, block: &[u8]) -> bool {
        match &self.digest {
            Digest::Sha256(hash) => Sha256::digest(block).as_slice() == hash,
            Digest::Identity(inline) => inline == block,
        }
    }

    /// Reads the name at the beginning of some bytes, and says how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), CidError> {
        let cut = CidError("it is cut off");
        if bytes.starts_with(&[0x12, 0x20]) {
            let hash = bytes.get(2..34).and_then(|hash| hash.try_into().ok()).ok_or(cut)?;
            return Ok((Self { codec: Codec::DagPb, digest: Digest::Sha256(hash) }, 34));
        }
        let mut at = 0usize;
        let mut number = || {
            let (number, length) = varint(bytes.get(at..)?)?;
            at = at.checked_add(length)?;
            Some(number)
        };
        let (version, codec, hash, length) = (number(), number(), number(), number());
        if version.ok_or_else(|| cut.clone())? != 1 {
            return Err(CidError("its version is not 0 or 1"));
        }
        let codec = match codec.ok_or_else(|| cut.clone())? {
            RAW => Codec::Raw,
            DAG_PB => Codec::DagPb,
            _ => return Err(CidError("it names no part of a file: neither raw nor dag-pb")),
        };
        let length = length.and_then(|length| usize::try_from(length).ok()).ok_or_else(|| cut.clone())?;
        let end = at.checked_add(length).ok_or_else(|| cut.clone())?;
        let digest = bytes.get(at..end).ok_or(cut)?;
        let digest = match hash {
            Some(SHA2_256) => {
                digest.try_into().map(Digest::Sha256).map_err(|_| CidError("its hash is not one of 32 bytes"))?
            }
            Some(IDENTITY) if digest.len() <= MAX_INLINE => Digest::Identity(digest.to_vec()),
            _ => return Err(CidError("its hash is neither sha2-256 nor a short block itself")),
        };
        Ok((Self { codec, digest }, end))
    }
}

impl fmt::Display for Cid {
    /// As version 1, in base32.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let (mut held, mut bits, mut text) = (0u32, 0u32, String::from("b"));
        let mut digit = |held: u32| text.push(DIGITS.get((held & 31) as usize).copied().map_or('a', char::from));
        for byte in self.to_bytes() {
            held = (held << 8 | u32::from(byte)) & 0xfff;
            bits += 8;
            while bits >= 5 {
                bits -= 5;
                digit(held >> bits);
            }
        }
        if bits > 0 {
            digit(held << (5 - bits));
        }
        f.write_str(&text)
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        let bad = CidError("it is no CID");
        if text.len() > MAX_TEXT || !text.is_ascii() {
            return Err(bad);
        }
        let base58 = |text: &str| bs58::decode(text).into_vec().ok();
        let bytes = match text.as_bytes().first() {
            Some(b'Q') if text.len() == 46 => base58(text),
            Some(b'z') => base58(&text[1..]),
            Some(b'b') => base32(&text[1..]),
            Some(b'B') => base32(&text[1..].to_ascii_lowercase()),
            Some(b'f') => hex::decode(&text[1..]).ok(),
            _ => None,
        };
        let bytes = bytes.ok_or_else(|| bad.clone())?;
        let (cid, length) = Self::read(&bytes)?;
        if length == bytes.len() { Ok(cid) } else { Err(bad) }
    }
}

/// RFC 4648 in lower case, without padding.
fn base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0u16, 0u8);
    for digit in text.bytes() {
        let value = match digit {
            b'a'..=b'z' => digit - b'a',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u16::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    // What is left over is less than a digit, and nothing.
    (bits < 5 && held == 0).then_some(bytes)
}

/// An unsigned varint of at most nine bytes, and its length. Only the shortest form is one.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (*byte != 0 || index == 0).then_some((number, index + 1));
        }
    }
    None
}
