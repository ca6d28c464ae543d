//! The binary as a newcomer meets it: help, settings, and one clear error with its exit code for each thing that is wrong.
//! No network is needed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use solana_keypair::Keypair;
use solana_signer::Signer as _;
use tempfile::TempDir;

/// A user with an empty home folder.
struct User {
    home: TempDir,
}

struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn run_with(&self, env: &[(&str, &str)], args: &[&str]) -> Done {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_gridlease"))
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .envs(env.iter().copied())
            .current_dir(self.home.path())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Done { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    fn run(&self, args: &[&str]) -> Done {
        self.run_with(&[], args)
    }

    /// Makes the usual keypair.
    fn key(&self) -> Keypair {
        let pair = Keypair::new();
        self.write(".config/solana/id.json", &serde_json::to_string(&pair.to_bytes().to_vec()).unwrap());
        pair
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

/// An address at which nobody answers.
fn nobody() -> String {
    // The port is free again at once, and nobody else is given it so soon.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

impl Done {
    /// Failed with this code, with one message that holds all of these, and no data.
    fn failed(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{}", self.stderr);
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in: {}", self.stderr);
        }
        assert_eq!(self.stdout, "", "an error is no data");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = User::new().run(&["--help"]);
    assert_eq!(help.code, 0);
    for word in
        ["purse", "job", "offer", "provider", "lease", "keeper", "node", "key", "config", "Exit codes", "GRIDLEASE_URL"]
    {
        assert!(help.stdout.contains(word), "{word}");
    }
    let post = User::new().run(&["job", "post", "--help"]);
    assert!(post.stdout.contains("Examples:") && post.stdout.contains("--watch"), "{}", post.stdout);
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = User::new().run(&["completions", shell]);
        assert_eq!(done.code, 0);
        assert!(done.stdout.contains("gridlease"), "{shell}");
    }
}

#[test]
fn wrong_usage_ends_with_code_2_and_says_what_is_right() {
    let user = User::new();
    user.run(&["purse", "deposit"]).failed(2, &["<USDC>"]);
    user.run(&["purse", "deposit", "1,5"]).failed(2, &["nothing between thousands"]);
    user.run(&["purse", "deposit", "0.0000001"]).failed(2, &["six decimals"]);
    user.run(&["job", "show", "abc"]).failed(2, &["base58", "last"]);
    user.run(&["keeper", "run", "--shard", "4/4"]).failed(2, &["shard"]);
    user.run(&["node", "run", "--authority", "11111111111111111111111111111112"]).failed(2, &["--ask"]);
}

#[test]
fn a_missing_or_broken_keypair_is_named_with_what_to_do() {
    let user = User::new();
    user.run(&["purse", "show"]).failed(2, &[".config/solana/id.json", "gridlease key new --out", "--keypair"]);
    user.write("bad.json", "[1, 2, 3]");
    user.run(&["purse", "show", "--keypair", "bad.json"]).failed(2, &["bad.json", "64 numbers"]);
}

#[test]
fn an_rpc_that_is_down_is_a_network_failure_that_names_it_without_its_key() {
    let user = User::new();
    user.key();
    let url = format!("{}/secret?api-key=secret", nobody());
    let done = user.run(&["purse", "show", "--url", &url]);
    done.failed(4, &["cannot be reached", "--url"]);
    assert!(!done.stderr.contains("secret"), "{}", done.stderr);
    let done = user.run(&["purse", "show", "--url", &url, "--json"]);
    done.failed(4, &[]);
    let error: serde_json::Value = serde_json::from_str(done.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["exit_code"], 4);
    assert!(error["error"]["message"].as_str().unwrap().contains("cannot be reached"));
    user.run(&["purse", "show", "--url", "nonsense"]).failed(2, &["nonsense", "devnet", "flag"]);
}

#[test]
fn settings_come_from_the_first_place_that_says_something() {
    let user = User::new();
    let source = |env: &[(&str, &str)], args: &[&str]| {
        let done = user.run_with(env, &[&["config", "show", "--json"], args].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        let shown: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        let url = shown["settings"].as_array().unwrap().iter().find(|it| it["name"] == "url").unwrap().clone();
        (url["value"].as_str().unwrap().to_owned(), url["source"].as_str().unwrap().to_owned())
    };
    let is = |found: (String, String), value: &str, from: &str| assert_eq!(found, (value.to_owned(), from.to_owned()));
    is(source(&[], &[]), "http://localhost:8899", "default");
    user.write(".config/solana/cli/config.yml", "json_rpc_url: http://solana.example\n");
    is(source(&[], &[]), "http://solana.example", "solana_config");
    assert_eq!(user.run(&["config", "set", "url", "http://file.example/key"]).code, 0);
    is(source(&[], &[]), "http://file.example", "config_file");
    let env = [("GRIDLEASE_URL", "http://env.example")];
    is(source(&env, &[]), "http://env.example", "environment");
    is(source(&env, &["--url", "devnet"]), "https://api.devnet.solana.com", "flag");
    user.run(&["config", "set", "colour", "blue"]).failed(2, &["colour", "url"]);
}

#[test]
fn a_manifest_to_begin_with_is_written_once_and_can_be_posted() {
    let user = User::new();
    assert_eq!(user.run(&["job", "init"]).code, 0);
    user.run(&["job", "init"]).failed(2, &["job.yaml", "exists"]);
    let text = std::fs::read_to_string(user.path("job.yaml")).unwrap();
    gridlease_sdk::manifest::Manifest::from_yaml(&text, "job.yaml").unwrap();
}

#[test]
fn issue9_20_a_manifest_for_an_image_of_ones_own_takes_its_name_or_says_what_is_wrong_with_it() {
    let user = User::new();
    user.run(&["job", "init", "--image", "Not An Image"]).failed(2, &["Not An Image", "image reference"]);
    assert!(!user.path("job.yaml").exists(), "nothing was written");
    assert_eq!(user.run(&["job", "init", "--image", "localhost:5000/me/app:2"]).code, 0);
    let text = std::fs::read_to_string(user.path("job.yaml")).unwrap();
    let manifest = gridlease_sdk::manifest::Manifest::from_yaml(&text, "job.yaml").unwrap();
    assert_eq!((manifest.image.as_str(), manifest.command.len()), ("localhost:5000/me/app:2", 0));
}

#[test]
fn issue9_20_a_newcomer_makes_a_key_that_the_other_commands_take_and_that_is_never_shown() {
    let user = User::new();
    user.run(&["key", "show"]).failed(2, &[".config/solana/id.json", "gridlease key new"]);
    let made = user.run(&["key", "new"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let file = std::fs::read_to_string(user.path(".config/solana/id.json")).unwrap();
    let numbers: Vec<u8> = serde_json::from_str(&file).unwrap();
    let pair = Keypair::try_from(numbers.as_slice()).unwrap();
    assert_eq!(made.stdout.trim(), pair.pubkey().to_string(), "standard output is the address");
    for secret in [file.trim_matches(['[', ']']).to_owned(), pair.to_base58_string()] {
        assert!(!made.stdout.contains(&secret) && !made.stderr.contains(&secret));
    }
    assert_eq!(user.run(&["key", "show"]).stdout, made.stdout);
    assert_eq!(user.run(&["node", "init"]).code, 0, "it signs for others");

    user.run(&["key", "new"]).failed(2, &["id.json", "exists already", "--out", "--force"]);
    assert_eq!(std::fs::read_to_string(user.path(".config/solana/id.json")).unwrap(), file, "nothing was replaced");
    let json = |args: &[&str]| serde_json::from_str::<serde_json::Value>(&user.run(args).stdout).unwrap();
    let other = json(&["key", "new", "--out", "node.json", "--json"]);
    assert_eq!(other["keypair"], "node.json");
    assert_eq!(json(&["key", "show", "--keypair", "node.json", "--json"])["address"], other["address"]);
    assert_ne!(json(&["key", "new", "--out", "node.json", "--force", "--json"])["address"], other["address"]);
}

#[test]
fn what_is_wrong_with_a_manifest_is_said_before_anything_is_asked_or_written() {
    let user = User::new();
    user.key();
    let url = nobody();
    let post = |name: &str| user.run(&["job", "post", name, "--url", &url]);
    let manifest = |change: (&str, &str)| {
        let text = "version: 1\nname: j\nimage: a.example/b\ninputs:\n  - { uri: ./in.txt, mount: /in.txt }\n\
                    resources: { cpu: 1, memory: 512MiB, disk: 1GiB }\nprice: { max: 1.80 }\nduration: { max: 1h }\n";
        user.write("job.yaml", &text.replace(change.0, change.1));
    };
    post("none.yaml").failed(2, &["none.yaml", "No such file"]);
    for (change, parts) in [
        (("cpu: 1", "cpus: 1"), &["job.yaml:6:", "cpus", "did you mean `cpu`?"][..]),
        (("512MiB", "512Megs"), &["job.yaml:6:", "resources.memory"]),
        (("max: 1.80", "max: 0"), &["job.yaml:7:", "price.max", "zero"]),
        (("max: 1.80", "max: 1.80, mode: instant"), &["price.mode", "auction"]),
        (("1.80 }", "1.80 }\narray: { count: 2 }"), &["array"]),
        (("./in.txt", "./gone.txt"), &["inputs[0]", "gone.txt"]),
    ] {
        manifest(change);
        user.write("in.txt", "hello");
        post("job.yaml").failed(2, parts);
    }
    manifest(("mount: /in.txt", &format!("mount: /in.txt, sha256: {}", "0".repeat(64))));
    post("job.yaml").failed(2, &["in.txt", "hashes to", "correct the file"]);
    assert!(!user.path(".local").exists(), "nothing was written");
}

#[test]
fn the_node_makes_its_certificate_once_and_says_what_to_register() {
    let user = User::new();
    let key = user.key();
    let identity = || {
        let done = user.run(&["node", "init", "--json", "--state-dir", "node"]);
        assert_eq!(done.code, 0, "{}", done.stderr);
        serde_json::from_str::<serde_json::Value>(&done.stdout).unwrap()
    };
    let first = identity();
    assert_eq!(first["node_key"], key.pubkey().to_string());
    assert!(Path::new(first["certificate"].as_str().unwrap()).exists());
    assert_eq!(first["fingerprint"].as_str().unwrap().len(), 64);
    assert_eq!(identity(), first);
}

#[test]
fn a_migration_names_what_was_not_given_and_the_network_that_does_not_answer() {
    let user = User::new();
    user.key();
    let address = "11111111111111111111111111111112";
    user.run(&["admin", "migrate", "--treasury", address]).failed(2, &["--usdc-mint"]);
    user.run(&["admin", "migrate", "--program-keypair", "absent.json"]).failed(2, &["absent.json"]);
    let url = nobody();
    user.run(&["admin", "migrate", "--dry-run", "--url", &url]).failed(4, &[&url, "cannot be reached"]);
}
