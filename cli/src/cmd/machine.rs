//! `gridlease provider machine`

use clap::{Args, Subcommand};
use gridlease_sdk::machine::MachineNumber;
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::describe::short;
use super::provider::{Certificate, Node};
use super::report::{count, sent};
use super::{Context, address};
use crate::amount::Usdc;
use crate::error::CliError;
use crate::machine::{self, MachineDone, MachineView, NO_LIMIT, NewMachine, RetireDone, RetirePlan};
use crate::output::{Report, fields, pairs, rows, span};
use crate::provider::Change;

const RETIRE_HELP: &str = "\
Examples:
  gridlease provider machine retire 2 --dry-run
  gridlease provider machine retire 2
  gridlease provider machine drain 2    # leases run on: retire it when they are over

Retiring is for good. The offers are withdrawn. A lease for which a notice was agreed goes on until that is over, and ends \
without a fault. One for which none was agreed is abandoned at once: that costs a tenth of the stake behind it and counts as \
a fault. Run it again for leases that were starting. An offer that stands in the book of an open job costs a fault where it \
would have won.";

/// Further machines.
#[derive(Debug, Subcommand)]
pub enum Machine {
    /// Add a machine: its node has its own hot key and certificate (`gridlease node init` makes both).
    #[command(
        after_help = "Example:\n  gridlease provider machine add --node-key 7Xy… --endpoint https://gpu2.example:8443 --cert ~/node2/cert.pem --stake-limit 25"
    )]
    Add(Add),
    /// List a provider's machines: node key, endpoint, limit of stake, what of it is bound, offers.
    #[command(
        after_help = "Examples:\n  gridlease provider machine list\n  gridlease provider machine list 9qR… --json"
    )]
    List {
        /// Address of the provider's cold key [default: the keypair's].
        #[arg(value_name = "AUTHORITY", value_parser = address)]
        authority: Option<Pubkey>,
    },
    /// Change node key, endpoint, certificate, limit of stake or sealing key of a machine.
    #[command(
        after_help = "Examples:\n  gridlease provider machine update 2 --stake-limit 50\n  gridlease provider machine update 2 --node-key 7Xy…\n\nA limit holds for offers that are posted from then on: the node posts its offer anew when it is started again."
    )]
    Update {
        /// Number of the machine, or first.
        #[arg(value_name = "MACHINE")]
        machine: MachineNumber,
        /// What to change.
        #[command(flatten)]
        changes: Changes,
    },
    /// Have a machine take no new lease; those that run go on to their end. Its limit of stake becomes 0.
    #[command(
        after_help = "Example:\n  gridlease provider machine drain 2\n\nAn offer that stands in the book of an open job costs a fault where it would have won: it says so first, and does it with --yes \\
only. Without a bid in a book it costs nothing. `gridlease provider machine update 2 --stake-limit 25` lets it offer again once its leases are over."
    )]
    Drain {
        /// Number of the machine, or first.
        #[arg(value_name = "MACHINE")]
        machine: MachineNumber,
        /// Also where offers of it stand in books of open jobs.
        #[arg(short, long)]
        yes: bool,
    },
    /// Retire a machine for good: gives notice for its leases, and abandons those for which none was agreed.
    #[command(after_help = RETIRE_HELP)]
    Retire {
        /// Number of the machine.
        #[arg(value_name = "MACHINE")]
        machine: MachineNumber,
        /// Only say what would be done and what it costs.
        #[arg(long)]
        dry_run: bool,
        /// Skip the confirmation prompt; needed where nobody can be asked and leases would be abandoned.
        #[arg(short, long)]
        yes: bool,
    },
    /// Close the account of a retired machine whose leases are over, with its offers: their rent comes back.
    #[command(
        after_help = "Example:\n  gridlease provider machine close 2\n\nBuyers find log and outputs by this account, for seven days after a lease."
    )]
    Close {
        /// Number of the machine.
        #[arg(value_name = "MACHINE")]
        machine: MachineNumber,
    },
}

/// A machine to add.
#[derive(Debug, Args)]
pub struct Add {
    /// Its number [default: the lowest that is free, from 1].
    #[arg(long, value_name = "N")]
    number: Option<u32>,
    /// Its node.
    #[command(flatten)]
    node: Node,
    /// The most stake that its leases may bind, in USDC, or none: what a stolen hot key can burn.
    #[arg(long, value_name = "USDC", value_parser = stake_limit)]
    stake_limit: u64,
    /// X25519 key to which secrets are sealed, 64 hex digits; this version's node opens none.
    #[arg(long, value_name = "HEX", value_parser = key_bytes)]
    sealing_key: Option<[u8; 32]>,
}

/// What to change of a machine.
#[derive(Debug, Args)]
pub struct Changes {
    /// Address of the node's hot key.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    node_key: Option<Pubkey>,
    /// URL at which buyers reach the node: https://host[:port].
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The node's certificate.
    #[command(flatten)]
    certificate: Certificate,
    /// The most stake that the machine's leases may bind, in USDC, or none.
    #[arg(long, value_name = "USDC", value_parser = stake_limit)]
    stake_limit: Option<u64>,
    /// X25519 key to which secrets are sealed, 64 hex digits; this version's node opens none.
    #[arg(long, value_name = "HEX", value_parser = key_bytes)]
    sealing_key: Option<[u8; 32]>,
}

impl Changes {
    pub(super) fn read(self) -> Result<Change, CliError> {
        let fingerprint = self.certificate.read()?;
        let Self { node_key, endpoint, stake_limit, sealing_key, .. } = self;
        let change = Change { node_key, endpoint, fingerprint, stake_limit, sealing_key };
        if change == Change::default() {
            return Err(CliError::Usage(
                "nothing to change; give --node-key, --endpoint, --cert, --fingerprint, --stake-limit or --sealing-key"
                    .to_owned(),
            ));
        }
        Ok(change)
    }
}

fn stake_limit(text: &str) -> Result<u64, String> {
    if text == "none" {
        return Ok(NO_LIMIT);
    }
    text.parse().map(|amount: Usdc| amount.0).map_err(|error| format!("{error}; none is no limit"))
}

fn key_bytes(text: &str) -> Result<[u8; 32], String> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| "write 32 bytes as 64 hex digits".to_owned())?;
    Ok(bytes)
}

pub(super) async fn run(context: &Context, command: Machine) -> Result<(), CliError> {
    let chain = context.chain()?;
    let spinner = context.out.spinner("asking the chain");
    let done = match command {
        Machine::List { authority } => {
            let authority = match authority {
                Some(authority) => authority,
                None => context.key()?.pubkey(),
            };
            let listed = machine::list(&chain, &authority).await;
            spinner.finish_and_clear();
            return context.out.report(&Machines(listed?));
        }
        Machine::Retire { machine, dry_run, yes } => {
            spinner.finish_and_clear();
            return retire(context, machine, dry_run, yes).await;
        }
        Machine::Add(add) => {
            let fingerprint = add.node.fingerprint()?;
            let Add { number, node: Node { node_key, endpoint, .. }, stake_limit, sealing_key } = add;
            let new = NewMachine { number, node_key, endpoint, fingerprint, stake_limit, sealing_key };
            let key = context.key()?;
            let added = machine::add(&chain, &key, &new).await;
            spinner.finish_and_clear();
            context.out.report(&added?)?;
            context.out.note(&format!(
                "\nsend its node key some SOL; then, on the machine, `gridlease node run --keypair node.json --authority {} --ask …`",
                key.pubkey()
            ));
            return Ok(());
        }
        Machine::Update { machine, changes } => {
            machine::update(&chain, &*context.key()?, machine, &changes.read()?).await
        }
        Machine::Drain { machine, yes } => {
            let key = context.key()?;
            let books = if yes { Vec::new() } else { machine::books_of(&chain, &key.pubkey(), machine).await? };
            if !books.is_empty() {
                spinner.finish_and_clear();
                let jobs: Vec<String> = books.iter().map(Pubkey::to_string).collect();
                return Err(CliError::Usage(format!(
                    "offers of machine {machine} stand in the books of {} ({}): where one would have won, taking it back is a fault, which takes a third \
                     of the provider's standing. Add --yes to do it, or wait until they are awarded",
                    count(jobs.len(), "open job"),
                    jobs.join(", ")
                )));
            }
            machine::drain(&chain, &key, machine).await
        }
        Machine::Close { machine } => machine::close(&chain, &*context.key()?, machine).await,
    };
    spinner.finish_and_clear();
    context.out.report(&done?)
}

async fn retire(context: &Context, number: MachineNumber, dry_run: bool, yes: bool) -> Result<(), CliError> {
    let (chain, key) = (context.chain()?, context.key()?);
    let plan = machine::plan(&chain, &key.pubkey(), number).await?;
    if dry_run {
        return context.out.report(&plan);
    }
    if !yes && context.out.is_interactive() {
        context.out.note(&plan.human());
        if !context.out.confirm("\nRetire it for good?").await? {
            context.out.note("nothing was done");
            return Ok(());
        }
    } else if !yes && plan.costs() {
        // Stake and standing that are lost by it are lost with the owner's word only.
        context.out.note(&plan.human());
        return Err(CliError::Usage(format!(
            "{} USDC of stake would be lost, and its offers stand in the books of {}: add --yes to do it, or run `gridlease provider machine drain {number}` when \
             they are awarded, and retire it when its leases are over",
            plan.slash,
            count(plan.books.len(), "open job")
        )));
    }
    let spinner = context.out.spinner("retiring the machine");
    let done = machine::retire(&chain, &key, &plan).await;
    spinner.finish_and_clear();
    let done = done?;
    context.out.report(&done)?;
    match &done.problem {
        Some(problem) => Err(CliError::State(format!("{problem}; run it again for what is left"))),
        None => Ok(()),
    }
}

/// A list of machines.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Machines(Vec<MachineView>);

impl Report for Machines {
    fn human(&self) -> String {
        machines(&self.0)
    }
}

fn limit(machine: &MachineView) -> String {
    machine.stake_limit.map_or("none".to_owned(), |limit| limit.to_string())
}

fn offers(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    if numbers.is_empty() { "-".to_owned() } else { numbers.join(", ") }
}

pub(super) fn machines(machines: &[MachineView]) -> String {
    rows(
        &["machine", "state", "node key", "endpoint", "stake limit", "bound", "leases", "offers"],
        machines.iter().map(|machine| {
            vec![
                machine.machine.to_string(),
                machine.state.to_owned(),
                machine.node_key.to_string(),
                machine.endpoint.clone(),
                limit(machine),
                machine.bound.to_string(),
                machine.open_leases.to_string(),
                offers(&machine.offers),
            ]
        }),
    )
}

impl Report for MachineDone {
    fn human(&self) -> String {
        let mut lines = vec![self.done.clone()];
        lines.extend(self.transactions.iter().map(|one| sent(Some(one))));
        if let Some(machine) = &self.machine {
            lines.push(String::new());
            lines.push(fields(&[
                ("machine", &machine.machine),
                ("address", &machine.address),
                ("state", &machine.state),
                ("node key", &machine.node_key),
                ("endpoint", &machine.endpoint),
                ("certificate", &machine.fingerprint),
                ("stake limit", &limit(machine)),
                ("bound", &format!("{} USDC", machine.bound)),
                ("leases", &machine.open_leases),
                ("offers", &offers(&machine.offers)),
            ]));
        }
        lines.join("\n")
    }
}

impl Report for RetirePlan {
    fn human(&self) -> String {
        let offers = offers(&self.offers);
        let mut text = pairs([
            ("machine", self.machine.to_string()),
            ("state", if self.retired { "retired; its leases are what is left" } else { "live" }.to_owned()),
            ("offers", if self.offers.is_empty() { offers } else { format!("{offers}, withdrawn for good") }),
            (
                "books",
                match self.books.len() {
                    0 => "-".to_owned(),
                    open => format!("{}: a fault where one of its offers would have won", count(open, "open job")),
                },
            ),
            ("costs", format!("{} USDC of stake", self.slash)),
        ]);
        if self.leases.is_empty() {
            return format!("{text}\n\nno lease is open");
        }
        text.push_str("\n\n");
        text.push_str(&rows(
            &["lease", "job", "is", "then", "slashed"],
            self.leases.iter().map(|lease| {
                let then = match lease.ends {
                    "notice" => format!("ends with a notice of {}, no fault", span(lease.notice_s.into())),
                    "abandoned" => "no notice was agreed: abandoned at once, a fault".to_owned(),
                    _ if lease.notice_s == 0 => {
                        "goes on starting; once it runs anybody may abandon it: run this again".to_owned()
                    }
                    _ => "goes on starting; run this again".to_owned(),
                };
                vec![
                    lease.lease.to_string(),
                    short(&lease.job),
                    lease.state.to_owned(),
                    then,
                    format!("{} USDC", lease.slash),
                ]
            }),
        ));
        text
    }
}

impl Report for RetireDone {
    fn human(&self) -> String {
        let mut lines = vec![format!(
            "machine {} is retired; {} with notice, {} abandoned, {} USDC of stake slashed",
            self.machine,
            count(self.notice.len(), "lease"),
            self.abandoned.len(),
            self.slash
        )];
        lines.extend(self.transactions.iter().map(|one| sent(Some(one))));
        if !self.again.is_empty() {
            let leases: Vec<String> = self.again.iter().map(|one| format!("{} ({})", one.lease, one.state)).collect();
            lines.push(format!("run this again in a moment for {}", leases.join(", ")));
        }
        lines.push(format!(
            "its node serves what is left of its leases; `gridlease provider machine close {}` later",
            self.machine
        ));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r32_a_limit_of_stake_is_an_amount_or_none() {
        assert_eq!((stake_limit("12.5"), stake_limit("none")), (Ok(12_500_000), Ok(u64::MAX)));
        assert!(stake_limit("lots").unwrap_err().contains("none is no limit"));
        assert!(key_bytes("ab").is_err());
    }
}
