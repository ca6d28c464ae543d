//! Real file systems on real loop devices. They need root; without it there are none to test.

use std::io::Write as _;
use std::path::Path;

use solana_pubkey::Pubkey;

use super::*;
use crate::driver::RunAs;
use crate::wipe::wipe_lease;

const MIB: u64 = 1024 * 1024;
const QUOTA: Quota = Quota { bytes: 8 * MIB, files: 100 };

struct Bench {
    _dir: tempfile::TempDir,
    state: StateDir,
    key: Pubkey,
    lease: LeaseDir,
    keeper: DiskKeeper,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Also after a failed test nothing stays mounted.
        let _ = DiskKeeper::detach(&self.lease);
    }
}

/// A lease with one output in an image; `None` where this user may not mount.
fn bench(quota: Quota) -> Option<Bench> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can mount");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let key = Pubkey::new_unique();
    let lease = state.lease(&key);
    lease.create(0, RunAs::for_this_process()).unwrap();
    let keeper = DiskKeeper::with_images();
    let bench = Bench { _dir: dir, state, key, lease, keeper };
    bench.keeper.prepare(&bench.lease, quota).unwrap();
    assert!(DiskKeeper::is_held(&bench.lease), "this machine cannot mount an image; the log says why");
    bench.lease.create(1, RunAs::for_this_process()).unwrap();
    Some(bench)
}

/// Writes until the system refuses; returns how much there was room for.
fn fill(mut file: std::fs::File) -> u64 {
    let piece = vec![7; 64 * 1024];
    let mut written = 0;
    loop {
        match file.write(&piece).and_then(|count| file.sync_data().map(|()| count)) {
            Ok(count) => written += count as u64,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
                return written;
            }
        }
        assert!(written < 64 * MIB, "nothing holds it back");
    }
}

fn about_the_quota(written: u64) -> bool {
    (QUOTA.bytes..=QUOTA.bytes + 6 * MIB).contains(&written)
}

#[test]
fn issue9_05_a_file_that_was_deleted_and_is_still_open_counts() {
    let Some(bench) = bench(QUOTA) else { return };
    let path = bench.lease.output(0).join("x");
    let file = std::fs::File::create(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(!bench.keeper.is_full(&bench.lease, QUOTA, &[]));
    let held = file.try_clone().unwrap();
    let written = fill(file);
    assert!(about_the_quota(written), "{written}");
    assert_eq!(usage::below(&bench.lease.output(0)).files, 0, "no folder names it");
    assert!(bench.keeper.is_full(&bench.lease, QUOTA, &[]));
    drop(held);
    assert!(!bench.keeper.is_full(&bench.lease, QUOTA, &[]));
}

#[test]
fn threat_07_a_million_empty_files_are_as_many_as_were_sold() {
    let Some(bench) = bench(QUOTA) else { return };
    let made = (0..1_000_000)
        .find(|number| std::fs::File::create(bench.lease.output(0).join(number.to_string())).is_err())
        .unwrap();
    // The file system has a few inodes of its own, and rounds up.
    assert!((90..=300).contains(&made), "{made}");
    assert!(bench.keeper.is_full(&bench.lease, QUOTA, &[]));
}

#[test]
fn issue9_05_a_sparse_file_takes_no_room_and_a_full_one_all_of_it() {
    let Some(bench) = bench(QUOTA) else { return };
    let sparse = std::fs::File::create(bench.lease.output(0).join("s")).unwrap();
    sparse.set_len(20 << 30).unwrap();
    assert!(!bench.keeper.is_full(&bench.lease, QUOTA, &[]));
    let written = fill(std::fs::File::create(bench.lease.output(0).join("full")).unwrap());
    assert!(about_the_quota(written), "{written}");
}

#[test]
fn issue9_05_the_room_is_set_aside_at_once_and_what_is_not_used_is_given_back_after_the_end() {
    let Some(bench) = bench(QUOTA) else { return };
    let on_disk = || usage::below(bench.lease.root()).bytes;
    assert!(on_disk() >= QUOTA.bytes, "{}", on_disk());
    std::fs::write(bench.lease.output(0).join("result"), "42").unwrap();
    bench.keeper.release(&bench.lease).unwrap();
    assert!(!DiskKeeper::is_held(&bench.lease));
    assert!(on_disk() < QUOTA.bytes / 2, "{}", on_disk());
}

#[test]
fn issue9_05_a_job_may_use_all_that_was_sold_and_is_seen_when_it_wants_more() {
    let Some(bench) = bench(QUOTA) else { return };
    let all = usize::try_from(QUOTA.bytes).unwrap();
    std::fs::write(bench.lease.output(0).join("all"), vec![7; all]).unwrap();
    assert!(!bench.keeper.is_full(&bench.lease, QUOTA, &[]));
    // Refused as a whole, as the kernel does it with large writes.
    let mut more = std::fs::File::create(bench.lease.output(0).join("more")).unwrap();
    while more.write_all(&vec![7; 1024 * 1024]).is_ok() {}
    assert!(bench.keeper.is_full(&bench.lease, QUOTA, &[]));
}

#[test]
fn issue9_05_results_are_mounted_while_somebody_reads_them_and_not_longer() {
    let Some(bench) = bench(QUOTA) else { return };
    let result = bench.lease.output(0).join("result");
    std::fs::write(&result, "42").unwrap();
    bench.keeper.release(&bench.lease).unwrap();
    bench.keeper.release(&bench.lease).unwrap();
    assert!(!result.exists());
    let first = bench.keeper.read(&bench.lease).unwrap();
    let second = bench.keeper.read(&bench.lease).unwrap();
    assert_eq!(std::fs::read(&result).unwrap(), b"42");
    drop(first);
    bench.keeper.release(&bench.lease).unwrap();
    assert!(result.exists(), "the second reader is there still");
    drop(second);
    assert!(!DiskKeeper::is_held(&bench.lease));
}

#[test]
fn issue9_05_a_node_or_machine_that_was_started_again_finds_the_outputs() {
    let Some(bench) = bench(QUOTA) else { return };
    let result = bench.lease.output(0).join("result");
    std::fs::write(&result, "42").unwrap();
    // A node that was killed: everything is mounted still.
    DiskKeeper::with_images().prepare(&bench.lease, QUOTA).unwrap();
    assert_eq!(std::fs::read(&result).unwrap(), b"42");
    // A machine that was: nothing is, and the image of another lease was never finished.
    DiskKeeper::detach(&bench.lease).unwrap();
    assert!(!result.exists());
    DiskKeeper::measuring().attach(&bench.lease).unwrap();
    assert_eq!(std::fs::read(&result).unwrap(), b"42");
}

#[test]
fn issue9_05_wiping_a_lease_takes_its_image_along_also_while_it_is_read() {
    let Some(bench) = bench(QUOTA) else { return };
    std::fs::write(bench.lease.output(0).join("result"), "42").unwrap();
    let open = std::fs::File::open(bench.lease.output(0).join("result")).unwrap();
    wipe_lease(&bench.state, &bench.key).unwrap();
    wipe_lease(&bench.state, &bench.key).unwrap();
    assert!(!bench.lease.root().exists());
    drop(open);
}

#[test]
fn issue9_05_more_than_the_disk_has_is_refused_and_leaves_nothing() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let lease = StateDir::open(dir.path()).unwrap().lease(&Pubkey::new_unique());
    lease.create(0, RunAs::for_this_process()).unwrap();
    let error = DiskKeeper::with_images().prepare(&lease, Quota { bytes: 1 << 43, files: 16 }).unwrap_err();
    assert!(matches!(error, DiskError::Image(ImageError::NoRoom { .. })), "{error}");
    let images = |path: &Path| {
        std::fs::read_dir(path)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().contains("img"))
            .count()
    };
    assert_eq!(images(lease.root()), 0);
}

#[test]
fn issue9_05_without_an_image_blocks_and_files_are_measured() {
    let dir = tempfile::tempdir().unwrap();
    let lease = StateDir::open(dir.path()).unwrap().lease(&Pubkey::new_unique());
    lease.create(1, RunAs::for_this_process()).unwrap();
    let keeper = DiskKeeper::measuring();
    keeper.prepare(&lease, QUOTA).unwrap();
    assert!(!lease.image().exists());
    std::fs::File::create(lease.output(0).join("sparse")).unwrap().set_len(20 << 30).unwrap();
    assert!(!keeper.is_full(&lease, QUOTA, &[]));
    assert!(keeper.is_full(&lease, Quota { files: 1, ..QUOTA }, &[]), "the folder and the file");
    std::fs::write(lease.output(0).join("full"), vec![7; 64 * 1024]).unwrap();
    assert!(keeper.is_full(&lease, Quota { bytes: 32 * 1024, ..QUOTA }, &[]));
}

#[test]
fn issue9_05_this_machine_is_tried_before_anything_is_promised() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let keeper = DiskKeeper::detect(&state);
    assert_eq!(keeper.images, nix::unistd::geteuid().is_root());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["leases"], "nothing is left of the trial");
}
