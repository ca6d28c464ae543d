//! What people bring, through the command line, on real parts.

use crate::newcomer::User;
use crate::world::{World, alone, world};

/// A manifest that runs `script` in the image's shell.
fn manifest(world: &World, script: &str, more: &str) -> String {
    format!(
        "version: 1\nname: real\nimage: {}\ncommand: [\"/busybox\", \"sh\", \"-c\", {script:?}]\n\
         resources: {{ cpu: 0.1, memory: 64MiB, disk: 64MiB }}\nprice: {{ max: 1.80, window: 6s }}\nduration: {{ max: 10m }}\n{more}",
        world.image
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn report15_a_job_has_a_home_and_the_secrets_that_its_buyer_s_shell_has() {
    let Some(world) = world(alone("solo")).await else { return };
    let mut user = User::funded(&world).await;
    let script = "set -e; [ \"$HF_TOKEN\" = \"$(/busybox cat /run/secrets/HF_TOKEN)\" ]; echo token of ${#HF_TOKEN}; \
                  /busybox mkdir -p $HF_HOME; echo x > $HF_HOME/x; echo home is $HOME; echo y > /opt/models/y; echo all written";
    let more = "secrets: { HF_TOKEN: { from: env, as: env } }\nscratch: [ { path: /opt/models } ]\n";
    std::fs::write(user.home.join("job.yaml"), manifest(&world, script, more)).unwrap();

    let refused = user.run(&["job", "post", "job.yaml", "--watch"]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("variables that are not set here: HF_TOKEN"), "{told}");

    let marker = "hf-0451-never-to-be-seen";
    user.env.push(("HF_TOKEN", marker.to_owned()));
    let done = user.run(&["job", "post", "job.yaml", "--watch"]).await;
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(0), "{told}");
    let token = format!("token of {}", marker.len());
    for line in ["has the secrets HF_TOKEN, sealed to it", &token, "home is /home/gridlease", "all written"] {
        assert!(told.contains(line), "{line:?} is missing in {told}");
    }
    assert!(!told.contains(marker), "{told}");
    assert_eq!(user.done(&["job", "logs", "last", "--tail", "1"]).await, "all written\n");
    let stamped = user.done(&["job", "logs", "last", "--tail", "2", "--timestamps", "--since", "1h"]).await;
    let stamps: Vec<_> = stamped.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(stamps.iter().map(|(_, line)| *line).collect::<Vec<_>>(), ["home is /home/gridlease", "all written"]);
    assert!(stamps.iter().all(|(at, _)| at.len() == 24 && at.starts_with("20") && at.ends_with('Z')), "{stamped}");
    // Nor is it in anything that buyer, node or network keep.
    let kept = std::process::Command::new("grep").args(["-rlF", marker]).arg(world.market.dir()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
    world.stop().await;
}
