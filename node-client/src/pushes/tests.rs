//! Outputs go to a store and come back, whatever the job and the store do meanwhile.

use super::*;
use crate::driver::RunAs;
use crate::inputs::FetchPolicy;
use crate::state_dir::StateDir;
use gridlease_sdk::artifact::{ArtifactError, MAX_PUSHED_INDEX_BYTES};
use gridlease_sdk::source::s3::S3Access;
use gridlease_testkit::origin::Fault;
use gridlease_testkit::origin::store::{KEY, KEY_ID, REGION, Store};
use reqwest::Method;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

const INDEX: &str = "run/a/index.json";

fn secrets() -> Secrets {
    let pairs = [("ID", KEY_ID), ("KEY", KEY)];
    pairs.iter().map(|(n, v)| ((*n).to_owned(), Zeroizing::new(v.as_bytes().to_vec()))).collect()
}

fn output(store: &Store) -> Output {
    let s3 = S3Access {
        endpoint: Some(store.url.clone()),
        region: Some(REGION.to_owned()),
        access_key: Some("ID".to_owned()),
        secret_key: Some("KEY".to_owned()),
        ..S3Access::default()
    };
    Output {
        path: "/ckpt".to_owned(),
        push: Some("s3://bucket/run/a/".to_owned()),
        s3: Some(s3),
        every_s: Some(60),
        restore: true,
    }
}

/// A fetcher for which loopback is as good as the public internet.
fn open() -> Fetcher {
    let policy = FetchPolicy { allow_private: true, pace: (1_000, Duration::from_secs(1)), ..FetchPolicy::default() };
    Fetcher::new(policy).unwrap()
}

/// An attempt at the job: its lease's folder on a machine of its own.
struct Attempt {
    _dir: tempfile::TempDir,
    lease: LeaseDir,
    whose: Whose,
}

impl Attempt {
    fn new(number: u8) -> Self {
        let (dir, key) = (tempfile::tempdir().unwrap(), Pubkey::new_unique());
        let lease = StateDir::open(dir.path()).unwrap().lease(&key);
        lease.create(1, RunAs::for_this_process()).unwrap();
        let whose = Whose { job: Pubkey::new_from_array([7; 32]), lease: key, attempt: number };
        Self { _dir: dir, lease, whose }
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.lease.output(0).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn pusher_by(&self, store: &Store, fetcher: Fetcher) -> Pusher {
        let (output, clock) = (output(store), Clock::system());
        Pusher::new(self.whose, (0, &output), &self.lease, Limits::default(), &secrets(), fetcher, clock).unwrap()
    }

    fn pusher(&self, store: &Store) -> Pusher {
        self.pusher_by(store, open())
    }

    async fn restore_within(&self, store: &Store, limits: Limits) -> Result<Option<restore::Restored>, PushError> {
        Restoring::new((0, &output(store)), &self.lease, limits, &secrets(), open()).unwrap().restore().await
    }

    async fn restore(&self, store: &Store) -> Result<Option<restore::Restored>, PushError> {
        self.restore_within(store, Limits::default()).await
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let dir = self.lease.output(0);
        let found = gridlease_sdk::artifact::walk(&[&dir], &Limits::default()).unwrap();
        found.files.into_iter().map(|f| (f.path.clone(), std::fs::read(dir.join(&f.path)).unwrap())).collect()
    }
}

/// The store's list, and the files that it names as they are there.
fn listed(store: &Store) -> (PushedIndex, Vec<(String, Vec<u8>)>) {
    let objects = store.objects("bucket");
    let list: PushedIndex = serde_json::from_slice(&objects[INDEX]).unwrap();
    list.check("run/a/", &Limits::default()).unwrap();
    let content = |file: &PushedFile| {
        let bytes = file.objects.iter().flat_map(|key| objects[key].clone()).collect::<Vec<u8>>();
        assert_eq!((hex::encode(Sha256::digest(&bytes)), bytes.len() as u64), (file.sha256.clone(), file.size));
        bytes
    };
    let files = list.files.iter().map(|file| (file.path.clone(), content(file))).collect();
    (list, files)
}

fn named(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect()
}

fn puts(store: &Store) -> usize {
    let count = store.book.seen().iter().filter(|seen| seen.method == Method::PUT).count();
    store.book.forget();
    count
}

#[tokio::test]
async fn a_folder_is_in_the_store_as_a_whole_and_what_did_not_change_is_not_sent_again() {
    let (store, job) = (Store::start(None).await, Attempt::new(1));
    job.write("model/w 1&?.bin", "weights");
    job.write("state", "one");
    job.write("empty", "");
    let first = job.pusher(&store).push(false).await.unwrap();
    assert_eq!((first.generation, first.files, first.bytes, first.new), (1, 3, 10, true));
    let (list, files) = listed(&store);
    assert_eq!(files, named(&[("empty", ""), ("model/w 1&?.bin", "weights"), ("state", "one")]));
    assert_eq!((list.attempt, list.generation, list.last, list.output.as_str()), (1, 1, false, "/ckpt"));
    assert!(list.files[1].objects[0].ends_with("/model/w 1&?.bin"), "{list:?}");
    assert_eq!(puts(&store), 3, "an empty file needs no object");

    // Also by a node that was started again.
    let again = job.pusher(&store).push(false).await.unwrap();
    assert_eq!((again.generation, again.new, puts(&store)), (1, false, 0));
    job.write("state", "two");
    let mut pusher = job.pusher(&store);
    assert_eq!((pusher.push(false).await.unwrap().generation, puts(&store)), (2, 2));
    let old = &list.files[2].objects[0];
    assert!(store.objects("bucket").contains_key(old), "who reads the list before still finds it");
    std::fs::remove_file(job.lease.output(0).join("state")).unwrap();
    assert_eq!((pusher.push(false).await.unwrap().generation, puts(&store)), (3, 1));
    let objects = store.objects("bucket");
    assert!(!objects.contains_key(old), "nobody needs it any more");
    assert_eq!(objects.len(), 3, "the list, one file, and the one of the list before: {objects:?}");
    assert!(!pusher.push(true).await.unwrap().new);
    assert!(listed(&store).0.last);
    assert_eq!(puts(&store), 1);
}

#[tokio::test]
async fn what_cannot_be_pushed_is_named_in_the_list() {
    let (store, job) = (Store::start(None).await, Attempt::new(1));
    let out = job.lease.output(0);
    job.write("good", "x");
    std::os::unix::fs::symlink("/etc/passwd", out.join("link")).unwrap();
    let bytes = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"no\xfftext");
    std::fs::write(out.join(bytes), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(out.join("socket")).unwrap();
    let pushed = job.pusher(&store).push(false).await.unwrap();
    let (list, files) = listed(&store);
    assert_eq!((files, list.left_out.clone()), (named(&[("good", "x")]), pushed.left_out));
    let names: Vec<_> = list.left_out.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(names, ["link", "no\\xfftext", "socket"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_stands_still_is_named_and_no_list_is_written() {
    let (store, job) = (Store::start(None).await, Attempt::new(1));
    job.write("good", "x");
    let (over, path) = (AtomicBool::new(false), job.lease.output(0).join("log"));
    std::fs::write(&path, "").unwrap();
    let mut pusher = job.pusher(&store);
    let outcome = std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            use std::io::Write as _;
            let mut log = std::fs::OpenOptions::new().append(true).open(path).unwrap();
            while !over.load(Ordering::Relaxed) {
                log.write_all(b"line\n").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let outcome = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(pusher.push(false)));
        over.store(true, Ordering::Relaxed);
        outcome
    });
    assert!(matches!(&outcome, Err(PushError::Restless { path }) if path == "log"), "{outcome:?}");
    assert!(!store.objects("bucket").contains_key(INDEX));
    // Once it stands still it is there.
    pusher.push(false).await.unwrap();
    assert_eq!(listed(&store).1.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_list_names_files_that_stood_beside_each_other() {
    let (store, job) = (Store::start(None).await, Attempt::new(1));
    let (over, out) = (AtomicBool::new(false), job.lease.output(0));
    let mut pusher = job.pusher(&store);
    let mut lists = 0;
    tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let over = &over;
            scope.spawn(move || {
                // As a training loop does it: the file, then who is the last, then the old one is removed.
                for step in 0u32.. {
                    std::fs::write(out.join("new"), format!("weights {step}").repeat(1_000)).unwrap();
                    std::fs::rename(out.join("new"), out.join(format!("step-{step}"))).unwrap();
                    std::fs::write(out.join("new"), format!("step-{step}")).unwrap();
                    std::fs::rename(out.join("new"), out.join("latest")).unwrap();
                    if step > 0 {
                        std::fs::remove_file(out.join(format!("step-{}", step - 1))).unwrap();
                    }
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(u64::from(step % 7) * 40));
                }
            });
            for _ in 0..12 {
                let pushed = tokio::runtime::Handle::current().block_on(pusher.push(false));
                match pushed {
                    Ok(_) => lists += 1,
                    Err(PushError::Restless { .. }) => continue,
                    Err(error) => panic!("{error:?}"),
                }
                let (_, files) = listed(&store);
                let content = |name: &str| files.iter().find(|(path, _)| path == name).map(|(_, bytes)| bytes.clone());
                if let Some(latest) = content("latest") {
                    let latest = String::from_utf8(latest).unwrap();
                    let step = latest.strip_prefix("step-").unwrap();
                    let weights = content(&latest).unwrap_or_else(|| panic!("{latest} is not among {files:?}"));
                    assert_eq!(weights, format!("weights {step}").repeat(1_000).into_bytes());
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    });
    assert!(lists > 0, "a loop that rests at times is pushed");
}

#[tokio::test]
async fn a_store_that_fails_trickles_or_says_no_is_tried_again_or_left_and_no_secret_is_told() {
    let (store, job) = (Store::start(None).await, Attempt::new(1));
    job.write("small", "x");
    store.book.fail("/bucket/run/a/index.json", [Fault::Status(404), Fault::Status(503)]);
    job.pusher(&store).push(false).await.unwrap();
    assert_eq!(puts(&store), 3, "the file, and the list twice");

    job.write("small", "y");
    store.book.fail("/bucket/run/a/index.json", [Fault::Status(404), Fault::Status(400)]);
    let refused = job.pusher(&store).push(false).await.unwrap_err();
    assert!(matches!(refused, PushError::Refused { status: 400 }) && !refused.is_transient(), "{refused:?}");
    assert_eq!(puts(&store), 2);
    store.book.fail("/bucket/run/a/index.json", [Fault::Status(404), Fault::SendOn("http://127.0.0.1:1/".to_owned())]);
    let sent_on = job.pusher(&store).push(false).await.unwrap_err();
    assert!(matches!(sent_on, PushError::Refused { status: 307 }), "{sent_on:?}");
    assert_eq!(puts(&store), 1, "what was sent is not sent again");

    let wrong = Secrets::from([
        ("ID".to_owned(), Zeroizing::new(KEY_ID.as_bytes().to_vec())),
        ("KEY".to_owned(), Zeroizing::new(b"hunter2".to_vec())),
    ]);
    let (output, clock) = (output(&store), Clock::system());
    let pusher = Pusher::new(job.whose, (0, &output), &job.lease, Limits::default(), &wrong, open(), clock);
    let mut pusher = pusher.unwrap();
    job.write("other", "z");
    let denied = pusher.push(false).await.unwrap_err();
    assert!(matches!(denied, PushError::Refused { status: 403 }), "{denied:?}");
    let shown = format!("{denied} {denied:?} {pusher:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("X-Amz"), "{shown}");
}

#[tokio::test]
async fn a_store_that_takes_next_to_nothing_is_left_and_tried_again() {
    let (store, job) = (Store::start(None).await, Attempt::new(1));
    job.write("big", vec![7u8; 16 << 20]);
    let clock = Clock::manual(5_000);
    let output = output(&store);
    let mut pusher =
        Pusher::new(job.whose, (0, &output), &job.lease, Limits::default(), &secrets(), open(), clock).unwrap();
    let key = format!("/bucket/run/a/{}/5000/big", job.whose.lease);
    store.book.fail(&key, [Fault::Trickle(Duration::from_secs(600))]);
    tokio::time::timeout(Duration::from_secs(30), pusher.push(false)).await.unwrap().unwrap();
    assert_eq!(listed(&store).1, [("big".to_owned(), vec![7u8; 16 << 20])]);
}

#[tokio::test]
async fn threat_10_nothing_is_pushed_to_an_address_within_the_providers_network() {
    let (store, job) = (Store::start(None).await, Attempt::new(1));
    job.write("x", "x");
    for endpoint in [store.url.clone(), "https://127.0.0.1:1".to_owned(), "https://169.254.169.254".to_owned()] {
        let mut output = output(&store);
        output.s3.as_mut().unwrap().endpoint = Some(endpoint.clone());
        let fetcher = Fetcher::new(FetchPolicy::default()).unwrap();
        let made =
            Pusher::new(job.whose, (0, &output), &job.lease, Limits::default(), &secrets(), fetcher, Clock::system());
        let error = made.unwrap().push(false).await.unwrap_err();
        assert!(matches!(error, PushError::Address(_)), "{endpoint}: {error:?}");
    }
    assert_eq!(store.book.seen().len(), 0);
}

#[tokio::test]
async fn an_attempt_that_was_replaced_does_not_write_over_the_later_one_s_list() {
    let (store, first, second) = (Store::start(None).await, Attempt::new(1), Attempt::new(2));
    first.write("step", "100");
    let mut cut_off = first.pusher(&store);
    cut_off.push(false).await.unwrap();
    let before = store.objects("bucket");
    second.restore(&store).await.unwrap().unwrap();
    second.write("step", "200");
    let mut pusher = second.pusher(&store);
    pusher.push(false).await.unwrap();
    first.write("step", "150");
    let error = cut_off.push(false).await.unwrap_err();
    assert!(matches!(error, PushError::Superseded { attempt: 2 }) && !error.is_transient(), "{error:?}");
    assert_eq!(listed(&store).1, named(&[("step", "200")]));
    // What the first one's list named stays until the second one's second list.
    let of_first = |objects: &std::collections::BTreeMap<String, Vec<u8>>| {
        before.keys().filter(|key| *key != INDEX && objects.contains_key(*key)).count()
    };
    assert_eq!(of_first(&store.objects("bucket")), 1);
    second.write("step", "300");
    pusher.push(false).await.unwrap();
    assert_eq!(of_first(&store.objects("bucket")), 0);
}

#[tokio::test]
async fn a_later_attempt_begins_with_what_the_first_one_pushed_and_a_first_one_with_nothing() {
    let (store, first, second) = (Store::start(None).await, Attempt::new(1), Attempt::new(2));
    assert_eq!(first.restore(&store).await.unwrap(), None);
    assert!(first.lease.restored(0).exists());
    first.write("model/step-3.bin", vec![3u8; 700_000]);
    first.write("latest", "step-3");
    first.write("empty", "");
    let then = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    std::fs::File::open(first.lease.output(0).join("latest")).unwrap().set_modified(then).unwrap();
    first.pusher(&store).push(false).await.unwrap();
    first.write("latest", "step-4, which was not pushed any more");

    // The transfer breaks off, and goes on where it was.
    let object = listed(&store).0.files.iter().find(|f| f.path == "model/step-3.bin").unwrap().objects[0].clone();
    store.book.fail(&format!("/bucket/{object}"), [Fault::Cut(300_000), Fault::Status(503)]);
    store.book.forget();
    let restored = second.restore(&store).await.unwrap().unwrap();
    assert_eq!((restored.generation, restored.files, restored.from), (1, 3, first.whose.lease.to_string()));
    let seen = store.book.seen();
    let of_it = seen.iter().filter(|seen| seen.uri.path().ends_with("step-3.bin"));
    let ranges: Vec<_> = of_it.map(|seen| seen.header("range").unwrap_or("all")).collect();
    assert_eq!(ranges, ["all", "bytes=300000-", "bytes=300000-"]);
    let (files, list) = (second.files(), listed(&store).1);
    assert_eq!(files, list);
    let latest = std::fs::metadata(second.lease.output(0).join("latest")).unwrap();
    assert_eq!(latest.modified().unwrap(), then);
    assert!(!second.lease.outputs().join("restored").exists());
    assert!(second.lease.restored(0).exists());
}

#[tokio::test]
async fn a_node_that_was_killed_while_it_restored_keeps_what_is_right_and_nothing_else() {
    let (store, first, second) = (Store::start(None).await, Attempt::new(1), Attempt::new(2));
    first.write("a", "right");
    first.write("b", "wanted");
    first.pusher(&store).push(true).await.unwrap();
    second.write("a", "right");
    second.write("b", "wrong!");
    second.write("c", "of another list");
    store.book.forget();
    second.restore(&store).await.unwrap();
    assert_eq!(second.files(), named(&[("a", "right"), ("b", "wanted")]));
    assert_eq!(store.book.seen().len(), 2, "the list, and what was not right");
}

#[tokio::test]
async fn what_was_lost_altered_or_invented_in_the_store_is_never_restored() {
    let (store, first) = (Store::start(None).await, Attempt::new(1));
    first.write("a", "right");
    first.pusher(&store).push(true).await.unwrap();
    let (list, _) = listed(&store);
    let object = list.files[0].objects[0].clone();
    let refused = async |what: &str| {
        let second = Attempt::new(2);
        let error = second.restore(&store).await.unwrap_err();
        assert!(!error.is_transient(), "{what}: {error:?}");
        assert!(!second.lease.restored(0).exists() && second.files().is_empty(), "{what}");
        error
    };
    store.put("bucket", &object, b"wrong", false);
    let error = refused("altered").await;
    assert!(matches!(error, PushError::Unusable(ArtifactError::WrongContent { .. })), "{error:?}");
    store.lose("bucket", &object);
    assert!(matches!(refused("lost").await, PushError::Refused { status: 404 }));
    store.put("bucket", &object, b"right", false);
    let invented = async |what: &str, change: fn(&mut PushedIndex)| {
        let mut list = list.clone();
        change(&mut list);
        store.put("bucket", INDEX, &serde_json::to_vec(&list).unwrap(), false);
        refused(what).await
    };
    invented("path", |list| list.files[0].path = "../../escape".to_owned()).await;
    invented("absolute", |list| list.files[0].path = "/etc/x".to_owned()).await;
    invented("object", |list| list.files[0].objects = vec!["other/secret".to_owned()]).await;
    invented("dots", |list| list.files[0].objects = vec!["run/a/../../secret".to_owned()]).await;
    invented("objects", |list| list.files[0].objects.clear()).await;
    invented("twice", |list| list.files.push(list.files[0].clone())).await;
    invented("version", |list| list.version = 2).await;
    let error = invented("size", |list| list.files[0].size = 1 << 60).await;
    assert!(matches!(error, PushError::NoRoom { .. }), "{error:?}");
    store.put("bucket", INDEX, b"{", false);
    refused("no list").await;
    store.put("bucket", INDEX, &vec![b' '; usize::try_from(MAX_PUSHED_INDEX_BYTES).unwrap() + 1], false);
    refused("a list without end").await;
}

#[tokio::test]
async fn what_does_not_fit_into_the_job_s_disk_is_not_restored() {
    let (store, first, second) = (Store::start(None).await, Attempt::new(1), Attempt::new(2));
    first.write("a", "0123456789");
    first.pusher(&store).push(true).await.unwrap();
    let small = Limits { bytes: 9, ..Limits::default() };
    let error = second.restore_within(&store, small).await.unwrap_err();
    assert!(matches!(error, PushError::NoRoom { bytes: 10, room: 9 }), "{error:?}");
    assert!(error.to_string().contains("resources.disk"), "{error}");
}
