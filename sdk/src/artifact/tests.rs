//! Outputs are listed, packed and unpacked safely.

#[cfg(unix)]
mod issue9_09;

use super::*;
use sha2::{Digest as _, Sha256};
use std::fs;
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

fn left_out(found: &Walked) -> Vec<(&str, LeftOutReason)> {
    found.left_out.entries.iter().map(|entry| (entry.path.as_str(), entry.reason)).collect()
}

fn paths(found: &Walked) -> Vec<&str> {
    found.files.iter().map(|file| file.path.as_str()).collect()
}

fn archive(dirs: &[&Path]) -> (Vec<OutputFile>, Vec<u8>) {
    let files = walk(dirs, &Limits::default()).unwrap().files;
    let mut bytes = Vec::new();
    pack(dirs, &files, &mut bytes).unwrap();
    (files, bytes)
}

/// An archive written header by header, as a hostile node would.
fn raw_archive(entries: &[(&[u8], tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path);
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o4777);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn no_files_hash_to_the_hash_of_nothing() {
    let dir = folder(&[]);
    let files = walk(&[dir.path()], &Limits::default()).unwrap().files;
    assert_eq!(
        hex::encode(output_root(&files).unwrap()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn the_root_is_the_hash_of_one_line_for_each_file_in_byte_order() {
    let dir = folder(&[("b/z.txt", "zed"), ("b.txt", "bee"), ("a", "")]);
    let files = walk(&[dir.path()], &Limits::default()).unwrap().files;
    let line =
        |path: &str, content: &str| format!("{} {} {path}\n", hex::encode(Sha256::digest(content)), content.len());
    // '.' sorts before '/'.
    let text = line("a", "") + &line("b.txt", "bee") + &line("b/z.txt", "zed");
    assert_eq!(output_root(&files).unwrap(), <[u8; 32]>::from(Sha256::digest(text)));
}

#[test]
fn several_output_folders_are_listed_under_their_index() {
    let (first, second) = (folder(&[("x", "1")]), folder(&[("y/z", "2")]));
    let (files, bytes) = archive(&[first.path(), second.path()]);
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["0/x", "1/y/z"]);
    let dest = tempfile::tempdir().unwrap();
    assert_eq!(unpack(&bytes[..], dest.path(), &Limits::default()).unwrap(), files);
    assert_eq!(fs::read(dest.path().join("1/y/z")).unwrap(), b"2");
}

#[test]
fn what_is_packed_unpacks_to_the_same_listing_and_equal_folders_pack_to_equal_bytes() {
    let long = "d".repeat(120) + "/" + &"f".repeat(200);
    let content = "x".repeat(200_000);
    let one = folder(&[("a/b/c.txt", "hello"), (&long, &content), ("ü", "")]);
    let two = folder(&[("ü", ""), (&long, &content), ("a/b/c.txt", "hello")]);
    let (files, bytes) = archive(&[one.path()]);
    assert_eq!(archive(&[two.path()]).1, bytes);
    let dest = tempfile::tempdir().unwrap();
    assert_eq!(unpack(&bytes[..], dest.path(), &Limits::default()).unwrap(), files);
    assert_eq!(fs::read_to_string(dest.path().join(&long)).unwrap(), content);
}

#[cfg(unix)]
#[test]
fn links_are_skipped_and_named_and_never_followed() {
    let secret = folder(&[("secret", "do not publish")]);
    let dir = folder(&[("real", "1")]);
    std::os::unix::fs::symlink(secret.path(), dir.path().join("folder")).unwrap();
    std::os::unix::fs::symlink(secret.path().join("secret"), dir.path().join("file")).unwrap();
    let found = walk(&[dir.path()], &Limits::default()).unwrap();
    assert_eq!(found.files.len(), 1);
    assert_eq!(left_out(&found), [("file", LeftOutReason::Link), ("folder", LeftOutReason::Link)]);
    let link = dir.path().join("file");
    assert!(hash_file(&link, 100).is_err());
    let root_is_a_link = walk(&[&dir.path().join("folder")], &Limits::default());
    assert!(root_is_a_link.unwrap_err().to_string().ends_with("is not a folder"));
}

#[test]
fn of_a_folder_beyond_a_limit_the_rest_is_taken_and_an_archive_beyond_it_is_refused() {
    let dir = folder(&[("a", "12345"), ("b/c/d", "1")]);
    let base = Limits::default();
    let cases = [
        (Limits { files: 1, ..base }, "a", ("b/c/d", LeftOutReason::TooManyFiles), "more than 1 output files"),
        (Limits { bytes: 4, ..base }, "b/c/d", ("a", LeftOutReason::TooLarge), "outputs of more than 4 bytes"),
        (
            Limits { depth: 1, ..base },
            "a",
            ("b/c/", LeftOutReason::TooDeep),
            "output folders are nested more than 1 deep",
        ),
    ];
    let (_, bytes) = archive(&[dir.path()]);
    for (limits, taken, without, refusal) in cases {
        let found = walk(&[dir.path()], &limits).unwrap();
        assert_eq!(paths(&found), [taken]);
        assert_eq!(left_out(&found), [without]);
        let dest = tempfile::tempdir().unwrap();
        assert_eq!(unpack(&bytes[..], dest.path(), &limits).unwrap_err().to_string(), refusal);
    }
}

#[test]
fn an_archive_cannot_write_outside_its_folder() {
    use tar::EntryType::{Directory, Regular};
    let base = tempfile::tempdir().unwrap();
    for (path, kind) in [
        (&b"../evil"[..], Regular),
        (b"/evil", Regular),
        (b"a/../../evil", Regular),
        (b"a//b", Regular),
        (b"./a", Regular),
        (b"../evil", Directory),
        (b"", Regular),
        (b"\xff", Regular),
    ] {
        let dest = base.path().join("dest");
        fs::create_dir_all(&dest).unwrap();
        let bytes = raw_archive(&[(path, kind, b"x")]);
        let error = unpack(&bytes[..], &dest, &Limits::default()).unwrap_err();
        assert!(matches!(error, ArtifactError::BadPath { .. }), "{path:?}: {error}");
        assert!(!base.path().join("evil").exists());
        fs::remove_dir_all(&dest).unwrap();
    }
}

#[test]
fn an_archive_cannot_hold_links_devices_or_a_path_twice() {
    use tar::EntryType::{Block, Fifo, GNUSparse, Link, Regular, Symlink, XHeader};
    for (kind, name) in [
        (Symlink, "a link"),
        (Link, "a link"),
        (Block, "a device"),
        (Fifo, "a pipe"),
        (GNUSparse, "a sparse file"),
        (XHeader, "an extension header"),
    ] {
        let dest = tempfile::tempdir().unwrap();
        let bytes = raw_archive(&[(b"e", kind, b"")]);
        assert_eq!(
            unpack(&bytes[..], dest.path(), &Limits::default()).unwrap_err().to_string(),
            format!("the archive holds {name} at \"e\"; only files and folders are accepted")
        );
    }
    let dest = tempfile::tempdir().unwrap();
    let bytes = raw_archive(&[(b"e", Regular, b"1"), (b"e", Regular, b"2")]);
    assert!(unpack(&bytes[..], dest.path(), &Limits::default()).is_err());
    assert_eq!(fs::read(dest.path().join("e")).unwrap(), b"1");
}

#[test]
fn a_truncated_archive_is_an_error() {
    let dir = folder(&[("a", "hello"), ("b", "world")]);
    let (files, bytes) = archive(&[dir.path()]);
    for length in (1..bytes.len()).step_by(97) {
        let dest = tempfile::tempdir().unwrap();
        let unpacked = unpack(&bytes[..length], dest.path(), &Limits::default());
        // Cut between entries, an archive is shorter but whole: the listing then does not fit.
        assert!(unpacked.is_err() || unpacked.unwrap() != files || length >= 2048);
    }
}

#[test]
fn a_file_that_changed_size_after_listing_is_not_packed() {
    let dir = folder(&[("a", "hello")]);
    let files = walk(&[dir.path()], &Limits::default()).unwrap().files;
    fs::write(dir.path().join("a"), "hello!").unwrap();
    assert_eq!(
        pack(&[dir.path()], &files, Vec::new()).unwrap_err().to_string(),
        "output \"a\" changed after it was listed"
    );
}

#[test]
fn a_listing_is_checked_against_the_committed_root_and_not_its_own() {
    let dir = folder(&[("a", "hello")]);
    let files = walk(&[dir.path()], &Limits::default()).unwrap().files;
    let listing = OutputListing::new(files).unwrap();
    let root = output_root(&listing.files).unwrap();
    listing.verify(&root, &Limits::default()).unwrap();
    let mut altered = listing.clone();
    altered.files[0].size = 6;
    assert!(matches!(altered.verify(&root, &Limits::default()), Err(ArtifactError::RootMismatch { .. })));
}

#[test]
fn a_listing_out_of_order_twice_or_with_another_spelling_of_a_hash_is_refused() {
    let file = |path: &str, sha256: &str| OutputFile { path: path.to_owned(), size: 0, sha256: sha256.to_owned() };
    let hash = "ab".repeat(32);
    assert!(output_root(&[file("a", &hash), file("b", &hash)]).is_ok());
    assert!(output_root(&[file("b", &hash), file("a", &hash)]).is_err());
    assert!(output_root(&[file("a", &hash), file("a", &hash)]).is_err());
    assert!(output_root(&[file("a", &hash.to_uppercase())]).is_err());
    assert!(output_root(&[file("../a", &hash)]).is_err());
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_as_an_archive_never_panic(bytes: Vec<u8>) {
        let dest = tempfile::tempdir().unwrap();
        let _ = unpack(&bytes[..], dest.path(), &Limits { files: 4, bytes: 4096, depth: 2 });
    }
}
