//! What is written down survives.

use super::*;

fn lease(n: u8) -> NewLease {
    let key = |tag: u8| Pubkey::new_from_array([n.wrapping_add(tag); 32]);
    NewLease {
        lease: key(0),
        job: key(100),
        attempt: 1,
        buyer: key(101),
        poster: key(102),
        guardian: key(102),
        manifest_hash: [n; 32],
        gpus: vec!["GPU-1".to_owned()],
        sold: crate::sold::Sold::default(),
    }
}

fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(&dir.path().join("node.redb")).unwrap()
}

#[test]
fn what_was_written_is_there_after_the_store_was_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let id = lease(1).lease;
    {
        let store = store(&dir);
        store.insert(lease(1), 10).unwrap();
        store.intend(&id, Step::Pull).unwrap();
        store
            .done(&id, |r| {
                r.output_root = Some([9; 32]);
                r.message = "pulled".to_owned();
                r.advance(Phase::Pulled)
            })
            .unwrap();
        store.intend(&id, Step::Create).unwrap();
        store.set_note("offer", b"abc").unwrap();
    }
    let store = store(&dir);
    let record = store.get(&id).unwrap().unwrap();
    assert_eq!((record.phase, record.intent), (Phase::Pulled, Some(Step::Create)), "the open step is known");
    assert_eq!((record.output_root, record.manifest_hash, record.won_at_ms), (Some([9; 32]), [1; 32], 10));
    assert_eq!(store.note("offer").unwrap().as_deref(), Some(b"abc".as_slice()));
    assert_eq!(store.note("other").unwrap(), None);
}

#[test]
fn a_lease_that_is_won_twice_keeps_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    store.insert(lease(1), 10).unwrap();
    store.update(&lease(1).lease, |r| r.advance(Phase::Started)).unwrap();
    let again = store.insert(lease(1), 99).unwrap();
    assert_eq!((again.phase, again.won_at_ms), (Phase::Started, 10));
    assert_eq!(store.all().unwrap().len(), 1);
}

#[test]
fn a_change_that_is_refused_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    let id = lease(1).lease;
    store.insert(lease(1), 10).unwrap();
    store.update(&id, |r| r.advance(Phase::Exited)).unwrap();
    let before = store.get(&id).unwrap();
    let error = store
        .update(&id, |r| {
            r.message = "half done".to_owned();
            r.advance(Phase::Pulled)
        })
        .unwrap_err();
    assert!(error.to_string().contains("cannot go back from exited to pulled"), "{error}");
    assert_eq!(store.get(&id).unwrap(), before);
    assert!(matches!(store.intend(&lease(7).lease, Step::Pull), Err(StoreError::Unknown(_))));
}

#[test]
fn a_second_node_on_the_same_directory_is_refused_and_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let _first = store(&dir);
    let error = Store::open(&dir.path().join("node.redb")).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("another node is running"), "{error}");
}

#[test]
fn a_store_of_another_version_and_a_file_that_is_no_store_are_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.redb");
    {
        let store = store(&dir);
        store
            .write(|tx| {
                tx.open_table(META)?.insert(SCHEMA, 99)?;
                Ok(Ok(()))
            })
            .unwrap();
    }
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Schema { found: 99, .. }), "{error}");

    let junk = dir.path().join("junk");
    std::fs::write(&junk, vec![7; 4096]).unwrap();
    let error = Store::open(&junk).unwrap_err();
    assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    assert_eq!(std::fs::read(&junk).unwrap(), vec![7; 4096]);
}

#[test]
fn finished_leases_expire_after_seven_days_and_not_a_millisecond_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    for n in 1..=3 {
        store.insert(lease(n), 0).unwrap();
    }
    store
        .update(&lease(1).lease, |r| {
            r.clear(1_000);
            Ok(())
        })
        .unwrap();
    store
        .update(&lease(2).lease, |r| {
            r.advance(Phase::Failed { reason: "no image".to_owned() })?;
            r.clear(2_000);
            Ok(())
        })
        .unwrap();
    let failed = store.get(&lease(2).lease).unwrap().unwrap();
    assert!(failed.is_cleared() && matches!(failed.phase, Phase::Failed { .. }), "the reason stays");

    assert_eq!(store.expired(KEEP_FINISHED_MS + 999).unwrap(), vec![]);
    assert_eq!(store.expired(KEEP_FINISHED_MS + 1_000).unwrap(), vec![lease(1).lease]);
    assert_eq!(store.expired(i64::MAX).unwrap().len(), 2, "a lease that is not finished never expires");
    store.forget(&lease(1).lease).unwrap();
    store.forget(&lease(1).lease).unwrap();
    assert_eq!(store.get(&lease(1).lease).unwrap(), None);
}
