//! Where a container may write, and who it is, on the real engine: home, caches, scratch folders, volumes, the image's user.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use gridlease_node::disk::DiskKeeper;
use gridlease_node::lease::reconcile::Action;
use gridlease_node::store::{Blame, Phase};
use serde_json::json;
use support::played::Node;
use support::{with_bench, with_bench_from};

/// What the log's lines say.
fn lines(node: &Node) -> Vec<String> {
    let text = node.log();
    let line =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["line"].as_str().map(str::to_owned);
    text.lines().filter_map(line).collect()
}

fn says(lines: &[String], line: &str) {
    assert!(lines.iter().any(|said| said == line), "{line:?} is missing in {lines:#?}");
}

#[tokio::test]
async fn report15_a_job_has_a_home_on_disk_with_its_caches_and_a_name_of_its_own() {
    with_bench(|bench| async {
        let state = bench.state.clone();
        let script = "env | grep -E '^(HOME|XDG_CACHE_HOME|HF_HOME|TORCHINDUCTOR_CACHE_DIR|TRITON_CACHE_DIR|NUMBA_CACHE_DIR)='; \
                      mkdir -p $HF_HOME $NUMBA_CACHE_DIR && echo x > $HF_HOME/model && echo cached; \
                      dd if=/dev/zero of=$HOME/big bs=1M count=90 2>/dev/null && echo more than its memory; \
                      busybox rm $HOME/big; grep -E \":$(id -u):\" /etc/passwd; busybox whoami; \
                      touch /etc/x 2>/dev/null || echo the rest is closed";
        let yaml = format!(
            "command: [\"/bin/sh\", \"-c\", {script:?}]\nresources: {{ cpu: 1, memory: 64MiB, disk: 128MiB }}\n"
        );
        let mut node = Node::with_manifest(&bench, &state, DiskKeeper::detect(&state), &yaml).await;
        let record = node.finish().await;
        assert_eq!(record.ended.as_ref().unwrap().code, 0, "{}", node.log());
        let lines = lines(&node);
        for line in [
            "HOME=/home/gridlease",
            "XDG_CACHE_HOME=/home/gridlease/.cache",
            "HF_HOME=/home/gridlease/.cache/huggingface",
            "TORCHINDUCTOR_CACHE_DIR=/home/gridlease/.cache/torchinductor",
            "TRITON_CACHE_DIR=/home/gridlease/.cache/triton",
            "NUMBA_CACHE_DIR=/home/gridlease/.cache/numba",
            "cached",
            "more than its memory",
            "job",
            "the rest is closed",
        ] {
            says(&lines, line);
        }
        assert!(lines.iter().any(|line| line.starts_with("job:x:")), "{lines:#?}");
        let dir = state.lease(&node.lease);
        DiskKeeper::detect(&state).attach(&dir).unwrap();
        assert!(!dir.scratch().exists(), "nobody keeps a home");
        bench
    })
    .await;
}

#[tokio::test]
async fn report15_a_scratch_folder_begins_with_what_the_image_has_there_and_belongs_to_the_job() {
    let files = [("root/.cache/model/weights", "baked in"), ("app/main.py", "print(1)"), ("app/conf/a", "a")];
    with_bench_from(json!({ "Env": ["PATH=/bin"] }), &files, |bench| async {
        let state = bench.state.clone();
        let script = "cat /root/.cache/model/weights; echo; cat /app/conf/a; echo; echo changed > /app/conf/a; cat /app/conf/a; \
                      touch /app/new /root/.cache/new /new/x && echo writable; echo y > /app/out/deep/result; touch /app/out/x && echo the place of an output is open, too; \
                      stat -c %u /app/main.py; id -u";
        let yaml = format!(
            "command: [\"/bin/sh\", \"-c\", {script:?}]\nresources: {{ cpu: 1, memory: 64MiB, disk: 64MiB }}\n\
             scratch: [ {{ path: /root/.cache }}, {{ path: /app }}, {{ path: /new }} ]\noutputs: [ {{ path: /app/out/deep }} ]\n"
        );
        let mut node = Node::with_manifest(&bench, &state, DiskKeeper::detect(&state), &yaml).await;
        node.finish().await;
        let lines = lines(&node);
        for line in ["baked in", "a", "changed", "writable"] {
            says(&lines, line);
        }
        assert_eq!(node.collected().listing.files[0].path, "result");
        let last: Vec<_> = lines.iter().rev().take(2).collect();
        assert_eq!(last[0], last[1], "what was the image's is the job's: {lines:#?}");
        says(&lines, "the place of an output is open, too");
        bench
    })
    .await;
}

#[tokio::test]
async fn report15_an_image_s_user_volumes_and_home_are_its_own() {
    let config = json!({
        "Env": ["PATH=/bin", "HF_HOME=/models"], "User": "postgres", "WorkingDir": "/work",
        "Volumes": { "/var/lib/postgresql/data": {}, "/models": {} },
    });
    let passwd = "root:x:0:0:root:/root:/bin/sh\npostgres:x:70:71::/var/lib/postgresql:/bin/sh\n";
    let files = [("etc/passwd", passwd), ("models/llama", "weights"), ("var/lib/postgresql/.profile", "profile")];
    with_bench_from(config, &files, |bench| async {
        let state = bench.state.clone();
        let script = "id -u; id -g; busybox whoami; busybox pwd; echo home=$HOME hf=$HF_HOME; cat /models/llama; echo; \
                      cat ~/.profile; echo; touch /models/x ~/x ~/data/x /out/x && echo writable; \
                      dd if=/dev/zero of=/models/big bs=1M count=80 2>/dev/null && echo not memory; \
                      dd if=/dev/zero of=/models/big bs=1M count=400 2>/dev/null || echo bounded";
        let yaml = format!(
            "command: [\"/bin/sh\", \"-c\", {script:?}]\nresources: {{ cpu: 1, memory: 64MiB, disk: 160MiB }}\n"
        );
        let mut node = Node::with_manifest(&bench, &state, DiskKeeper::detect(&state), &yaml).await;
        node.finish().await;
        let lines = lines(&node);
        let root = nix::unistd::geteuid().is_root();
        for line in
            ["home=/var/lib/postgresql hf=/models", "/work", "weights", "profile", "writable", "not memory", "bounded"]
        {
            says(&lines, line);
        }
        if root {
            for line in ["70", "71", "postgres"] {
                says(&lines, line);
            }
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn report02_a_folder_over_a_file_of_the_image_and_content_that_does_not_fit_are_told_before_anything_runs() {
    let big = "x".repeat(9 << 20);
    let files = [("app/main.py", "print(1)"), ("big/one", big.as_str()), ("big/two", big.as_str())];
    with_bench_from(json!({ "Env": ["PATH=/bin"] }), &files, |bench| async {
        for (scratch, told) in
            [("/app/main.py", "/app/main.py is a file in it"), ("/big", "what it has at /big does not fit into the job's disk")]
        {
            let state = bench.state.clone();
            let yaml = format!(
                "command: [\"/bin/true\"]\nresources: {{ cpu: 1, memory: 64MiB, disk: 16MiB }}\nscratch: [ {{ path: {scratch} }} ]\n"
            );
            let mut node = Node::with_manifest(&bench, &state, DiskKeeper::detect(&state), &yaml).await;
            node.until(|action| *action == Action::PostFailed).await;
            let record = node.record();
            let Phase::Failed { reason } = &record.phase else { panic!("{record:?}") };
            assert!(reason.contains(told), "{reason}");
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn a_home_that_holds_too_much_is_left_to_the_image_and_the_job_has_another() {
    let big = "x".repeat(20 << 20);
    let files = [("srv/app/baked", big.as_str())];
    let config = json!({ "Env": ["PATH=/bin", "HOME=/srv/app"] });
    with_bench_from(config, &files, |bench| async {
        let state = bench.state.clone();
        let yaml = "command: [\"/bin/sh\", \"-c\", \"echo home=$HOME; touch ~/x && echo writable\"]\n\
                    resources: { cpu: 1, memory: 64MiB, disk: 16MiB }\n";
        let mut node = Node::with_manifest(&bench, &state, DiskKeeper::detect(&state), yaml).await;
        node.finish().await;
        let lines = lines(&node);
        says(&lines, "home=/home/gridlease");
        says(&lines, "writable");
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_06_shared_memory_is_as_large_as_the_manifest_says() {
    with_bench(|bench| async {
        let state = bench.state.clone();
        let yaml = "command: [\"/bin/sh\", \"-c\", \"df -k /dev/shm | tail -n 1\"]\n\
                    resources: { cpu: 1, memory: 64MiB, disk: 32MiB, shm: 24MiB }\n";
        let mut node = Node::with_manifest(&bench, &state, DiskKeeper::detect(&state), yaml).await;
        node.finish().await;
        assert!(lines(&node)[0].contains(" 24576 "), "{}", node.log());
        bench
    })
    .await;
}

#[tokio::test]
async fn a_home_that_the_job_names_and_that_does_not_fit_is_told_and_one_where_the_image_has_a_file_ends_the_start() {
    let big = "x".repeat(20 << 20);
    let files = [("opt/app/model", big.as_str()), ("home/gridlease", "a file")];
    with_bench_from(json!({ "Env": ["PATH=/bin"] }), &files, |bench| async {
        let job = |env: &str| {
            format!(
                "command: [\"/bin/sh\", \"-c\", \"touch ~/x && echo home=$HOME\"]\n\
                 resources: {{ cpu: 1, memory: 64MiB, disk: 16MiB }}\n{env}"
            )
        };
        let disk = || DiskKeeper::detect(&bench.state);
        let mut node = Node::with_manifest(&bench, &bench.state, disk(), &job("env: { HOME: /opt/app }\n")).await;
        node.until(|action| *action == Action::PostFailed).await;
        let Phase::Failed { reason } = node.record().phase else { panic!("{:?}", node.record()) };
        assert!(reason.contains("what it has at /opt/app does not fit"), "{reason}");

        drop(node);

        // No engine mounts a folder over a file; that ends it at once, as the image's doing.
        let mut node = Node::with_manifest(&bench, &bench.state, disk(), &job("")).await;
        node.until(|action| *action == Action::PostFailed).await;
        assert_eq!(node.record().blame, Blame::Engine { exit_code: 125 }, "{:?}", node.record());
        bench
    })
    .await;
}

#[tokio::test]
async fn volumes_within_each_other_together_take_no_more_than_the_job_s_disk() {
    let big = "x".repeat(6 << 20);
    let files = [("v/a/b/c/data", big.as_str())];
    let config = json!({ "Env": ["PATH=/bin"], "Volumes": { "/v": {}, "/v/a": {}, "/v/a/b": {}, "/v/a/b/c": {} } });
    with_bench_from(config, &files, |bench| async {
        let yaml = "command: [\"/bin/true\"]\nresources: { cpu: 1, memory: 64MiB, disk: 16MiB }\n";
        let mut node = Node::with_manifest(&bench, &bench.state, DiskKeeper::measuring(), yaml).await;
        node.until(|action| *action == Action::PostFailed).await;
        let Phase::Failed { reason } = node.record().phase else { panic!("{:?}", node.record()) };
        assert!(reason.contains("does not fit into the job's disk"), "{reason}");
        bench
    })
    .await;
}
