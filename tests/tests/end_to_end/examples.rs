//! Real software, unchanged: the folders of `examples/` as a buyer posts them, on images that `cargo xtask examples` makes.

mod batch;
mod rendered;
mod served;
mod trained;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use gridlease_demo::image::{docker, push_example};
use gridlease_demo::market::MarketOptions;
use gridlease_testkit::needed;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::newcomer::User;
use crate::world::{World, world};

/// The registry that the manifests name.
const USUAL: &str = "localhost:5000/";
/// Longest wait for the next line of a command.
const PATIENCE: Duration = Duration::from_secs(120);

/// A market whose registry has these images.
async fn world_with(options: MarketOptions, images: &[&str]) -> Option<World> {
    let world = world(options).await?;
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
        if path.is_file() {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace(USUAL, &format!("{}/", world.market.registry_host()));
            std::fs::write(to.join(path.file_name().unwrap()), text).unwrap();
        }
    }
    to
}

/// A command of the user's that runs while others do: what it prints, line by line. Ended when this is dropped.
struct Running {
    name: String,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    told: Vec<String>,
}

impl Running {
    fn start(user: &User<'_>, args: &[&str]) -> Self {
        let mut child = user.command(args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { name: args.join(" "), child, lines, told: Vec::new() }
    }

    /// Posts a job and follows it; its address comes along.
    async fn post(user: &User<'_>, args: &[&str]) -> (Self, String) {
        let mut post = Self::start(user, &[&["job", "post", "--watch", "--json"], args].concat());
        let posted: Value = serde_json::from_str(&post.until(|line| line.contains("\"job\":")).await).unwrap();
        (post, posted["job"].as_str().unwrap().to_owned())
    }

    async fn next(&mut self) -> Option<String> {
        let next = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = next.unwrap_or_else(|_| panic!("{}: nothing more after {:#?}", self.name, self.told)).unwrap()?;
        eprintln!("{line}");
        self.told.push(line.clone());
        Some(line)
    }

    /// Reads on until `found` says yes, and returns that line.
    async fn until(&mut self, found: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.next().await.unwrap_or_else(|| panic!("{} ended: {:#?}", self.name, self.told));
            if found(&line) {
                return line;
            }
        }
    }

    /// Reads to the end, and returns the exit code.
    async fn ended(&mut self) -> Option<i32> {
        while self.next().await.is_some() {}
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it hangs").unwrap().code()
    }
}

/// Where a port of the job is reached from here, and what is to be kept for as long as it shall be.
async fn reached(user: &User<'_>, job: &str, port: u16) -> (String, Running) {
    let mut forward = Running::start(user, &["job", "port-forward", job, &format!("0:{port}"), "--json"]);
    let told: Value = serde_json::from_str(&forward.until(|line| line.contains("\"local\":")).await).unwrap();
    (told["local"].as_str().unwrap().to_owned(), forward)
}

/// A client that takes a node's own certificate, as `curl -k` does.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true).timeout(PATIENCE).build().unwrap()
}

/// The one file of this name below a folder.
fn find(below: &Path, name: &str) -> Vec<u8> {
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|found| found == name) {
                return std::fs::read(path).unwrap();
            }
        }
    }
    panic!("there is no {name} below {}", below.display())
}

/// The same as text.
fn find_text(below: &Path, name: &str) -> String {
    String::from_utf8(find(below, name)).unwrap()
}
