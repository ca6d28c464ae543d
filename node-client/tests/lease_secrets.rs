//! A lease's secrets on the real engine: from the sealed message to the container, and nowhere else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::driver::{ContainerId, Exec, ExecSpec, ExecState, Reach as _};
use gridlease_node::lease::reconcile::{Action, Note};
use gridlease_node::secrets::NotTaken;
use gridlease_node::store::{Blame, Phase};
use gridlease_sdk::node_api::secrets::Secrets;
use serde_json::json;
use solana_signer::Signer as _;
use support::played::Node;
use support::{Bench, with_bench, with_bench_of};
use zeroize::Zeroizing;

const MARKER: &str = "hf-5f1c-never-to-be-seen";

fn secrets(names: &[&str]) -> Secrets {
    names.iter().map(|name| ((*name).to_owned(), Zeroizing::new(MARKER.as_bytes().to_vec()))).collect()
}

async fn job(bench: &Bench, entry: &str, secrets: &str) -> Node {
    let yaml = format!("{entry}\nresources: {{ cpu: 1, memory: 64MiB, disk: 32MiB }}\nsecrets: {secrets}\n");
    Node::with_manifest(bench, &bench.state, DiskKeeper::detect(&bench.state), &yaml).await
}

/// As a buyer's client does it.
fn bring(node: &Node, names: &[&str]) -> Result<(), NotTaken> {
    let key = node.board.lease_key(&node.lease)?;
    let sealed = key.seal(&node.lease, &node.key.pubkey(), &secrets(names)).unwrap();
    node.board.take_secrets(&node.lease, &sealed)
}

/// Where below `dir` the marker stands.
fn found_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if std::fs::read(&path).is_ok_and(|bytes| bytes.windows(MARKER.len()).any(|w| w == MARKER.as_bytes())) {
            found.push(path);
        }
    }
    found
}

fn shown(program: &str, args: &[&str]) -> String {
    String::from_utf8_lossy(&Command::new(program).args(args).output().unwrap().stdout).into_owned()
}

#[tokio::test]
async fn threat_20_a_secret_reaches_the_job_as_file_and_variable_and_stands_nowhere_else() {
    with_bench(|bench| async {
        let script = "[ \"$HF_TOKEN\" = \"$(cat /run/secrets/HF_TOKEN)\" ] && echo the same; echo ${#HF_TOKEN}; \
                      echo plain=$PLAIN; ls /run/secrets; stat -c %u:%a /run/secrets/PLAIN; id -u; \
                      touch /run/secrets/x 2>/dev/null || echo closed; sleep 2";
        let entry = format!("command: [\"/bin/sh\", \"-c\", {script:?}]");
        let wanted = "{ HF_TOKEN: { from: env, as: env }, PLAIN: { from: env } }";
        let mut node = job(&bench, &entry, wanted).await;
        node.until(|action| matches!(action, Action::AwaitBuyer { .. })).await;
        let status = node.board.status(&node.lease).unwrap();
        assert_eq!((status.phase.as_str(), status.missing_secrets.len()), ("awaiting_secrets", 2));
        assert!(matches!(bring(&node, &["HF_TOKEN"]), Err(NotTaken::Names { .. })));
        bring(&node, &["HF_TOKEN", "PLAIN"]).unwrap();
        bring(&node, &["HF_TOKEN", "PLAIN"]).unwrap();
        let memory = bench.state.lease(&node.lease).secrets().to_owned();
        assert_eq!(found_below(&memory).len(), 2);

        node.until(|action| matches!(action, Action::Watch { .. })).await;
        assert!(bring(&node, &["HF_TOKEN", "PLAIN"]).is_err(), "a lease that runs takes none");
        tokio::time::sleep(Duration::from_millis(700)).await;
        let id = node.record().container.unwrap().0;
        for text in [shown("docker", &["inspect", &id]), shown("docker", &["top", &id]), shown("ps", &["axww"])] {
            assert!(text.len() > 50 && !text.contains(MARKER), "{text}");
        }
        // A program that its buyer runs in it sees them as the job's own does.
        let command = ["/bin/sh", "-c", "echo ${#HF_TOKEN}; exit 7"].map(str::to_owned).to_vec();
        let spec = ExecSpec { command, tty: false, stdin: false };
        let Exec { output, control, .. } = bench.driver.exec(&ContainerId(id.clone()), &spec).await.unwrap();
        let pieces: Vec<_> = output.map(|piece| piece.unwrap().1).collect().await;
        assert_eq!(String::from_utf8(pieces.concat()).unwrap(), format!("{}\n", MARKER.len()));
        while control.state().await.unwrap() == ExecState::Running {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(control.state().await.unwrap(), ExecState::Exited(7));
        assert_eq!(found_below(bench.state.root()), [""; 0].map(std::path::PathBuf::from));
        node.finish().await;
        let log = node.log();
        let length = format!("\"{}\"", MARKER.len());
        for line in ["\"the same\"", &length, "\"plain=\"", "\"HF_TOKEN\"", "\"closed\""] {
            assert!(log.contains(line), "{line} is missing in {log}");
        }
        assert!(!log.contains(MARKER) && found_below(bench.state.root()).is_empty());
        assert!(!memory.exists(), "gone with the container");
        std::fs::remove_dir(bench.state.secrets()).unwrap();
        bench
    })
    .await;
}

#[tokio::test]
async fn the_image_s_own_program_and_arguments_run_with_the_secrets_and_a_missing_program_is_named() {
    let config = json!({ "Env": ["PATH=/bin"], "Entrypoint": ["sh", "-c"], "Cmd": ["echo ${#TOKEN} of the image"] });
    with_bench_of(config, |bench| async {
        let length = MARKER.len();
        for (entry, code, told) in [
            ("", 0, format!("{length} of the image")),
            ("args: [\"echo ${#TOKEN} of the job\"]", 0, format!("{length} of the job")),
            ("command: [\"pyhton\"]", 127, "gridlease: no such program in the image: pyhton".to_owned()),
            ("command: [\"/run/secrets\"]", 126, "gridlease: /run/secrets cannot be run".to_owned()),
        ] {
            let mut node = job(&bench, entry, "{ TOKEN: { from: env, as: env } }").await;
            node.until(|action| matches!(action, Action::AwaitBuyer { .. })).await;
            bring(&node, &["TOKEN"]).unwrap();
            let record = node.finish().await;
            assert_eq!(record.ended.unwrap().code, code, "{entry}: {}", node.log());
            assert!(node.log().contains(&told), "{entry}: {}", node.log());
        }
        std::fs::remove_dir(bench.state.secrets()).unwrap();
        bench
    })
    .await;
}

#[tokio::test]
async fn secrets_that_never_come_are_the_buyer_s_doing_and_no_start() {
    with_bench(|bench| async {
        let mut node = job(&bench, "command: [\"/bin/true\"]", "{ TOKEN: { from: env } }").await;
        node.chain.want_deadline = node.chain.seen_at + 11;
        node.until(|action| matches!(action, Action::Record(Note::Failed(..)))).await;
        let record = node.record();
        let Phase::Failed { reason } = &record.phase else { panic!("{record:?}") };
        assert!(reason.contains("the secrets were not pushed"), "{reason}");
        assert_eq!(record.blame, Blame::Buyer);
        node.turn().await; // the board shows it
        assert!(bring(&node, &["TOKEN"]).is_err());
        bench
    })
    .await;
}
