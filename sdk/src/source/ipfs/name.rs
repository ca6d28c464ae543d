//! What IPFS calls a folder: the CID that `ipfs add -r --cid-version 1` gives it, which nothing but its content decides.
//!
//! Files are cut into pieces of 256 KiB, which are raw blocks; up to 174 of them, or of the nodes above them, make a node. A folder is
//! one node with a link to each name.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::cid::{Cid, Codec};
use crate::artifact::{ArtifactError, OutputFile, open_listed};

const CHUNK: usize = 256 * 1024;
const WIDTH: usize = 174;
/// A folder whose node is larger is written in another way, which is not known here.
const MAX_FOLDER: usize = 256 * 1024;

/// A block with what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    cid: Cid,
    /// Bytes of the file below it.
    size: u64,
    /// Bytes of all blocks below it and of itself, each as often as it is named.
    sum: u64,
}

/// A folder that is being put together.
#[derive(Debug)]
enum Entry {
    File(Link),
    Folder(BTreeMap<String, Entry>),
}

/// The CID of a folder with these files, as [`walk`](crate::artifact::walk) lists them; none where a folder has so many names that its
/// node would be larger than 256 KiB. Blocks on the file system.
///
/// # Errors
/// The file system's, or [`ArtifactError::Changed`].
pub fn folder_cid(dir: &Path, files: &[OutputFile]) -> Result<Option<Cid>, ArtifactError> {
    let mut root = BTreeMap::new();
    for file in files {
        let content = open_listed(&[dir], file)?;
        let failed = |source| ArtifactError::Io { action: "read", path: dir.join(&file.path), source };
        let link = name_file(content, CHUNK, WIDTH).map_err(failed)?;
        let changed = || ArtifactError::Changed { path: file.path.clone() };
        if link.size != file.size {
            return Err(changed());
        }
        let mut folder = &mut root;
        let (folders, name) = file.path.rsplit_once('/').map_or((None, file.path.as_str()), |(f, n)| (Some(f), n));
        for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
            let entry = folder.entry(part.to_owned()).or_insert_with(|| Entry::Folder(BTreeMap::new()));
            folder = match entry {
                Entry::Folder(inner) => inner,
                Entry::File(_) => return Err(changed()),
            };
        }
        folder.insert(name.to_owned(), Entry::File(link));
    }
    Ok(name_folder(&root).map(|link| link.cid))
}

/// A listing's folders are nested 32 deep at most.
fn name_folder(entries: &BTreeMap<String, Entry>) -> Option<Link> {
    let mut links = Vec::new();
    for (name, entry) in entries {
        let link = match entry {
            Entry::File(link) => link.clone(),
            Entry::Folder(inner) => name_folder(inner)?,
        };
        links.push((name.as_str(), link));
    }
    let (block, sum) = node(&links, &[0x08, 1]);
    (block.len() <= MAX_FOLDER).then(|| Link { cid: Cid::of(Codec::DagPb, &block), size: 0, sum })
}

fn name_file(mut content: impl Read, chunk: usize, width: usize) -> std::io::Result<Link> {
    // Of each level the links that have no node above them yet; the lowest first.
    let mut levels: Vec<Vec<Link>> = Vec::new();
    let mut piece = Vec::with_capacity(chunk);
    loop {
        piece.clear();
        content.by_ref().take(chunk as u64).read_to_end(&mut piece)?;
        if piece.is_empty() && !levels.is_empty() {
            break;
        }
        let size = piece.len() as u64;
        push(&mut levels, 0, Link { cid: Cid::of(Codec::Raw, &piece), size, sum: size }, width);
        if piece.len() < chunk {
            break;
        }
    }
    let mut level = 0;
    loop {
        let above = levels.iter().skip(level + 1).any(|links| !links.is_empty());
        match levels.get_mut(level) {
            Some(links) if !above && links.len() == 1 => return Ok(links.remove(0)),
            Some(links) if !links.is_empty() => {
                let links = std::mem::take(links);
                push(&mut levels, level + 1, file_node(&links), width);
            }
            Some(_) => {}
            // Something is always on the highest level.
            None => return Err(std::io::ErrorKind::InvalidData.into()),
        }
        level += 1;
    }
}

/// Adds a link to a level; a level that is full becomes a node of the next.
fn push(levels: &mut Vec<Vec<Link>>, level: usize, link: Link, width: usize) {
    if levels.len() <= level {
        levels.resize_with(level + 1, Vec::new);
    }
    let links = &mut levels[level];
    links.push(link);
    if links.len() == width {
        let full = std::mem::take(links);
        push(levels, level + 1, file_node(&full), width);
    }
}

fn file_node(links: &[Link]) -> Link {
    let size = links.iter().map(|link| link.size).sum();
    let mut unixfs = [number(0x08, 2), number(0x18, size)].concat();
    links.iter().for_each(|link| unixfs.extend(number(0x20, link.size)));
    let named: Vec<(&str, Link)> = links.iter().map(|link| ("", link.clone())).collect();
    let (block, sum) = node(&named, &unixfs);
    Link { cid: Cid::of(Codec::DagPb, &block), size, sum }
}

/// A node as dag-pb writes it, and the sum of its blocks.
fn node(links: &[(&str, Link)], unixfs: &[u8]) -> (Vec<u8>, u64) {
    let mut block = Vec::new();
    for (name, link) in links {
        let parts = [bytes(0x0a, &link.cid.to_bytes()), bytes(0x12, name.as_bytes()), number(0x18, link.sum)];
        block.extend(bytes(0x12, &parts.concat()));
    }
    block.extend(bytes(0x0a, unixfs));
    let sum = links.iter().map(|(_, link)| link.sum).sum::<u64>() + block.len() as u64;
    (block, sum)
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

fn bytes(key: u8, content: &[u8]) -> Vec<u8> {
    [vec![key], varint(content.len() as u64), content.to_vec()].concat()
}

fn number(key: u8, value: u64) -> Vec<u8> {
    [vec![key], varint(value)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::{Limits, walk};
    use gridlease_testkit::origin::ipfs::{folder, import};

    #[test]
    fn a_file_of_any_size_has_the_name_that_another_program_s_tree_has() {
        for size in [0, 1, 4, 5, 11, 12, 13, 36, 37, 100, 1_000] {
            let content: Vec<u8> = (0..size).map(|n: u32| u8::try_from(n % 251).unwrap()).collect();
            let named = name_file(content.as_slice(), 4, 3).unwrap();
            assert_eq!(named.cid.to_string(), import(&content, 4, 3).cid(), "{size}");
            assert_eq!(named.cid.to_string().parse::<Cid>().unwrap(), named.cid);
        }
    }

    #[test]
    fn a_folder_has_the_name_that_ipfs_gives_it_and_one_without_files_that_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let cid = || folder_cid(dir.path(), &walk(&[dir.path()], &Limits::default()).unwrap().files).unwrap().unwrap();
        // What `ipfs object new unixfs-dir` has been called since there is IPFS, as version 1.
        assert_eq!(cid().to_string(), "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354");
        std::fs::write(dir.path().join("b.txt"), "hello world").unwrap();
        std::fs::create_dir_all(dir.path().join("a/c")).unwrap();
        let large = vec![7u8; 600_000];
        std::fs::write(dir.path().join("a/c/large"), &large).unwrap();
        let (c, b) = (folder(&[("large", &import(&large, CHUNK, WIDTH))]), import(b"hello world", CHUNK, WIDTH));
        // The well-known name of these eleven bytes as one raw block.
        assert_eq!(b.cid(), "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e");
        assert_eq!(cid().to_string(), folder(&[("a", &folder(&[("c", &c)])), ("b.txt", &b)]).cid());
    }

    #[test]
    fn a_folder_with_too_many_names_has_none_that_is_known_here() {
        let entry = || Entry::File(name_file(&b""[..], CHUNK, WIDTH).unwrap());
        let many = |count: u32| (0..count).map(|n| (format!("a file with a name {n:08}"), entry())).collect();
        assert!(name_folder(&many(2_000)).is_some());
        assert!(name_folder(&many(6_000)).is_none());
    }
}
