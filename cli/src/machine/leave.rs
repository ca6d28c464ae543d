//! How a machine leaves the market: it is drained, or retired, and its account is closed at last.

use gridlease_core::Atoms;
use gridlease_core::PricePerHour;
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::MAX_CLAIMS;
use gridlease_core::machine::{Leaving, leaving};
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_sdk::account::{BookEntry, GpuClaim, Job, Lease, Offer, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::{LeaseKeys, Outcome, abandon};
use gridlease_sdk::instruction::provider::{self as build, Claimed};
use gridlease_sdk::instruction::supervision::give_notice;
use gridlease_sdk::machine::{MachineNumber, ProviderMachine};
use gridlease_sdk::market::{At, CLAIM_OFFER_AT, JOB_STATE_AT};
use gridlease_sdk::rpc::SendError;
use serde::Serialize;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{Change, MachineDone, change_of, done, machines, own_offers, pick};
use crate::amount::Usdc;
use crate::buyer::event::{as_text, as_texts, lease_state_name};
use crate::chain::{Chain, Sent};
use crate::error::CliError;

/// The node's word about a lease that its owner ends for it: it ran until now.
const RAN: Outcome = Outcome { exit_code: None, result_hash: [0; 32], log_hash: [0; 32], ended_ts: 0, stood_s: 0 };

/// An open lease of a machine that is to be retired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeavingLease {
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// Its job.
    #[serde(serialize_with = "as_text")]
    pub job: Pubkey,
    /// Its state, in a word.
    pub state: &'static str,
    /// How it ends: `notice`, `abandoned`, or `later` where it is starting and neither can be done yet.
    pub ends: &'static str,
    /// The notice that was agreed, in seconds; 0 for none.
    pub notice_s: u32,
    /// What leaving it costs of the stake; of one that is starting without a notice agreed, what it costs once it runs, when anybody
    /// may abandon it.
    pub slash: Usdc,
}

/// What retiring a machine does.
#[derive(Clone, Debug, Serialize)]
pub struct RetirePlan {
    /// The machine's number.
    #[serde(serialize_with = "as_text")]
    pub machine: MachineNumber,
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub address: Pubkey,
    /// Whether it is retired already, and only its leases are left.
    pub retired: bool,
    /// Its offers, which are withdrawn.
    pub offers: Vec<u32>,
    /// Open jobs in whose books its offers stand: where one of them would have won, its withdrawal is a fault.
    #[serde(serialize_with = "as_texts")]
    pub books: Vec<Pubkey>,
    /// Its open leases.
    pub leases: Vec<LeavingLease>,
    /// What that costs of the stake in all.
    pub slash: Usdc,
}

impl RetirePlan {
    /// May it cost stake or standing?
    pub fn costs(&self) -> bool {
        self.slash.0 > 0 || !self.books.is_empty()
    }
}

/// What retiring a machine did.
#[derive(Clone, Debug, Serialize)]
pub struct RetireDone {
    /// The machine's number.
    #[serde(serialize_with = "as_text")]
    pub machine: MachineNumber,
    /// Leases that end with a notice.
    pub notice: Vec<LeavingLease>,
    /// Leases that were abandoned.
    pub abandoned: Vec<LeavingLease>,
    /// What those cost of the stake in all.
    pub slash: Usdc,
    /// Leases for which this has to be run again: they were starting, were won in that moment, or come behind what went wrong.
    pub again: Vec<LeavingLease>,
    /// What went wrong on the way; all that is listed before it is done.
    pub problem: Option<String>,
    /// The transactions.
    pub transactions: Vec<Sent>,
}

/// What retiring machine `number` of `authority` would do. Nothing is sent.
///
/// # Errors
/// [`CliError`].
pub async fn plan(chain: &Chain, authority: &Pubkey, number: MachineNumber) -> Result<RetirePlan, CliError> {
    let (machine, offers) = leaver(chain, authority, number).await?;
    let leases = leases_of(chain, &machine, &offers).await?;
    let leases = leases.iter().map(|(key, lease)| leaving_lease(*key, lease)).collect::<Result<Vec<_>, _>>()?;
    let slash = total(&leases);
    let books = books_with(chain, &machine, &offers).await?;
    let offers = offers.iter().map(|(_, offer)| offer.number).collect();
    let (address, retired) = (machine.address, machine.rules.retired);
    Ok(RetirePlan { machine: number, address, retired, offers, books, leases, slash })
}

/// Retires the machine of `plan`, which its owner has seen, gives notice for its leases, and abandons those of the plan for which none was agreed. What was
/// cut off is taken up by doing it again.
///
/// # Errors
/// [`CliError`].
pub async fn retire(chain: &Chain, authority: &Keypair, plan: &RetirePlan) -> Result<RetireDone, CliError> {
    let key = authority.pubkey();
    let (machine, offers) = leaver(chain, &key, plan.machine).await?;
    let mut transactions = Vec::new();
    if let (false, MachineNumber::Further(number)) = (machine.rules.retired, machine.number) {
        let offers: Vec<Pubkey> = offers.iter().map(|(key, _)| *key).collect();
        let retire = build::retire_machine(&key, number, &offers);
        transactions.push(chain.send("retiring the machine", &[retire], authority).await?);
    }
    let insurance = chain.client().staking_config().await?.insurance;
    let (mut notice, mut abandoned, mut again, mut problem) = (Vec::new(), Vec::new(), Vec::new(), None);
    for (lease, account) in leases_of(chain, &machine, &offers).await? {
        let keys = LeaseKeys::new(lease, &account);
        let agreed = plan.leases.iter().any(|planned| planned.lease == lease && planned.ends == ABANDONED);
        let leaving = leaving_lease(lease, &account)?;
        let (doing, instruction, ended) = match leaving.ends {
            NOTICE if account.notice_end != 0 => {
                notice.push(leaving);
                continue;
            }
            NOTICE if problem.is_none() => ("giving notice for a lease", give_notice(&key, &keys), &mut notice),
            // What the owner was not shown is not ended at a cost; and nothing behind what went wrong is ended at all.
            ABANDONED if agreed && problem.is_none() => {
                ("abandoning a lease", abandon(&key, &keys, &insurance, RAN), &mut abandoned)
            }
            _ => {
                again.push(leaving);
                continue;
            }
        };
        match chain.send(doing, &[instruction], authority).await {
            Ok(sent) => {
                ended.push(leaving);
                transactions.push(sent);
            }
            Err(error) if is_refusal(&error) && is_over(chain, &lease).await? => {}
            Err(error) => {
                again.push(leaving);
                problem.get_or_insert_with(|| format!("{doing} {lease}: {error}"));
            }
        }
    }
    let slash = total(&abandoned);
    Ok(RetireDone { machine: plan.machine, notice, abandoned, slash, again, problem, transactions })
}

/// Open jobs in whose books live offers of machine `number` stand. Where one of them would have won, its withdrawal is a fault.
///
/// # Errors
/// [`CliError`].
pub async fn books_of(chain: &Chain, authority: &Pubkey, number: MachineNumber) -> Result<Vec<Pubkey>, CliError> {
    let machines = machines(chain, &address::provider(authority)).await?;
    let machine = pick(&machines, number)?;
    let offers = own_offers(chain, machine).await?;
    books_with(chain, machine, &offers).await
}

/// Takes the offers of a machine back and leaves no stake for new ones: it takes no lease any more, and those that run go on.
///
/// # Errors
/// [`CliError`].
pub async fn drain(chain: &Chain, authority: &Keypair, number: MachineNumber) -> Result<MachineDone, CliError> {
    let key = authority.pubkey();
    let machines = machines(chain, &address::provider(&key)).await?;
    let machine = pick(&machines, number)?;
    let nothing = Change { stake_limit: Some(0), ..Change::default() };
    // First and by itself: it names no offer, so that who has the hot key cannot get in its way.
    let limit = change_of(&key, machine, &nothing, &[])?;
    let mut transactions = vec![chain.send("taking the machine's limit of stake away", &[limit], authority).await?];
    for (_, offer) in own_offers(chain, machine).await?.iter().filter(|(_, offer)| is_live(offer)) {
        let back = build::withdraw_offer_of(&key, &machine.provider, machine.account(), offer.number, &offer.payer);
        transactions.push(chain.send("taking an offer back", &[back], authority).await?);
    }
    let before = match machine.rules.limit.0 {
        u64::MAX => "none".to_owned(),
        limit => Usdc(limit).to_string(),
    };
    let words = format!(
        "machine {number} takes no new lease; those that run go on. `gridlease provider machine update {number} --stake-limit {before}`, as it was, lets it offer again once they are over"
    );
    done(chain, &key, number, words, transactions).await
}

/// Is an offer open for leases?
fn is_live(offer: &Offer) -> bool {
    offer.header.state == offer_state::LIVE
}

/// Open jobs in whose books live ones of `offers`, which are the machine's, stand.
async fn books_with(chain: &Chain, machine: &ProviderMachine, offers: &[At<Offer>]) -> Result<Vec<Pubkey>, CliError> {
    if !offers.iter().any(|(_, offer)| is_live(offer)) {
        return Ok(Vec::new());
    }
    let open = chain.client().all::<Job>(&[(JOB_STATE_AT, &[JobState::Open as u8])]).await?;
    let is_there = |bid: &BookEntry| {
        bid.provider == machine.provider && offers.iter().any(|(_, offer)| offer.number == bid.offer && is_live(offer))
    };
    Ok(open.into_iter().filter(|(_, job)| job.bids().iter().any(is_there)).map(|(key, _)| key).collect())
}

/// Closes what is left of a retired machine: its offers, their claims of GPUs, and its account.
///
/// # Errors
/// [`CliError`].
pub async fn close(chain: &Chain, authority: &Keypair, number: MachineNumber) -> Result<MachineDone, CliError> {
    let key = authority.pubkey();
    let (machine, offers) = leaver(chain, &key, number).await?;
    let Some(payer) = machine.payer.filter(|_| machine.rules.retired) else {
        return Err(CliError::State(format!(
            "machine {number} is not retired; `gridlease provider machine retire {number}` comes first"
        )));
    };
    let busy = |offer: &Offer| offer.units_free < offer.units || offer.unpaid > 0 || offer.sealed > 0;
    if let Some((_, offer)) = offers.iter().find(|(_, offer)| busy(offer)) {
        return Err(CliError::State(format!(
            "offer {} of machine {number} still has leases that are open or not settled and closed; `gridlease provider machine list` shows when they are gone",
            offer.number
        )));
    }
    let mut transactions = Vec::new();
    for (address, offer) in &offers {
        let mut claims: Vec<Claimed> = chain
            .client()
            .all::<GpuClaim>(&[(CLAIM_OFFER_AT, address.as_ref())])
            .await?
            .into_iter()
            .map(|(_, claim)| (claim.hash, claim.payer))
            .collect();
        // A transaction holds so many.
        while claims.len() > MAX_CLAIMS {
            let more = claims.split_off(claims.len() - MAX_CLAIMS);
            let Some((first, rest)) = more.split_first() else { break };
            let release = build::release_gpus(&key, &machine.provider, offer.number, first, rest);
            transactions.push(chain.send("giving up claims of GPUs", &[release], authority).await?);
        }
        let (of, number) = (machine.account(), offer.number);
        let withdraw = build::withdraw_offer_and_gpus_of(&key, &machine.provider, of, number, &offer.payer, &claims);
        transactions.push(chain.send("closing an offer", &[withdraw], authority).await?);
    }
    let closing = build::close_machine(&machine.provider, &machine.address, &payer);
    transactions.push(chain.send("closing the machine", &[closing], authority).await?);
    Ok(MachineDone {
        done: format!("machine {number} is closed; its rent is back with {payer}"),
        transactions,
        machine: None,
    })
}

const NOTICE: &str = "notice";
const ABANDONED: &str = "abandoned";
const LATER: &str = "later";

fn total(leases: &[LeavingLease]) -> Usdc {
    Usdc(leases.iter().map(|lease| lease.slash.0).fold(0, u64::saturating_add))
}

fn leaving_lease(key: Pubkey, lease: &Lease) -> Result<LeavingLease, CliError> {
    let state = lease.state();
    let case = Case {
        fault: Fault::Abandoned,
        reservation: Atoms(lease.stake),
        price: PricePerHour(lease.price),
        charged: Atoms::ZERO,
        sealed_bond: Atoms::ZERO,
    };
    let split = slash_for(&case).map_err(CliError::rule("the slash of a lease"))?;
    let cost = Atoms(split.victim.0.saturating_add(split.insurance.0));
    let (ends, slash) = match (state, leaving(lease.notice_s != 0)) {
        (Some(LeaseState::Starting), Leaving::Notice) => (LATER, Atoms::ZERO),
        (Some(LeaseState::Starting), Leaving::Abandon) => (LATER, cost),
        (_, Leaving::Notice) => (NOTICE, Atoms::ZERO),
        (_, Leaving::Abandon) => (ABANDONED, cost),
    };
    Ok(LeavingLease {
        lease: key,
        job: lease.job,
        state: state.map_or("unknown", lease_state_name),
        ends,
        notice_s: lease.notice_s,
        slash: slash.into(),
    })
}

/// A machine that can leave, with its offers.
async fn leaver(
    chain: &Chain,
    authority: &Pubkey,
    number: MachineNumber,
) -> Result<(ProviderMachine, Vec<At<Offer>>), CliError> {
    if number == MachineNumber::First {
        return Err(CliError::Usage(
            "the first machine is the provider's record, which is never retired; `gridlease provider machine drain first` has it take no new lease".to_owned(),
        ));
    }
    let machines = machines(chain, &address::provider(authority)).await?;
    let machine = pick(&machines, number)?.clone();
    let offers = own_offers(chain, &machine).await?;
    Ok((machine, offers))
}

/// The leases of a machine that its node has not ended.
async fn leases_of(chain: &Chain, machine: &ProviderMachine, offers: &[At<Offer>]) -> Result<Vec<At<Lease>>, CliError> {
    let mut leases = chain.client().leases_of(&machine.provider).await?;
    leases.retain(|(_, lease)| offers.iter().any(|(offer, _)| *offer == lease.offer) && is_open(lease));
    Ok(leases)
}

fn is_open(lease: &Lease) -> bool {
    lease.state().is_none_or(|state| !state.is_over() && state != LeaseState::Finished)
}

fn is_refusal(error: &CliError) -> bool {
    matches!(error, CliError::Send { error, .. } if matches!(**error, SendError::Failed(_)))
}

async fn is_over(chain: &Chain, lease: &Pubkey) -> Result<bool, CliError> {
    Ok(chain.client().find::<Lease>(lease).await?.is_none_or(|lease| !is_open(&lease)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable as _;

    #[test]
    fn r32_a_lease_ends_by_notice_where_one_was_agreed_and_else_costs_a_tenth_of_its_stake() {
        let lease = |state: LeaseState, notice_s| {
            let mut lease = Lease { stake: 5_000_000, price: 300_000, notice_s, ..Lease::zeroed() };
            lease.header.state = state as u8;
            let told = leaving_lease(Pubkey::default(), &lease).unwrap();
            (told.ends, told.slash.0)
        };
        assert_eq!(lease(LeaseState::Running, 0), (ABANDONED, 500_000));
        assert_eq!(lease(LeaseState::Grace, 0), (ABANDONED, 500_000));
        assert_eq!(lease(LeaseState::Running, 120), (NOTICE, 0));
        assert_eq!(lease(LeaseState::Starting, 0), (LATER, 500_000), "once it runs, anybody may abandon it");
        assert_eq!(lease(LeaseState::Starting, 120), (LATER, 0));
        let finished = Lease { header: header(LeaseState::Finished), ..Lease::zeroed() };
        assert!(!is_open(&finished), "the buyer has the word");
    }

    fn header(state: LeaseState) -> gridlease_sdk::account::Header {
        gridlease_sdk::account::Header { state: state as u8, ..Lease::zeroed().header }
    }
}
