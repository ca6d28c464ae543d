//! Containers that no lease needs, on the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use gridlease_node::dangling::{Dangling, GRACE};
use gridlease_node::driver::{ContainerState, Driver as _};
use gridlease_node::sold::Sold;
use gridlease_node::store::{NewLease, Store};
use solana_pubkey::Pubkey;
use support::with_bench;
use tokio::time::Instant;

fn lease(lease: Pubkey) -> NewLease {
    let key = Pubkey::new_from_array([5; 32]);
    NewLease {
        lease,
        job: key,
        attempt: 1,
        buyer: key,
        poster: key,
        guardian: key,
        manifest_hash: [0; 32],
        gpus: vec![],
        sold: Sold::default(),
    }
}

#[tokio::test]
async fn threat_16_a_container_of_ours_that_no_lease_needs_is_ended_after_five_minutes_and_no_other_is_touched() {
    with_bench(|bench| async {
        let store = Store::open(&bench.state.database()).unwrap();
        let sleep = "trap 'exit 0' TERM; while true; do sleep 0.1; done";
        let (unknown, known, cleared) = (bench.spec(1, sleep), bench.spec(2, sleep), bench.spec(3, sleep));
        let other_node = Pubkey::new_from_array(rand::random());
        let mut others = bench.spec(4, sleep);
        others.node = other_node;
        store.insert(lease(known.lease), 0).unwrap();
        store.insert(lease(cleared.lease), 0).unwrap();
        store
            .update(&cleared.lease, |record| {
                record.clear(1);
                Ok(())
            })
            .unwrap();
        let mut ids = Vec::new();
        for spec in [&unknown, &known, &cleared, &others] {
            ids.push(bench.launch(spec).await);
        }
        // Nobody's: made by hand from the same image, without a label.
        let docker = bollard::Docker::connect_with_unix_defaults().unwrap().negotiate_version().await.unwrap();
        let body = bollard::models::ContainerCreateBody {
            image: Some(bench.registry.image.to_string()),
            cmd: Some(vec!["/bin/sleep".to_owned(), "300".to_owned()]),
            ..Default::default()
        };
        let by_hand =
            docker.create_container(None::<bollard::query_parameters::CreateContainerOptions>, body).await.unwrap();
        ids.push(gridlease_node::driver::ContainerId(by_hand.id));
        bench.driver.start(&ids[4]).await.unwrap();

        let driver = Arc::new(bench.driver.clone());
        let mut dangling = Dangling::new(driver.clone(), store.clone(), bench.node, GRACE);
        let start = Instant::now();
        assert_eq!(dangling.look(start).await.unwrap(), vec![], "first seen now");
        assert_eq!(dangling.look(start + GRACE - Duration::from_millis(1)).await.unwrap(), vec![]);
        let ended = dangling.look(start + GRACE).await.unwrap();
        let mut leases: Vec<_> = ended.iter().filter_map(|listed| listed.lease).collect();
        let mut expected = vec![unknown.lease, cleared.lease];
        leases.sort_unstable();
        expected.sort_unstable();
        assert_eq!(leases, expected);
        assert_eq!(dangling.look(start + 2 * GRACE).await.unwrap(), vec![], "nothing is left to end");

        for (id, stays) in ids.iter().zip([false, true, false, true, true]) {
            let state = bench.driver.inspect(id).await.unwrap();
            assert_eq!(matches!(state, ContainerState::Running { .. }), stays, "{id}: {state:?}");
            assert_eq!(state == ContainerState::Missing, !stays, "{id}: {state:?}");
        }
        for id in &ids[3..] {
            bench.driver.remove(id).await.unwrap();
        }
        bench
    })
    .await;
}
