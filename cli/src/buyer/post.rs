//! Posting a job once, whatever happens in between.

use gridlease_sdk::account::{Job, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job;
use gridlease_sdk::rpc::SendError;
use serde::Serialize;
use solana_pubkey::Pubkey;

use super::Buyer;
use super::event::as_text;
use super::prepare::PreparedJob;
use super::store::{JobRecord, PostLock, Posting};
use crate::amount::Usdc;
use crate::chain::{Chain, Sent};
use crate::clock::now_ms;
use crate::error::CliError;
use crate::history;

/// How often a number that somebody else's post took is replaced.
const NUMBER_TRIES: usize = 5;

/// How to post.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostOptions {
    /// Post even where an earlier post of the same manifest was cut off and may have arrived.
    pub again: bool,
}

/// A job that is on chain.
#[derive(Clone, Debug, Serialize)]
pub struct PostedJob {
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub job: Pubkey,
    /// Its number in the purse.
    pub number: u64,
    /// What is reserved for it.
    pub reserved: Usdc,
    /// Until when it waits for bids, Unix seconds; 0 where the job is over and closed already.
    pub expires_at: u64,
    /// The transaction; none where an earlier post turned out to have arrived.
    pub transaction: Option<Sent>,
}

impl Buyer {
    /// Posts a prepared job. What is about to be sent is written down first, so that a post that was cut off (a crash, an
    /// outcome that nobody knows) is taken up by the next post of the same manifest instead of being made twice.
    ///
    /// # Errors
    /// [`CliError::ShortOfUsdc`] with the exact shortfall, [`CliError::ShortOfSol`], what the chain refused, or what this
    /// machine did.
    pub async fn post(&self, prepared: &PreparedJob, options: &PostOptions) -> Result<PostedJob, CliError> {
        let owner = self.address();
        let purse = self.chain().purse(&owner).await?;
        let mut number = None;
        if !options.again {
            match self.unfinished(prepared, &purse).await? {
                Unfinished::Arrived(posted) => return Ok(*posted),
                Unfinished::Number(found) => number = Some(found),
                Unfinished::None => {}
            }
        }
        Chain::check_free(&owner, &purse, prepared.quote.cap.atoms(), "this job")?;
        self.chain().check_lamports(self.key(), prepared.quote.rent_sol.0, "posting this job").await?;
        let mut last_job = purse.last_job;
        for _ in 0..NUMBER_TRIES {
            let number = number.take().unwrap_or_else(|| next_number(last_job));
            match self.post_as(prepared, number).await {
                Err(CliError::Send { error, .. }) if matches!(*error, SendError::Failed(_)) => {
                    // Only a number that was taken meanwhile is worth another try.
                    last_job = self.chain().purse(&owner).await?.last_job;
                    if last_job < number {
                        return Err(CliError::send("posting the job")(*error));
                    }
                }
                outcome => return outcome,
            }
        }
        Err(CliError::State("other posts from the same purse kept taking the job's number; try again".to_owned()))
    }

    async fn post_as(&self, prepared: &PreparedJob, number: u64) -> Result<PostedJob, CliError> {
        let owner = self.address();
        let address = address::job(&address::purse(&owner), number);
        let lock = self.store().lock(&address)?;
        let Some(_lock) = lock else {
            return Err(CliError::State(format!("another process is posting job {address} right now; wait for it")));
        };
        let mut record = JobRecord::intended(&address, &owner, number, self.chain().cluster(), now_ms());
        record.name.clone_from(&prepared.quote.name);
        record.manifest = String::from_utf8_lossy(&prepared.canonical).into_owned();
        record.manifest_hash = hex::encode(prepared.manifest_hash);
        record.inputs.clone_from(&prepared.quote.inputs);
        self.store().save(&record)?;

        let instruction = job::post(&owner, number, prepared.args.clone());
        match self.chain().send("posting the job", &[instruction], self.key()).await {
            Ok(sent) => {
                record.posting = Posting::Posted { signature: sent.signature.clone() };
                self.store().save(&record)?;
                let found: Option<Job> = self.chain().client().find(&address).await?;
                Ok(posted(&address, number, found.as_ref(), Some(sent), prepared))
            }
            Err(error) => {
                let unknown = matches!(&error, CliError::Send { error, .. } if !error.is_safe_to_retry());
                // The same number from an earlier attempt may have arrived just now.
                let found: Option<Job> = self.chain().client().find(&address).await.ok().flatten();
                if let Some(found) = found.filter(|found| found.manifest_hash == prepared.manifest_hash) {
                    record.posting = Posting::Posted { signature: String::new() };
                    self.store().save(&record)?;
                    return Ok(posted(&address, number, Some(&found), None, prepared));
                }
                if !unknown {
                    self.store().forget(&address)?;
                }
                Err(error)
            }
        }
    }

    /// What became of an earlier post of the same manifest that was cut off.
    async fn unfinished(&self, prepared: &PreparedJob, purse: &Purse) -> Result<Unfinished, CliError> {
        let hash = hex::encode(prepared.manifest_hash);
        let (owner, cluster) = (self.address().to_string(), self.chain().cluster());
        let same = |record: &JobRecord| {
            record.posting == Posting::Intended
                && record.manifest_hash == hash
                && record.owner == owner
                && record.cluster == cluster
        };
        for mut record in self.store().list()?.into_iter().filter(same) {
            let address = record.address()?;
            let Some(lock) = self.store().lock(&address)? else {
                continue; // its process is alive: that is another job
            };
            if let Some(posted) = self.arrived(&address, &record, prepared).await? {
                record.posting = Posting::Posted { signature: String::new() };
                self.store().save(&record)?;
                return Ok(Unfinished::Arrived(Box::new(posted)));
            }
            if record.number > purse.last_job {
                // The same address again: should the first one still arrive, only one of the two can.
                drop::<PostLock>(lock);
                return Ok(Unfinished::Number(record.number));
            }
            self.store().forget(&address)?;
        }
        Ok(Unfinished::None)
    }

    async fn arrived(
        &self,
        address: &Pubkey,
        record: &JobRecord,
        prepared: &PreparedJob,
    ) -> Result<Option<PostedJob>, CliError> {
        let found: Option<Job> = self.chain().client().find(address).await?;
        let past = match &found {
            Some(_) => true,
            None => history::of_job(self.chain().client(), address).await?.posted,
        };
        Ok(past.then(|| posted(address, record.number, found.as_ref(), None, prepared)))
    }
}

/// A number above the purse's last that another process, which read the same last one, hardly picks too. Never far above:
/// the program refuses numbers that are ahead of the slot.
fn next_number(last_job: u64) -> u64 {
    last_job.saturating_add(1).saturating_add(now_ms() % 256)
}

enum Unfinished {
    None,
    Number(u64),
    Arrived(Box<PostedJob>),
}

fn posted(
    address: &Pubkey,
    number: u64,
    found: Option<&Job>,
    transaction: Option<Sent>,
    prepared: &PreparedJob,
) -> PostedJob {
    PostedJob {
        job: *address,
        number,
        reserved: prepared.quote.cap,
        expires_at: found.map_or(0, |job| job.expires_at),
        transaction,
    }
}
