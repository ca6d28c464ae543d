//! `cargo xtask demo`: the whole market on loopback, and one job through it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use comfy_table::{Cell, CellAlignment, Table, presets};
use futures_util::StreamExt as _;
use gridlease_cli::amount::Usdc;
use gridlease_cli::buyer::{Buyer, FollowOptions, PostOptions, Until};
use gridlease_cli::{chain::Chain, purse};
use gridlease_core::job::EndReason;
use gridlease_demo::account::Books;
use gridlease_demo::bare::{BareRun, bare_run};
use gridlease_demo::image::{build_and_push, docker, renderer};
use gridlease_demo::market::{Market, MarketOptions, USDC};
use gridlease_demo::registry::USUAL;
use gridlease_demo::walk::{Timings, Walk};
use gridlease_demo::wallet::write_key;
use gridlease_sdk::address;
use gridlease_sdk::instruction::purse::sweep_fees;
use serde::Serialize;
use solana_signer::Signer as _;

/// Starts a whole GPU market on this machine (Solana network, registry, keeper, two providers), posts one render job and
/// follows it to its last atom. Everything is real, listens on loopback only, and is gone at the end.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask demo",
    after_help = "Examples:
  cargo xtask demo                 watch the walk
  cargo xtask demo --json          the last table and the timings as JSON on standard output
  cargo xtask demo --keep          leave the market up and print how to use the CLI against it
  cargo xtask demo --bare --json   also run the same image without the market, for the overhead"
)]
struct Args {
    /// Print one JSON object on standard output; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// Leave the market up until Ctrl-C and print what to export to use the CLI against it
    #[arg(long)]
    keep: bool,
    /// Afterwards run the same image with a bare `docker run` and compare the times
    #[arg(long)]
    bare: bool,
    /// What the buyer deposits, in whole USDC
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=50))]
    deposit: u64,
    /// Where the rendered pictures go
    #[arg(long, default_value = "demo-output")]
    output: PathBuf,
    /// The manifest to post
    #[arg(long, default_value = "examples/render/job.yaml")]
    manifest: PathBuf,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    deposit_atoms: u64,
    paid_atoms: u64,
    fee_atoms: u64,
    refunded_atoms: u64,
    held_atoms: u64,
    exit_code: Option<i32>,
    reason: &'static str,
    output_sha256: Option<String>,
    output_files: usize,
    output_folder: PathBuf,
    winner: Option<String>,
    timings_ms: Timings,
    holdings: Vec<gridlease_demo::account::Holding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bare: Option<BareRun>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into()))
        .init();
    match run(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("interrupted; everything is stopped");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C or a termination.
async fn interrupted() {
    let mut terminated = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

/// The whole run; `false` where it was interrupted. However it ends, everything is stopped in order.
async fn run(args: &Args) -> Result<bool> {
    let say = |line: &str| eprintln!("   {line}");
    eprintln!("── starting the market (all on loopback)");
    let renderer = renderer()?;
    let engine = docker().await?;
    let options = MarketOptions { registry_port: Some(USUAL), ..MarketOptions::default() };
    let mut market = tokio::select! {
        market = Market::start(options, &say) => market?,
        () = interrupted() => return Ok(false),
    };
    let mut outcome = tokio::select! {
        walked = walk(args, &mut market, &engine, &renderer) => walked.map(|()| true),
        () = interrupted() => Ok(false),
    };
    match &outcome {
        Ok(true) if args.keep => outcome = keep(&market).await.map(|()| true),
        Ok(_) => {}
        Err(_) => eprintln!("── the end of the logs\n{}", market.logs()),
    }
    eprintln!("── stopping");
    market.stop().await;
    outcome
}

async fn walk(args: &Args, market: &mut Market, engine: &bollard::Docker, renderer: &Path) -> Result<()> {
    let image = build_and_push(engine, renderer, "render", market.registry_host()).await?;
    // The nodes pull it from the registry, as a stranger's machine would.
    image.forget(engine).await;
    eprintln!("   image {} pushed", image.reference);
    let chain = Chain::new(market.client.clone());
    let deposit = Usdc(args.deposit * USDC);
    purse::open(&chain, &market.buyer).await?;
    purse::deposit(&chain, &market.buyer, deposit).await?;
    eprintln!("── buyer {} deposits {deposit} USDC", market.buyer.pubkey());

    let manifest = place_manifest(&args.manifest, market)?;
    let buyer = Buyer::new(market.client.clone(), market.buyer.clone(), &market.dir().join("buyer"));
    let prepared = buyer.prepare(&manifest).await?;
    eprintln!("── posting {}: {}", args.manifest.display(), prepared.quote.image);
    let names = market.providers.iter().map(|one| (one.record, one.options.name.clone())).collect::<HashMap<_, _>>();
    let mut walk = Walk::new(names.clone(), &prepared.quote.image, args.json);
    let posted = buyer.post(&prepared, &PostOptions::default()).await?;
    eprintln!("   job {}: {} USDC reserved", posted.job, posted.reserved);
    let options =
        FollowOptions { outputs: Some(args.output.clone()), until: Until::Closed, ..FollowOptions::default() };
    let mut events = buyer.follow(posted.job, options);
    loop {
        match tokio::time::timeout(Duration::from_secs(180), events.next()).await {
            Ok(Some(event)) => walk.on(&event?),
            Ok(None) => break,
            Err(_) => bail!("nothing happened for three minutes"),
        }
        market.check()?;
    }
    walk.done();
    let purse_key = address::purse(&market.buyer.pubkey());
    market.send(&[sweep_fees(&purse_key, &market.treasury, &market.insurance)], &market.admin, &[]).await?;
    let books = Books::read(market).await?;
    books.check().context("the books do not balance")?;
    let bare = if args.bare { Some(bare_run(engine, &prepared, market, &walk).await?) } else { None };
    let report = Report {
        deposit_atoms: books.deposit_atoms,
        paid_atoms: books.paid_atoms,
        fee_atoms: books.fee_atoms,
        refunded_atoms: books.refunded_atoms,
        held_atoms: books.held_atoms,
        exit_code: walk.exit_code,
        reason: walk.reason.unwrap_or(EndReason::None).name(),
        output_sha256: walk.output_root.map(hex::encode),
        output_files: walk.files,
        output_folder: args.output.clone(),
        winner: walk.winner.map(|key| names.get(&key).cloned().unwrap_or_else(|| key.to_string())),
        timings_ms: walk.timings(),
        holdings: books.holdings.clone(),
        bare,
    };
    print(args, &report, &books)?;
    if walk.exit_code != Some(0) {
        bail!("the job did not end with exit code 0 ({})", report.reason);
    }
    Ok(())
}

/// The manifest itself where the registry has the port that it names, else a copy that names the right one.
fn place_manifest(manifest: &Path, market: &Market) -> Result<PathBuf> {
    let host = market.registry_host();
    if host == "localhost:5000" {
        return Ok(manifest.to_owned());
    }
    let folder = manifest.parent().context("the manifest has no folder")?;
    let copy = market.dir().join("job");
    std::fs::create_dir_all(&copy).context("cannot create a folder for the job")?;
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry.context("cannot read a folder")?;
        if entry.path().is_file() {
            std::fs::copy(entry.path(), copy.join(entry.file_name())).context("cannot copy the job's files")?;
        }
    }
    let name = manifest.file_name().context("the manifest has no name")?;
    let path = copy.join(name);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    std::fs::write(&path, text.replace("localhost:5000", host)).context("cannot write the job's manifest")?;
    Ok(path)
}

fn print(args: &Args, report: &Report, books: &Books) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let mut money = Table::new();
    money.load_preset(presets::UTF8_BORDERS_ONLY).set_header(vec!["the deposit", "USDC"]);
    let mut row = |what: &str, atoms: u64| {
        money.add_row(vec![Cell::new(what), Cell::new(Usdc(atoms)).set_alignment(CellAlignment::Right)]);
    };
    row("deposit", report.deposit_atoms);
    row("= paid to the provider", report.paid_atoms);
    row("+ fee", report.fee_atoms);
    row("+ refunded (free in the purse)", report.refunded_atoms);
    if report.held_atoms > 0 {
        row("+ still held", report.held_atoms);
    }
    let mut holders = Table::new();
    holders.load_preset(presets::UTF8_BORDERS_ONLY).set_header(vec!["who holds what", "USDC"]);
    for holding in &books.holdings {
        holders.add_row(vec![
            Cell::new(&holding.holder),
            Cell::new(Usdc(holding.atoms)).set_alignment(CellAlignment::Right),
        ]);
    }
    holders.add_row(vec![
        Cell::new("= ever minted"),
        Cell::new(Usdc(books.supply_atoms)).set_alignment(CellAlignment::Right),
    ]);
    let times = &report.timings_ms;
    let mut timings = Table::new();
    timings.load_preset(presets::UTF8_BORDERS_ONLY).set_header(vec!["time", "ms"]);
    for (what, ms) in [
        ("post → award (window of 6 s included)", times.post_to_award),
        ("award → ready", times.award_to_ready),
        ("ready → first log line", times.ready_to_first_log),
        ("finish → settled", times.finish_to_settled),
        ("all", times.total),
    ] {
        let ms = ms.map_or_else(|| "–".to_owned(), |ms| ms.to_string());
        timings.add_row(vec![Cell::new(what), Cell::new(ms).set_alignment(CellAlignment::Right)]);
    }
    println!("\n{money}\n\n{holders}\n\n{timings}");
    if let Some(bare) = &report.bare {
        println!(
            "\ncontainer under the node {} ms, bare docker run {} ms, ratio {:.3}",
            bare.node_ms, bare.bare_ms, bare.ratio
        );
    }
    println!("\npictures in {}", report.output_folder.display());
    Ok(())
}

/// Leaves the market up and says how to use it.
async fn keep(market: &Market) -> Result<()> {
    let key = market.dir().join("buyer.json");
    write_key(&key, &market.buyer)?;
    println!("\nThe market stays up until Ctrl-C. In another terminal:\n");
    println!("  export GRIDLEASE_URL={}", market.localnet.rpc_url());
    println!("  export GRIDLEASE_WS={}", market.localnet.ws_url());
    println!("  export GRIDLEASE_KEYPAIR={}", key.display());
    println!(
        "  export PATH=$PATH:{}",
        gridlease_demo::process::gridlease_binary()?.parent().unwrap_or(Path::new(".")).display()
    );
    println!("  gridlease purse show; gridlease offer list; gridlease job list");
    interrupted().await;
    Ok(())
}
