//! Jobs that end by themselves: a database with a cache beside it, and a model over a file.

use super::{copy, find_text, world_with};
use crate::newcomer::User;
use crate::reach::text;
use crate::world::alone;

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_and_redis_serve_a_job_that_loads_a_hundred_thousand_rows_and_returns_the_sums() {
    let Some(world) = world_with(alone("solo"), &["postgres", "redis"]).await else { return };
    let mut user = User::funded(&world).await;
    copy(&world, &user, "postgres");
    user.env.push(("POSTGRES_PASSWORD", "quiet-0457-password".to_owned()));
    let done = user.run(&["job", "post", "postgres/job.yaml", "--watch", "--output", "out"]).await;
    let told = format!("{}{}", text(&done.stdout), text(&done.stderr));
    assert_eq!(done.status.code(), Some(0), "{told}");
    assert!(told.contains("PONG"), "{told}");

    // The same sums, without a database.
    let mut sums = [("north", 0_u64), ("east", 0), ("south", 0), ("west", 0)];
    for order in 0..100_000_usize {
        sums[order % 1000 % 4].1 += u64::try_from(order * 7919 % 10007).unwrap();
    }
    sums.sort_unstable();
    let rows: Vec<_> = sums.iter().map(|(region, cents)| format!("{region},25000,{cents}\n")).collect();
    let result = find_text(&user.home.join("out"), "by-region.csv");
    assert_eq!(result, format!("region,orders,cents\n{}", rows.concat()));
    world.stop().await;
}
