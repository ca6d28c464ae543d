//! Issue 9, number 20: the first commands of a newcomer, with the binary and an empty home folder.

use std::path::{Path, PathBuf};
use std::process::Output;

use gridlease_demo::market::USDC;
use gridlease_demo::process::gridlease_binary;
use solana_pubkey::Pubkey;

use crate::world::{World, alone, world};

/// A user with nothing but a home folder and the network's address.
pub struct User<'a> {
    world: &'a World,
    pub home: PathBuf,
    /// More variables of its shell.
    pub env: Vec<(&'static str, String)>,
}

impl<'a> User<'a> {
    /// One with a key, 10 USDC and a purse of half of it.
    pub async fn funded(world: &'a World) -> Self {
        let home = world.market.dir().join("user");
        std::fs::create_dir(&home).unwrap();
        let user = Self { world, home, env: Vec::new() };
        let address: Pubkey = user.done(&["key", "new"]).await.trim().parse().unwrap();
        world.market.localnet.airdrop(&address, 1_000_000_000).await.unwrap();
        world.market.localnet.mint_usdc(&address, 10 * USDC).await.unwrap();
        user.done(&["purse", "deposit", "5"]).await;
        user
    }

    /// The one that was there before, after something in the world has changed.
    pub fn back(world: &'a World) -> Self {
        Self { world, home: world.market.dir().join("user"), env: Vec::new() }
    }

    /// A command as it is typed, in the home folder.
    pub fn command(&self, args: &[&str]) -> tokio::process::Command {
        let localnet = &self.world.market.localnet;
        let mut command = tokio::process::Command::new(gridlease_binary().unwrap());
        command
            .args(args)
            .env_clear()
            .env("HOME", &self.home)
            .env("GRIDLEASE_URL", localnet.rpc_url())
            .env("GRIDLEASE_WS", localnet.ws_url())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.home)
            .kill_on_drop(true);
        command
    }

    pub async fn run(&self, args: &[&str]) -> Output {
        let command = self.command(args).output();
        tokio::time::timeout(std::time::Duration::from_secs(180), command).await.expect("the command hangs").unwrap()
    }

    pub async fn done(&self, args: &[&str]) -> String {
        let output = self.run(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    async fn code(&self, args: &[&str]) -> Option<i32> {
        let output = self.run(args).await;
        eprintln!("{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.status.code()
    }
}

/// Changes the manifest as with an editor.
fn edit(manifest: &Path, changes: &[(&str, &str)]) {
    let mut text = std::fs::read_to_string(manifest).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old} is in {text}");
        text = text.replace(old, new);
    }
    std::fs::write(manifest, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_20_a_newcomers_first_job_runs_as_the_template_stands_and_the_command_ends_as_the_container_did() {
    let Some(world) = world(alone("solo")).await else { return };
    let user = User::funded(&world).await;
    let manifest = user.home.join("job.yaml");
    user.done(&["job", "init", "--image", &world.image]).await;
    let told = user.done(&["job", "post", "job.yaml", "--watch", "--output", "out"]).await;
    assert!(told.contains("BusyBox"), "the image's own command wrote its log: {told}");

    let command = "command: [\"/busybox\", \"sh\", \"-c\", \"exit 42\"]\n";
    edit(&manifest, &[("# What to run.", &format!("{command}# What to run."))]);
    assert_eq!(user.code(&["job", "post", "job.yaml", "--watch"]).await, Some(42));
    assert_eq!(user.code(&["job", "watch", "last"]).await, Some(42));
    assert_eq!(user.code(&["job", "watch", "last", "--ignore-exit-code"]).await, Some(0));

    // Cheaper than anybody works for: it waits for a bid for as long as it says, and ends without one.
    edit(&manifest, &[("max: 1.80", "max: 0.10"), ("window: 12s, wait: 24h", "window: 6s, wait: 20s")]);
    let output = user.run(&["job", "post", "job.yaml", "--watch", "--ignore-exit-code", "--json"]).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("no bids"), "{told}");
    let events = String::from_utf8(output.stdout).unwrap();
    assert!(events.contains("\"waiting\""), "{events}");
    let last = events.lines().last().unwrap().to_owned();
    let summary: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&summary["reason"], &summary["exit_code"]), (&"no bids".into(), &serde_json::Value::Null));
    world.stop().await;
}
