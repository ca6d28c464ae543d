//! Leases that fill the disk, lock their outputs and name them badly, on the real engine, with the market played by the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::path::Path;
use std::process::Command;

use gridlease_node::disk::DiskKeeper;
use gridlease_node::driver::ContainerState;
use gridlease_node::lease::reconcile::Action;
use gridlease_node::state_dir::StateDir;
use gridlease_node::store::StopReason;
use gridlease_sdk::artifact::LeftOutReason;
use support::played::Node;
use support::with_bench;

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can mount");
    }
    root
}

const DELETED: &str =
    "exec 3>/out/x; busybox rm /out/x; dd if=/dev/zero bs=1M count=200 >&3; code=$?; echo dd: $code; exit $code";

#[tokio::test]
async fn threat_07_a_deleted_file_that_is_still_open_is_held_back_by_the_kernel() {
    if !is_root() {
        return;
    }
    with_bench(|bench| async {
        let state = bench.state.clone();
        // The node may see that the disk is full before `dd` has said so, and end the container; it says so all the same.
        let script = format!("trap '' TERM; {DELETED}");
        let mut node = Node::with_job(&bench, &state, DiskKeeper::detect(&state), "64MiB", &script).await;
        node.finish().await;
        assert!(node.log().contains("No space left on device"), "{}", node.log());
        assert!(!DiskKeeper::is_held(&state.lease(&node.lease)), "unmounted when the lease is over");
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_05_without_an_image_a_deleted_file_that_is_still_open_is_seen_and_ends_the_container() {
    if !is_root() {
        return; // this user's containers are its own, and the test's are nobody's
    }
    with_bench(|bench| async {
        let state = bench.state.clone();
        let script = format!("{DELETED}; ").replace("exit $code", "while true; do sleep 0.1; done");
        let mut node = Node::with_job(&bench, &state, DiskKeeper::measuring(), "64MiB", &script).await;
        let record = node.finish().await;
        assert_eq!(record.stop, Some(StopReason::DiskFull));
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_07_a_job_that_fails_on_its_full_disk_is_told_so_and_keeps_what_fits() {
    if !is_root() {
        return;
    }
    with_bench(|bench| async {
        let state = bench.state.clone();
        let script = "echo early > /out/early; dd if=/dev/zero of=/out/big bs=1M count=3000; exit $?";
        let mut node = Node::with_job(&bench, &state, DiskKeeper::detect(&state), "64MiB", script).await;
        let record = node.finish().await;
        assert_eq!(record.stop, Some(StopReason::DiskFull));
        assert!(record.words().contains("filled its disk") && record.words().contains("resources.disk"), "{record:?}");
        let listing = node.collected().listing;
        let paths: Vec<_> = listing.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["early"]);
        let left_out: Vec<_> = listing.left_out.entries.iter().map(|e| (e.path.as_str(), e.reason)).collect();
        assert_eq!(left_out, [("big", LeftOutReason::TooLarge)]);
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_07_a_sparse_file_larger_than_the_disk_is_left_out_and_a_million_files_are_bounded() {
    if !is_root() {
        return;
    }
    with_bench(|bench| async {
        let state = bench.state.clone();
        let script = "echo 1 > /out/good; dd if=/dev/zero of=/out/s bs=1 count=0 seek=20G 2>/dev/null; busybox mkdir /out/many; \
                      cd /out/many; n=0; while : > $n; do n=$((n+1)); [ $n -lt 100000 ] || exit 0; done 2>/dev/null; exit 9";
        let mut node = Node::with_job(&bench, &state, DiskKeeper::detect(&state), "16MiB", script).await;
        let record = node.finish().await;
        assert_ne!(record.ended.as_ref().map(|ended| ended.code), Some(0), "a hundred thousand files were made");
        let listing = node.collected().listing;
        assert!(listing.files.len() < 2_100 && listing.files.iter().any(|file| file.path == "good"));
        let left_out: Vec<_> = listing.left_out.entries.iter().map(|e| (e.path.as_str(), e.reason)).collect();
        assert_eq!(left_out, [("s", LeftOutReason::TooLarge)]);
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_09_bad_names_links_and_pipes_cost_only_themselves() {
    with_bench(|bench| async {
        let state = bench.state.clone();
        let script = "cd /out; echo 1 > good; : > \"$(printf 'a\\nb')\"; : > \"$(printf 'bad\\377')\"; busybox ln -s /etc link; \
                      busybox mkfifo pipe; busybox mkdir d; echo 2 > d/in; busybox chmod 000 d";
        let mut node = Node::with_job(&bench, &state, DiskKeeper::measuring(), "64MiB", script).await;
        let record = node.finish().await;
        let listing = node.collected().listing;
        let paths: Vec<_> = listing.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["d/in", "good"]);
        assert_eq!(hex::encode(record.output_root.unwrap()), listing.root);
        let left_out: Vec<_> = listing.left_out.entries.iter().map(|e| (e.path.as_str(), e.reason)).collect();
        let expected = [
            ("a\\nb", LeftOutReason::ControlCharacter),
            ("bad\\xff", LeftOutReason::NotUtf8),
            ("link", LeftOutReason::Link),
            ("pipe", LeftOutReason::Special),
        ];
        assert_eq!(left_out, expected);
        assert!(record.message.starts_with("4 left out of the outputs, first a\\nb"), "{}", record.message);
        bench
    })
    .await;
}

/// A small disk of its own for a node's state, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(mib: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (image, target) = (dir.path().join("img"), dir.path().join("state"));
        std::fs::create_dir(&target).unwrap();
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F", "-m", "0"], &[&image]);
        run("mount", &["-o", "loop"], &[&image, &target]);
        Self(dir)
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("state")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], &[&self.path()]);
    }
}

fn run(tool: &str, options: &[&str], paths: &[&Path]) {
    assert!(Command::new(tool).args(options).args(paths).status().unwrap().success(), "{tool}");
}

#[tokio::test]
async fn threat_07_a_log_that_would_fill_the_state_disk_does_not_keep_its_lease_from_ending() {
    if !is_root() {
        return;
    }
    with_bench(|bench| async {
        let disk = SmallDisk::new(48);
        let state = StateDir::open(&disk.path()).unwrap();
        let script = "busybox yes 0123456789012345678901234567890123456789 | busybox head -n 200000";
        {
            let mut node = Node::with_job(&bench, &state, DiskKeeper::measuring(), "2GiB", script).await;
            let record = node.finish().await;
            assert_eq!(record.ended.as_ref().map(|ended| ended.code), Some(0));
            assert!(
                record.log_lines > 1_000 && node.log().lines().last().unwrap().contains("later output is not kept")
            );
        }
        drop(disk);
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_06_a_state_disk_that_something_else_filled_costs_the_outputs_and_not_the_leases_end() {
    if !is_root() {
        return;
    }
    with_bench(|bench| async {
        let disk = SmallDisk::new(48);
        let state = StateDir::open(&disk.path()).unwrap();
        let script = "echo 1 > /out/result; sleep 2";
        {
            let mut node = Node::with_job(&bench, &state, DiskKeeper::measuring(), "64MiB", script).await;
            node.until(|action| matches!(action, Action::Watch { .. })).await;
            let mut filler = std::fs::File::create(disk.path().join("filler")).unwrap();
            while std::io::Write::write_all(&mut filler, &[7; 4096]).is_ok() {}
            let record = node.finish().await;
            assert_eq!(node.worker.observe(&record).await.unwrap(), ContainerState::Missing);
        }
        drop(disk);
        bench
    })
    .await;
}
