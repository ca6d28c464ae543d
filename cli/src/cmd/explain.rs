//! `gridlease node explain`

use std::path::PathBuf;

use clap::Args;
use gridlease_node::agent::control::{self, ControlError};
use gridlease_node::agent::explain::{Beside, Explanation, Source, explain_beside};
use gridlease_node::gpu::GpuSource;
use gridlease_node::market::OfferPolicy;
use gridlease_sdk::machine::MachineNumber;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::leaving::authority_of;
use super::node::{socket, state_dir};
use super::{Context, address};
use crate::amount::Usdc;
use crate::error::CliError;
use crate::output::{Report, rows};

/// Which job, and what is known of the node where it does not run.
#[derive(Debug, Args)]
pub struct Explain {
    /// The job's address.
    #[arg(value_name = "JOB", value_parser = address)]
    job: Pubkey,
    /// Where no node answers: address of the provider's cold key [default: that of the offer on chain].
    #[arg(long, visible_alias = "provider", value_name = "ADDRESS", value_parser = address)]
    authority: Option<Pubkey>,
    /// Where no node answers: which of the provider's machines this is [default: the one that names the hot key].
    #[arg(long, value_name = "MACHINE")]
    machine: Option<MachineNumber>,
    /// Where no node answers: number of the offer [default: the machine's number, 0 for the first].
    #[arg(long, value_name = "N")]
    offer: Option<u32>,
    /// Where no node answers and no offer is on chain: price per hour, in USDC for one unit.
    #[arg(long, value_name = "USDC")]
    ask: Option<Usdc>,
    /// The same: lowest price per hour of a bid, in USDC [default: the ask].
    #[arg(long, value_name = "USDC")]
    floor: Option<Usdc>,
    /// Where no node answers: the machine is offered without a GPU.
    #[arg(long, conflicts_with = "nvml")]
    cpu: bool,
    /// Where no node answers: NVIDIA's management library [default: where the system looks].
    #[arg(long, value_name = "FILE")]
    nvml: Option<PathBuf>,
    /// Where no node answers: the container engine's socket [default: DOCKER_HOST, else /var/run/docker.sock].
    #[arg(long, value_name = "SOCKET", value_parser = socket)]
    docker_host: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, args: Explain) -> Result<(), CliError> {
    let folder = state_dir(context);
    let spinner = context.out.spinner("asking the node");
    let explained = match control::ask_to_explain(&folder, &args.job).await {
        Ok(explanation) => Ok(explanation),
        Err(ControlError::NoNode(_)) => {
            spinner.set_message("no node answers; asking chain and machine");
            beside(context, args, folder).await
        }
        Err(error) => Err(CliError::State(error.to_string())),
    };
    spinner.finish_and_clear();
    context.out.report(&explained?)
}

async fn beside(context: &Context, args: Explain, state_dir: PathBuf) -> Result<Explanation, CliError> {
    let (client, key) = (context.client()?, context.key()?);
    if !state_dir.is_dir() {
        return Err(CliError::Usage(format!(
            "no node keeps its state in {}; name its folder with --state-dir (`gridlease node init` makes one)",
            state_dir.display()
        )));
    }
    let authority = match args.authority {
        Some(authority) => authority,
        None => authority_of(&client, &key.pubkey()).await?.ok_or_else(|| {
            CliError::Usage(format!(
                "no node answers, and no offer on chain names node key {}: give the provider's cold key with --authority, or the node's \
                 key with --keypair",
                key.pubkey()
            ))
        })?,
    };
    let mut offer = OfferPolicy { number: args.offer, ..OfferPolicy::default() };
    if let Some(ask) = args.ask {
        (offer.ask, offer.floor) = (ask.0, args.floor.unwrap_or(ask).0.min(ask.0));
    }
    let beside = Beside {
        client,
        authority,
        node_key: key.pubkey(),
        machine: args.machine,
        state_dir,
        gpu: if args.cpu { GpuSource::Cpu } else { GpuSource::Nvml { lib_path: args.nvml } },
        docker_socket: args.docker_host,
        offer,
    };
    Ok(explain_beside(&beside, &args.job).await?)
}

impl Report for Explanation {
    fn human(&self) -> String {
        let who = match self.source {
            Source::Node => "The node that runs on this machine says",
            Source::ComputedHere => "No node answers; found out here from chain and machine",
        };
        let price = self.price.as_deref().unwrap_or("no price fits.");
        if self.bids {
            return format!("{who}: it would bid on job {}.\n\n{price}", self.job);
        }
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let table = rows(
            &["reason", "asked", "had", "in words"],
            self.against
                .iter()
                .map(|told| vec![told.reason.clone(), or_dash(&told.asked), or_dash(&told.had), told.sentence.clone()]),
        );
        format!("{who}: it would not bid on job {}.\n\n{table}\n\nWithout that: {price}", self.job)
    }
}
