//! `gridlease job`

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use gridlease_sdk::image::ImageReference;
use gridlease_sdk::manifest::{Manifest, Public};
use solana_pubkey::Pubkey;

use super::logs::LogView;
use super::watch::watch;
use super::{Context, address, attach, events, logs, reach, report, stats};
use crate::amount::Usdc;
use crate::buyer::forward::PortPair;
use crate::buyer::{Buyer, EnvVar, FollowOptions, PostOptions};
use crate::chain::Chain;
use crate::error::CliError;
use crate::output::Report as _;
use crate::steps;

/// Which job: an address, or the one posted last from this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Job(Pubkey),
    /// The one posted last from this machine.
    Last,
}

fn which(text: &str) -> Result<Which, String> {
    if text == "last" {
        return Ok(Which::Last);
    }
    address(text).map(Which::Job).map_err(|error| format!("{error}, or the word last"))
}

/// Jobs.
#[derive(Debug, Subcommand)]
pub enum Job {
    /// Write a commented manifest to begin with. It can be posted as it is.
    #[command(
        after_help = "Examples:\n  gridlease job init\n  gridlease job init render.yaml --image ghcr.io/me/render:1.2"
    )]
    Init {
        /// The file to write; it must not exist.
        #[arg(default_value = "job.yaml", value_name = "FILE")]
        file: PathBuf,
        /// The image to run, with its own command [default: a small one that says hello].
        #[arg(short, long, value_name = "IMAGE")]
        image: Option<ImageReference>,
    },
    /// Post a job: check the manifest, pin image and inputs, reserve the most that it can cost, open the bidding.
    #[command(
        after_help = "Examples:\n  gridlease job post job.yaml --watch --output out\n  gridlease job post job.yaml --yes --json\n  \
            for frame in 1 2 3; do gridlease job post job.yaml --yes --env FRAME=$frame; done"
    )]
    Post {
        /// The manifest.
        #[arg(value_name = "MANIFEST")]
        manifest: PathBuf,
        /// Skip the confirmation prompt.
        #[arg(short, long)]
        yes: bool,
        /// Check everything and show what it would cost, but post nothing.
        #[arg(long, conflicts_with_all = ["watch", "again"])]
        dry_run: bool,
        /// Follow the job to its end, and end with the container's exit code.
        #[arg(short, long)]
        watch: bool,
        /// With --watch: fetch the outputs into this folder and verify them.
        #[arg(short, long, value_name = "DIR", requires = "watch")]
        output: Option<PathBuf>,
        /// With --watch: end with 0 whatever exit code the container returned. An end without completion is a failure still.
        #[arg(long, requires = "watch")]
        ignore_exit_code: bool,
        /// Set a variable of the job's program, in place of the manifest's; may be given several times. For jobs that differ in
        /// little, such as the frames of an animation. Not for secrets: it is part of what is posted.
        #[arg(short, long, value_name = "NAME=VALUE")]
        env: Vec<EnvVar>,
        /// Post again even if an earlier, interrupted post of this manifest may have landed.
        #[arg(long)]
        again: bool,
    },
    /// List the keypair's jobs that are on chain.
    #[command(after_help = "Examples:\n  gridlease job list\n  gridlease job list --all")]
    List {
        /// Include closed jobs that this machine remembers.
        #[arg(short, long)]
        all: bool,
    },
    /// Show a job with its bids and its lease.
    #[command(after_help = "Examples:\n  gridlease job show 3Jk…\n  gridlease job show last --json")]
    Show {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Follow a job live: bids, award, start, money, log, end. Pushes manifest and inputs to the winner. Ends with the
    /// container's exit code.
    #[command(after_help = "Examples:\n  gridlease job watch last\n  gridlease job watch 3Jk… --output out --json")]
    Watch {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// Fetch the outputs into this folder and verify them.
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Do not show the container's log.
        #[arg(long)]
        no_logs: bool,
        /// End with 0 whatever exit code the container returned. An end without completion is a failure still.
        #[arg(long)]
        ignore_exit_code: bool,
    },
    /// Print the container's log, its hash chain verified.
    #[command(
        after_help = "Examples:\n  gridlease job logs last\n  gridlease job logs 3Jk… --follow --tail 20\n  gridlease job logs last --since 10m --timestamps\n  gridlease job logs last --service db\n  gridlease job logs last --verify"
    )]
    Logs {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// Keep following until the container ends.
        #[arg(short, long)]
        follow: bool,
        /// Start at this line, counted from 0.
        #[arg(long, default_value_t = 0, value_name = "LINE", conflicts_with = "tail")]
        from: u64,
        /// Start so many lines before the end.
        #[arg(short = 'n', long, value_name = "LINES")]
        tail: Option<u64>,
        /// Show only what was written within this time, such as 90s or 2h.
        #[arg(long, value_name = "TIME")]
        since: Option<humantime::Duration>,
        /// Show when each line was written.
        #[arg(short = 't', long)]
        timestamps: bool,
        /// Show the log of this service of the job instead of the job's own.
        #[arg(long, value_name = "NAME", conflicts_with = "tail")]
        service: Option<String>,
        /// Also ask the node to sign for its log, and check that this is the log that was shown; with --follow every 10 seconds. In
        /// JSON the last line has the signature: proof of what the node showed.
        #[arg(long, conflicts_with_all = ["from", "tail", "service"])]
        verify: bool,
    },
    /// Show what a running job uses: processor, memory, disk, network, processes, GPUs; measured every 5 seconds, and kept by the
    /// node for 7 days, by the minute where older than an hour.
    #[command(
        after_help = "Examples:\n  gridlease job stats last\n  gridlease job stats last --follow\n  gridlease job stats 3Jk… --since 10m --json"
    )]
    Stats {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// A line for each measurement to come, until the container ends.
        #[arg(short, long)]
        follow: bool,
        /// A line for each measurement within this time, such as 10m or 2h.
        #[arg(long, value_name = "TIME")]
        since: Option<humantime::Duration>,
    },
    /// Show what happened to a job's lease on its node: won, inputs, image, start, ready, pauses, what the node had to say, why and
    /// how it ended. Kept by the node for 7 days after the end.
    #[command(
        after_help = "Examples:\n  gridlease job events last\n  gridlease job events last --follow\n  gridlease job events 3Jk… --json"
    )]
    Events {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// Keep following until nothing is left to do for the lease.
        #[arg(short, long)]
        follow: bool,
        /// Start at this event, counted from 0.
        #[arg(long, default_value_t = 0, value_name = "EVENT")]
        from: u64,
    },
    /// Fetch a job's outputs and verify them against the hash on chain.
    #[command(after_help = "Examples:\n  gridlease job get last\n  gridlease job get 3Jk… --output frames")]
    Get {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// The folder, which must not exist, be empty, or hold these very outputs [default: outputs-JOB].
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
        /// Also name the folder as `ipfs add -r --cid-version 1` does.
        #[arg(long)]
        cid: bool,
    },
    /// List a job's outputs by path, with what was left out of them; the list is verified against the hash on chain where one stands there.
    #[command(after_help = "Examples:\n  gridlease job outputs last\n  gridlease job outputs 3Jk… --json")]
    Outputs {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Fetch one of a job's outputs and verify it against the hash on chain. Run again after a transfer that broke off, it goes on.
    #[command(
        after_help = "Examples:\n  gridlease job fetch last frames/0001.png\n  gridlease job fetch 3Jk… model.bin --output best.bin\n  \
            gridlease job fetch last train.log --range 0-4095 --output head.log"
    )]
    Fetch {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// Its path, as `gridlease job outputs` lists it.
        #[arg(value_name = "PATH")]
        path: String,
        /// The file to make of it, or a folder to put it in; nothing is overwritten.
        #[arg(short, long, value_name = "FILE", default_value = ".")]
        output: PathBuf,
        /// Only these bytes, counted from 0. A part cannot be verified.
        #[arg(long, value_name = "FIRST-LAST", value_parser = super::outputs::range)]
        range: Option<std::ops::RangeInclusive<u64>>,
    },
    /// Reach ports of a running job from this machine: listens here, and carries every connection to the container. Only ports
    /// that the manifest names are reached. Runs until the job's container ends, or Ctrl-C.
    #[command(
        name = "port-forward",
        after_help = "Examples:\n  gridlease job port-forward last 8888\n  gridlease job port-forward 3Jk… 0:8080 5433:5432\n\n\
            Ends with exit code 6 when the container has ended."
    )]
    PortForward {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// Which ports: here and in the container; one number for both; 0 here for any that is free.
        #[arg(value_name = "[LOCAL:]REMOTE", required = true)]
        ports: Vec<PortPair>,
        /// Where to listen. Whoever reaches this address reaches the job.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
        address: IpAddr,
        /// How long a job that does not run yet is waited for.
        #[arg(long, value_name = "TIME", default_value = "15m")]
        wait: humantime::Duration,
    },
    /// Give ports of a job's container a public address at the node, for everybody or for who has the token, or close them again.
    /// With none of the three flags nothing is changed: the port is shown, or without one all of them. It can be done as soon as the node has the manifest, and until the lease ends.
    #[command(
        after_help = "Examples:\n  gridlease job expose last\n  gridlease job expose last web\n  gridlease job expose last web --token\n  \
            gridlease job expose 3Jk… 8080 --open --json\n  gridlease job expose last web --off\n\n\
            A program brings the token as `Authorization: Bearer TOKEN`, or as `X-Gridlease-Token: TOKEN` where the job wants an \
            authorization of its own; a browser by the link, once. Whatever is changed ends the visits of before."
    )]
    Expose {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// The port's name in the manifest, or its number in the container.
        #[arg(value_name = "PORT")]
        port: Option<String>,
        /// For who has the token, of which a new one is made and shown once; one of before opens nothing any more.
        #[arg(long, requires = "port", conflicts_with_all = ["open", "off"])]
        token: bool,
        /// For everybody.
        #[arg(long, requires = "port", conflicts_with = "off")]
        open: bool,
        /// For nobody.
        #[arg(long, requires = "port")]
        off: bool,
    },
    /// Run a program in a running job's container, as its user, and end with its exit code. No shell is added.
    #[command(
        after_help = "Examples:\n  gridlease job exec last -- nvidia-smi\n  gridlease job exec last -t -- sh\n  \
            gridlease job exec last -i -- sh -c 'cat > /out/notes' < notes\n\n\
            Exit codes: the program's own, 128 + N after signal N; 126 where it may not be executed or is not there, 127 where \
            there is none of that name; 6 when the container has ended. When the connection breaks, the node ends the program."
    )]
    Exec {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// Hand standard input on.
        #[arg(short, long)]
        interactive: bool,
        /// With a terminal: this one, to which Ctrl-C belongs until the program ends. Includes --interactive.
        #[arg(short, long)]
        tty: bool,
        /// How long a job that does not run yet is waited for.
        #[arg(long, value_name = "TIME", default_value = "15m")]
        wait: humantime::Duration,
        /// The program and its arguments, after --.
        #[arg(value_name = "COMMAND", last = true, required = true)]
        command: Vec<String>,
    },
    /// Attach to a running job's own program: see what it writes from now on, and type what it reads where its manifest says `stdin: true`,
    /// at a terminal with `tty: true`. A connection that breaks is made again; its log has everything all the same.
    #[command(
        after_help = "Examples:\n  gridlease job attach last\n  echo '{\"frames\": 24}' | gridlease job attach last\n\n\
            At a terminal Ctrl-P Ctrl-Q detaches, and Ctrl-C is the program's; else Ctrl-C detaches. The job goes on then. Ends with the \
            program's exit code."
    )]
    Attach {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// Only show what it writes.
        #[arg(long)]
        no_stdin: bool,
        /// How long a job that does not run yet is waited for.
        #[arg(long, value_name = "TIME", default_value = "15m")]
        wait: humantime::Duration,
    },
    /// Hand manifest and inputs to the winner again.
    #[command(after_help = "Example:\n  gridlease job push last")]
    Push {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Stop a running job; what is not used comes back.
    #[command(after_help = "Example:\n  gridlease job stop last")]
    Stop {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Accept what the node finished. `gridlease job watch` does this as soon as log and outputs are verified.
    #[command(after_help = "Example:\n  gridlease job accept last")]
    Accept {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Reopen a job whose result is not what was asked for; another provider takes over.
    #[command(after_help = "Example:\n  gridlease job reopen last")]
    Reopen {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// End a job that waited for a bid for long enough. Anyone can do this.
    #[command(after_help = "Example:\n  gridlease job expire last")]
    Expire {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Add to what is reserved for a running job, out of the purse.
    #[command(after_help = "Example:\n  gridlease job top-up last 0.50")]
    TopUp {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// How much, in USDC.
        #[arg(value_name = "USDC")]
        amount: Usdc,
    },
    /// Cancel a job before it is awarded.
    #[command(after_help = "Example:\n  gridlease job cancel last")]
    Cancel {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Enter an offer that takes automatic bids into a job's auction. Anyone can do this.
    #[command(after_help = "Example:\n  gridlease job enter 3Jk… 6Mn…")]
    Enter {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
        /// The offer's address.
        #[arg(value_name = "OFFER", value_parser = address)]
        offer: Pubkey,
    },
    /// Award a job whose bidding is over. Anyone can do this.
    #[command(after_help = "Example:\n  gridlease job award 3Jk…")]
    Award {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
    /// Close a job that is over; its rent goes back to who paid it. Anyone can do this.
    #[command(after_help = "Example:\n  gridlease job close 3Jk…")]
    Close {
        /// The job's address, or last.
        #[arg(value_name = "JOB", value_parser = which)]
        job: Which,
    },
}

pub(super) async fn run(context: &Context, command: Job) -> Result<ExitCode, CliError> {
    if let Job::Init { file, image } = &command {
        return init(context, file, image.as_ref()).map(|()| ExitCode::SUCCESS);
    }
    let buyer = context.buyer()?;
    let job = |which: &Which| resolve(&buyer, which);
    let done = match command {
        Job::Post { manifest, yes, dry_run, watch, output, ignore_exit_code, env, again } => {
            let post = Post { manifest, yes, dry_run, watch, output, ignore_exit_code, env, again };
            return post.run(context, &buyer).await;
        }
        Job::List { all } => context.out.report(&report::Jobs(buyer.jobs(all).await?)),
        Job::Show { job: which } => context.out.report(&buyer.show(&job(&which)?).await?),
        Job::Watch { job: which, output, no_logs, ignore_exit_code } => {
            let options = FollowOptions { logs: !no_logs, outputs: output, ..FollowOptions::default() };
            return follow(context, &buyer, job(&which)?, options, ignore_exit_code).await;
        }
        Job::Logs { job: which, follow, from, tail, since, timestamps, service, verify } => {
            let (since, service) = (since.map(Into::into), service.unwrap_or_default());
            let view = LogView { follow, from, tail, since, timestamps, service, verify };
            logs::logs(context, &buyer, &job(&which)?, view).await
        }
        Job::Stats { job: which, follow, since } => {
            stats::stats(context, &buyer, &job(&which)?, since.map(Into::into), follow).await
        }
        Job::Events { job: which, follow, from } => events::events(context, &buyer, &job(&which)?, from, follow).await,
        Job::Get { job: which, output, cid } => {
            let job = job(&which)?;
            let folder = output.unwrap_or_else(|| PathBuf::from(format!("outputs-{job}")));
            let spinner = context.out.spinner("fetching the outputs");
            let done = match buyer.outputs(&job, &folder).await {
                Ok(done) if cid => done.with_cid().await,
                done => done,
            };
            spinner.finish_and_clear();
            context.out.report(&done?)
        }
        Job::Outputs { job: which } => context.out.report(&buyer.output_list(&job(&which)?).await?),
        Job::Fetch { job: which, path, output, range } => {
            let job = job(&which)?;
            let spinner = context.out.spinner("fetching the output");
            let done = buyer.fetch_output(&job, &path, range, &output).await;
            spinner.finish_and_clear();
            context.out.report(&done?)
        }
        Job::PortForward { job: which, ports, address, wait } => {
            return reach::forward(context, &buyer, job(&which)?, &ports, address, wait.into()).await;
        }
        Job::Expose { job: which, port, token, open, off } => {
            let asked = [(token, Public::Token), (open, Public::Open), (off, Public::Off)];
            let public = asked.into_iter().find_map(|(asked, public)| asked.then_some(public));
            let job = job(&which)?;
            let done = match (&port, public) {
                (Some(port), Some(public)) => buyer.expose(&job, port, public).await,
                (port, _) => buyer.exposed(&job, port.as_deref()).await,
            };
            context.out.report(&done?)
        }
        Job::Exec { job: which, interactive, tty, wait, command } => {
            let terms = reach::Terms { interactive, tty, wait: wait.into() };
            return reach::exec(context, &buyer, job(&which)?, command, terms).await;
        }
        Job::Attach { job: which, no_stdin, wait } => {
            return attach::attach(context, &buyer, job(&which)?, !no_stdin, wait.into()).await;
        }
        Job::Push { job: which } => {
            let spinner = context.out.spinner("handing manifest and inputs to the node");
            let done = buyer.push(&job(&which)?).await;
            spinner.finish_and_clear();
            context.out.report(&done?)
        }
        step => one_step(context, &buyer, step).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}

async fn one_step(context: &Context, buyer: &Buyer, command: Job) -> Result<(), CliError> {
    let (chain, key): (&Chain, _) = (buyer.chain(), buyer.key());
    let job = |which: &Which| resolve(buyer, which);
    let spinner = context.out.spinner("sending");
    let done = match &command {
        Job::Stop { job: which } => steps::stop(chain, key, &job(which)?).await,
        Job::Accept { job: which } => steps::accept(chain, key, &job(which)?).await,
        Job::Reopen { job: which } => steps::reopen(chain, key, &job(which)?).await,
        Job::Expire { job: which } => steps::expire(chain, key, &job(which)?).await,
        Job::TopUp { job: which, amount } => steps::top_up(chain, key, &job(which)?, *amount).await,
        Job::Cancel { job: which } => steps::cancel(chain, key, &job(which)?).await,
        Job::Enter { job: which, offer } => steps::enter(chain, key, &job(which)?, offer).await,
        Job::Award { job: which } => steps::award(chain, key, &job(which)?).await,
        Job::Close { job: which } => steps::close_job(chain, key, &job(which)?).await,
        _ => return Ok(()),
    };
    spinner.finish_and_clear();
    context.out.report(&done?)
}

fn resolve(buyer: &Buyer, which: &Which) -> Result<Pubkey, CliError> {
    let Which::Last = which else {
        return match which {
            Which::Job(job) => Ok(*job),
            Which::Last => Err(CliError::Usage("no job is named".to_owned())),
        };
    };
    let (cluster, owner) = (buyer.chain().cluster(), buyer.address().to_string());
    let records = buyer.store().list()?;
    let last = records.iter().find(|record| record.cluster == cluster && record.owner == owner);
    let last = last.ok_or_else(|| {
        CliError::Usage(format!("no job was posted from this machine to {cluster}; name one by its address"))
    })?;
    Ok(last.address()?)
}

fn init(context: &Context, file: &Path, image: Option<&ImageReference>) -> Result<(), CliError> {
    use std::io::Write as _;
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CliError::Usage(format!("{} exists already; name another file", file.display()))
        }
        _ => CliError::Local(format!("cannot write {}: {source}", file.display())),
    };
    let mut target = std::fs::File::options().write(true).create_new(true).open(file).map_err(failed)?;
    let text = image.map_or_else(|| Manifest::template().to_owned(), Manifest::template_for);
    target.write_all(text.as_bytes()).map_err(failed)?;
    context.out.note(&format!(
        "wrote {0}; set its image, price and duration, then run `gridlease job post {0} --watch --output out`",
        file.display()
    ));
    Ok(())
}

struct Post {
    manifest: PathBuf,
    yes: bool,
    dry_run: bool,
    watch: bool,
    output: Option<PathBuf>,
    ignore_exit_code: bool,
    env: Vec<EnvVar>,
    again: bool,
}

impl Post {
    async fn run(self, context: &Context, buyer: &Buyer) -> Result<ExitCode, CliError> {
        let out = context.out;
        let spinner = out.spinner("checking the manifest, the image and the inputs");
        let prepared = buyer.prepare_with(&self.manifest, &self.env).await;
        spinner.finish_and_clear();
        let prepared = prepared?;
        if self.dry_run {
            return out.report(&prepared.quote).map(|()| ExitCode::SUCCESS);
        }
        if !self.yes && out.is_interactive() {
            out.note(&prepared.quote.human());
            if !out.confirm("\nPost this job?").await? {
                return Err(CliError::Usage("nothing was posted".to_owned()));
            }
        }
        let spinner = out.spinner("posting");
        let posted = buyer.post(&prepared, &PostOptions { again: self.again }).await;
        spinner.finish_and_clear();
        if let Err(CliError::Send { error, .. }) = &posted
            && !error.is_safe_to_retry()
        {
            out.note("run the same command again: it finds out whether the job arrived, and does not post it twice");
        }
        let posted = posted?;
        if !self.watch {
            out.report(&posted)?;
            out.note(&format!(
                "`gridlease job watch {}` follows it and hands manifest and inputs to the winner: run it before the bidding ends",
                posted.job
            ));
            return Ok(ExitCode::SUCCESS);
        }
        if out.is_json() {
            out.json_line(&posted)?;
        } else {
            out.note(&posted.human());
        }
        let options = FollowOptions { outputs: self.output, ..FollowOptions::default() };
        follow(context, buyer, posted.job, options, self.ignore_exit_code).await
    }
}

async fn follow(
    context: &Context,
    buyer: &Buyer,
    job: Pubkey,
    options: FollowOptions,
    ignore_exit_code: bool,
) -> Result<ExitCode, CliError> {
    let summary = watch(context, buyer, job, options).await?;
    if context.out.is_json() {
        context.out.json_line(&summary)?
    } else {
        context.out.report(&summary)?
    }
    summary.ending().exit_code(ignore_exit_code)
}
