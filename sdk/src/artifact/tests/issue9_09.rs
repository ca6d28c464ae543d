//! Number 9 of the faults that jobs showed on the running market: one output that could not be listed cost all of them.

use super::{left_out, paths};
use crate::artifact::*;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

#[test]
fn issue9_09_names_that_cannot_be_listed_are_left_out_escaped_and_the_rest_is_taken() {
    let dir = super::folder(&[("good", "1"), ("a\nb", "2"), ("c\r/inner", "3")]);
    fs::write(dir.path().join(OsStr::from_bytes(b"bad\xff\xfe")), "4").unwrap();
    let found = walk(&[dir.path()], &Limits::default()).unwrap();
    assert_eq!(paths(&found), ["good"]);
    assert_eq!(
        left_out(&found),
        [
            ("a\\nb", LeftOutReason::ControlCharacter),
            ("bad\\xff\\xfe", LeftOutReason::NotUtf8),
            ("c\\r/", LeftOutReason::ControlCharacter),
        ]
    );
    let mut archive = Vec::new();
    pack(&[dir.path()], &found.files, &mut archive).unwrap();
    let dest = tempfile::tempdir().unwrap();
    assert_eq!(unpack(&archive[..], dest.path(), &Limits::default()).unwrap(), found.files);
}

#[test]
fn issue9_09_of_10_001_files_the_first_10_000_in_order_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    for number in (0..=10_000).rev() {
        fs::write(dir.path().join(format!("{number:05}")), "").unwrap();
    }
    let found = walk(&[dir.path()], &Limits::default()).unwrap();
    assert_eq!(found.files.len(), 10_000);
    assert_eq!(found.files.last().map(|file| file.path.as_str()), Some("09999"));
    assert_eq!(left_out(&found), [("10000", LeftOutReason::TooManyFiles)]);
}

#[test]
fn issue9_09_depth_33_is_left_out_and_depth_32_is_taken_and_arrives() {
    let deep = |folders: usize| "d/".repeat(folders);
    let dir = super::folder(&[(&(deep(32) + "last"), "in"), (&(deep(33) + "out"), "out")]);
    let found = walk(&[dir.path()], &Limits::default()).unwrap();
    assert_eq!(paths(&found), [deep(32) + "last"]);
    assert_eq!(left_out(&found), [(deep(33).as_str(), LeftOutReason::TooDeep)]);
    let mut archive = Vec::new();
    pack(&[dir.path()], &found.files, &mut archive).unwrap();
    let dest = tempfile::tempdir().unwrap();
    assert_eq!(unpack(&archive[..], dest.path(), &Limits::default()).unwrap(), found.files);
}

#[test]
fn issue9_09_links_pipes_and_sockets_are_left_out_and_nothing_waits_for_them() {
    let dir = super::folder(&[("good", "1")]);
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap();
    assert!(made.success());
    let found = walk(&[dir.path()], &Limits::default()).unwrap();
    assert_eq!(paths(&found), ["good"]);
    let special = LeftOutReason::Special;
    assert_eq!(left_out(&found), [("link", LeftOutReason::Link), ("pipe", special), ("socket", special)]);
}

#[test]
fn issue9_05_a_sparse_file_larger_than_what_is_taken_is_left_out_without_being_read() {
    let dir = super::folder(&[("good", "1")]);
    // Reading it would take years; the test would not end.
    fs::File::create(dir.path().join("big")).unwrap().set_len(1 << 42).unwrap();
    let found = walk(&[dir.path()], &Limits { bytes: 1 << 30, ..Limits::default() }).unwrap();
    assert_eq!(paths(&found), ["good"]);
    assert_eq!(left_out(&found), [("big", LeftOutReason::TooLarge)]);
}

#[test]
fn issue9_09_a_hundred_are_named_and_all_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..250 {
        std::os::unix::fs::symlink("/nowhere", dir.path().join(format!("{number:03}"))).unwrap();
    }
    let found = walk(&[dir.path()], &Limits::default()).unwrap();
    assert_eq!((found.left_out.count, found.left_out.entries.len()), (250, MAX_LEFT_OUT_NAMES));
    assert_eq!(found.left_out.entries[99].path, "099");
    assert_eq!(found.left_out.summary(), "250 left out of the outputs, first 000 (it is a link)");
}

#[test]
fn issue9_09_a_hostile_nodes_list_is_cut_and_escaped_and_a_newer_nodes_reason_is_understood() {
    let entry = serde_json::json!({ "path": "\u{1b}]0;evil\u{7}", "reason": "a_reason_of_next_year" });
    let entries: Vec<_> = std::iter::repeat_n(entry, 5_000).collect();
    let told = serde_json::json!({ "count": 3, "entries": entries });
    let tamed = serde_json::from_value::<LeftOut>(told).unwrap().tamed();
    assert_eq!((tamed.count, tamed.entries.len()), (100, MAX_LEFT_OUT_NAMES));
    assert_eq!(tamed.entries[0].reason, LeftOutReason::Other);
    assert_eq!(tamed.entries[0].path, "\\u{1b}]0;evil\\u{7}");
}

#[test]
fn issue9_09_the_root_covers_the_files_that_were_taken_and_not_the_list_of_what_was_left_out() {
    let dir = super::folder(&[("good", "1"), ("a\nb", "2")]);
    let found = walk(&[dir.path()], &Limits::default()).unwrap();
    let listing = OutputListing::with_left_out(found.files.clone(), found.left_out).unwrap();
    assert_eq!(listing.left_out.count, 1);
    assert_eq!(listing.root, OutputListing::new(found.files).unwrap().root);
    let wire = serde_json::to_string(&listing).unwrap();
    assert_eq!(serde_json::from_str::<OutputListing>(&wire).unwrap(), listing);
}
