//! Real software, unchanged: the folders of `examples/` as a buyer posts them, on images that `cargo xtask examples` makes.

use std::path::{Path, PathBuf};

use gridlease_demo::image::{docker, push_example};
use gridlease_testkit::needed;

use crate::newcomer::User;
use crate::reach::text;
use crate::world::{World, alone, world};

/// The registry that the manifests name.
const USUAL: &str = "localhost:5000/";

/// A market whose registry has these images.
async fn world_with(images: &[&str]) -> Option<World> {
    let world = world(alone("solo")).await?;
    let engine = docker().await.unwrap();
    for image in images {
        if needed(push_example(&engine, image, world.market.registry_host()).await).is_none() {
            world.stop().await;
            return None;
        }
    }
    Some(world)
}

/// Copies an example to the user's folder, with this market's registry in its manifests.
fn copy(world: &World, user: &User<'_>, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples").join(name);
    let to = user.home.join(name);
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace(USUAL, &format!("{}/", world.market.registry_host()));
        std::fs::write(to.join(path.file_name().unwrap()), text).unwrap();
    }
    to
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_and_redis_serve_a_job_that_loads_a_hundred_thousand_rows_and_returns_the_sums() {
    let Some(world) = world_with(&["postgres", "redis"]).await else { return };
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
    let result = find(&user.home.join("out"), "by-region.csv");
    assert_eq!(result, format!("region,orders,cents\n{}", rows.concat()));
    world.stop().await;
}

/// The text of the one file of this name below a folder.
fn find(below: &Path, name: &str) -> String {
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|found| found == name) {
                return std::fs::read_to_string(path).unwrap();
            }
        }
    }
    panic!("there is no {name} below {}", below.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_from_pypi_tells_the_languages_of_the_lines_of_a_file() {
    let Some(world) = world_with(&["langid"]).await else { return };
    let user = User::funded(&world).await;
    copy(&world, &user, "langid");

    user.done(&["job", "post", "langid/batch.yaml", "--watch", "--output", "out"]).await;
    let languages = find(&user.home.join("out"), "languages.jsonl");
    let expected = ["en", "de", "fr", "es", "it", "ru", "ja"];
    let expected: Vec<_> =
        (1..).zip(expected).map(|(n, of)| format!("{{\"line\": {n}, \"language\": \"{of}\"}}\n")).collect();
    assert_eq!(languages, expected.concat());
    world.stop().await;
}
