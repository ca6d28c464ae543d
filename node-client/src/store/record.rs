//! One lease as the node remembers it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use super::{Fall, StoreError};
use crate::driver::{ContainerId, Exit};
use crate::sold::Sold;
use crate::stats::PeakMemory;

/// How far a lease is. A phase is entered when its effect is complete, but for `Pulling`, which says that it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Won; nothing is here yet.
    Won,
    /// Manifest and inputs are here and verified.
    InputsReady,
    /// The image is being pulled.
    Pulling,
    /// The image is here and verified.
    Pulled,
    /// The container exists.
    Created,
    /// The container runs or ran.
    Started,
    /// The chain knows that it runs.
    ReadyPosted,
    /// The container ended.
    Exited,
    /// Outputs are listed and hashed, the log is closed.
    OutputsCollected,
    /// The chain knows how it ended.
    FinishPosted,
    /// Cleared up. Log and outputs stay for a while.
    Done,
    /// Given up before the container ran.
    Failed {
        /// Why, in words that a buyer may read (see [`crate::for_buyer`]).
        reason: String,
    },
}

impl Phase {
    /// The phase's name, as status answers show it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Won => "won",
            Self::InputsReady => "inputs_ready",
            Self::Pulling => "pulling",
            Self::Pulled => "pulled",
            Self::Created => "created",
            Self::Started => "started",
            Self::ReadyPosted => "ready_posted",
            Self::Exited => "exited",
            Self::OutputsCollected => "outputs_collected",
            Self::FinishPosted => "finish_posted",
            Self::Done => "done",
            Self::Failed { .. } => "failed",
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Won => 0,
            Self::InputsReady => 1,
            Self::Pulling => 2,
            Self::Pulled => 3,
            Self::Created => 4,
            Self::Started => 5,
            Self::ReadyPosted => 6,
            Self::Exited => 7,
            Self::OutputsCollected => 8,
            Self::FinishPosted => 9,
            Self::Failed { .. } => 10,
            Self::Done => 11,
        }
    }
}

/// A step with an effect outside the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Fetching the manifest.
    FetchManifest,
    /// Fetching the inputs.
    FetchInputs,
    /// Restoring what was pushed before.
    Restore,
    /// Pulling the image.
    Pull,
    /// Making the lease's network.
    Connect,
    /// Starting the job's services.
    Services,
    /// Creating the container.
    Create,
    /// Starting it.
    Start,
    /// Starting it once more, after a run that failed.
    Restart,
    /// Telling the chain that it runs.
    PostReady,
    /// Stopping it.
    Stop,
    /// Collecting the outputs.
    Collect,
    /// Telling the chain how it ended.
    PostFinish,
    /// Removing container and files.
    Wipe,
}

/// Why the node itself stopped a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The chain says that the lease is over.
    LeaseOver,
    /// The reserved money is used up.
    OutOfFunds,
    /// The operator said so.
    Operator,
    /// The outputs outgrew the job's disk, or filled it and the container failed.
    DiskFull,
    /// It ran, but the chain did not learn of it before the start deadline.
    TooLate,
}

/// How the container ended, as the chain will be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Exit code; -1 where the container vanished and nobody knows.
    pub code: i64,
    /// Whether its memory limit killed one of its processes.
    pub oom_killed: bool,
    /// When it ended, Unix milliseconds of this machine's clock (the engine's); 0 where unknown.
    pub at_ms: i64,
    /// Whether it vanished instead of ending (removed by hand, lost with the engine's data).
    pub lost: bool,
}

impl Ended {
    /// The end of a container that is not there any more.
    #[must_use]
    pub fn lost() -> Self {
        Self { code: -1, oom_killed: false, at_ms: 0, lost: true }
    }
}

impl From<&Exit> for Ended {
    fn from(exit: &Exit) -> Self {
        Self { code: exit.code, oom_killed: exit.oom_killed, at_ms: exit.finished_at_ms, lost: false }
    }
}

/// By whose doing a start came to nothing, as the chain is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// This machine's, or nobody knows: the bond answers for it.
    #[default]
    Provider,
    /// The buyer did not give what the node needs, or something else than what it posted.
    Buyer,
    /// The container engine refuses what the buyer asks for.
    Engine {
        /// What it would have ended with: 125, 126 or 127.
        exit_code: i32,
    },
}

/// Since when a job that was ready is not well, and what its probe answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwell {
    /// Unix milliseconds of the node's clock.
    pub since_ms: i64,
    /// In words for the buyer.
    pub answer: String,
}

/// What is remembered of a service of a job; of the container that holds the network under an empty name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfService {
    /// When its container was made anew, the last time, Unix milliseconds of this machine's clock.
    pub anew_ms: Option<i64>,
    /// Its end was told.
    pub end_told: bool,
}

/// What is known of a lease when it is won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLease {
    /// The lease.
    pub lease: Pubkey,
    /// Its job.
    pub job: Pubkey,
    /// Which attempt at the job this is, from 1.
    pub attempt: u8,
    /// Who pays: the purse's owner.
    pub buyer: Pubkey,
    /// Who posts for the purse: its spender; zero for none.
    pub poster: Pubkey,
    /// Who watches over the purse's leases: its guardian; zero for none.
    pub guardian: Pubkey,
    /// SHA-256 that the manifest must have.
    pub manifest_hash: [u8; 32],
    /// UUIDs of the GPUs set aside for it.
    pub gpus: Vec<String>,
    /// What the job was posted as.
    pub sold: Sold,
}

/// One lease as the node remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRecord {
    /// The lease.
    #[serde(with = "base58")]
    pub lease: Pubkey,
    /// Its job.
    #[serde(with = "base58")]
    pub job: Pubkey,
    /// Which attempt at the job this is, from 1.
    pub attempt: u8,
    /// Who pays.
    #[serde(with = "base58")]
    pub buyer: Pubkey,
    /// Who posts for the purse; zero for none.
    #[serde(with = "base58")]
    pub poster: Pubkey,
    /// Who watches over the purse's leases; zero for none, and in records of the first edition.
    #[serde(with = "base58", default)]
    pub guardian: Pubkey,
    /// SHA-256 that the manifest must have.
    #[serde(with = "hex32")]
    pub manifest_hash: [u8; 32],
    /// UUIDs of the GPUs set aside for it.
    pub gpus: Vec<String>,
    /// What the job was posted as; `None` in records of a version that did not keep it, until the chain was asked.
    #[serde(default)]
    pub sold: Option<Sold>,
    /// How far it is.
    pub phase: Phase,
    /// The step that was begun and of which no end is known.
    pub intent: Option<Step>,
    /// Bytes of its images, unpacked, once they are here; not in records of an earlier version.
    #[serde(default)]
    pub image_bytes: Option<u64>,
    /// The container, once created.
    pub container: Option<ContainerId>,
    /// When it was won, Unix milliseconds.
    pub won_at_ms: i64,
    /// When the container started, Unix milliseconds of this machine's clock (the container engine's).
    pub started_at_ms: Option<i64>,
    /// Since when the container stands still, Unix milliseconds of the node's clock; none while it does not.
    #[serde(default)]
    pub paused_since_ms: Option<i64>,
    /// For how long it stood still since `ready`, before that, milliseconds.
    #[serde(default)]
    pub stood_ms: i64,
    /// When the meter started, Unix milliseconds of the node's clock; not in records of an earlier version.
    #[serde(default)]
    pub metered_ms: Option<i64>,
    /// Signature of the transaction that posted `ready`.
    pub ready_signature: Option<String>,
    /// Runs that failed and that another one followed in this lease; not in records of an earlier version.
    #[serde(default)]
    pub falls: Vec<Fall>,
    /// What is remembered of its services, by name; not in records of an earlier version.
    #[serde(default)]
    pub services: BTreeMap<String, OfService>,
    /// Why the node stopped the container, where it did.
    pub stop: Option<StopReason>,
    /// How the container ended.
    pub ended: Option<Ended>,
    /// When it ended, or was missed, Unix milliseconds of the node's clock, which is the chain's.
    #[serde(default)]
    pub ended_ms: Option<i64>,
    /// What its memory came to, as far as it was seen; not in records of an earlier version.
    #[serde(default)]
    pub memory: Option<PeakMemory>,
    /// Hash of the outputs, once collected.
    #[serde(with = "hex32::option")]
    pub output_root: Option<[u8; 32]>,
    /// Whether the outputs are still on their way to their stores.
    #[serde(default)]
    pub push_due: bool,
    /// Lines in the log, once closed.
    pub log_lines: u64,
    /// Last value of the log's hash chain, once closed.
    #[serde(with = "hex32")]
    pub log_hash: [u8; 32],
    /// Signature of the transaction that posted `finish`.
    pub finish_signature: Option<String>,
    /// When `finish` was posted, Unix milliseconds.
    pub finished_at_ms: Option<i64>,
    /// When everything was cleared up, Unix milliseconds.
    pub done_at_ms: Option<i64>,
    /// By whose doing the start came to nothing, where it did.
    #[serde(default)]
    pub blame: Blame,
    /// Since when its probes are not right any more, while they are not.
    #[serde(default)]
    pub unwell: Option<Unwell>,
    /// Whether engine or machine went away under the container before its end was seen; not in records of an earlier version.
    #[serde(default)]
    pub interrupted: bool,
    /// Whether the engine could not be asked for the container since that was last seen running; not in records of an earlier version.
    #[serde(default)]
    pub unseen: bool,
    /// Why the job was not started again although its manifest says so, in words for the buyer; not in records of an earlier version.
    #[serde(default)]
    pub not_again: Option<String>,
    /// What a person should know, one sentence; may be empty.
    pub message: String,
}

impl LeaseRecord {
    /// A lease just won, for tests that do not care which.
    #[cfg(test)]
    pub(crate) fn some() -> Self {
        let key = Pubkey::new_from_array([1; 32]);
        let new = NewLease {
            lease: key,
            job: key,
            attempt: 1,
            buyer: key,
            poster: key,
            guardian: key,
            manifest_hash: [0; 32],
            gpus: vec![],
            sold: Sold::default(),
        };
        Self::won(new, 0)
    }

    pub(crate) fn won(new: NewLease, now_ms: i64) -> Self {
        Self {
            lease: new.lease,
            job: new.job,
            attempt: new.attempt,
            buyer: new.buyer,
            poster: new.poster,
            guardian: new.guardian,
            manifest_hash: new.manifest_hash,
            gpus: new.gpus,
            sold: Some(new.sold),
            phase: Phase::Won,
            intent: None,
            image_bytes: None,
            container: None,
            won_at_ms: now_ms,
            started_at_ms: None,
            paused_since_ms: None,
            stood_ms: 0,
            metered_ms: None,
            ready_signature: None,
            falls: Vec::new(),
            services: BTreeMap::new(),
            stop: None,
            ended: None,
            ended_ms: None,
            memory: None,
            output_root: None,
            push_due: false,
            log_lines: 0,
            log_hash: [0; 32],
            finish_signature: None,
            finished_at_ms: None,
            done_at_ms: None,
            blame: Blame::Provider,
            unwell: None,
            interrupted: false,
            unseen: false,
            not_again: None,
            message: String::new(),
        }
    }

    /// Goes to `phase`. Staying where it is is fine; a lease never goes back.
    ///
    /// # Errors
    /// [`StoreError::Backwards`].
    pub fn advance(&mut self, phase: Phase) -> Result<(), StoreError> {
        if phase.rank() < self.phase.rank() {
            return Err(StoreError::Backwards { lease: self.lease, from: self.phase.name(), to: phase.name() });
        }
        self.phase = phase;
        Ok(())
    }

    /// Goes to `phase` unless the lease is there or further already.
    pub fn reach(&mut self, phase: Phase) {
        if phase.rank() > self.phase.rank() {
            self.phase = phase;
        }
    }

    /// Clears the lease up: [`Phase::Done`] at `now_ms`. A failed lease stays failed, so that its reason stays.
    pub fn clear(&mut self, now_ms: i64) {
        if !matches!(self.phase, Phase::Failed { .. }) {
            self.phase = Phase::Done;
        }
        self.done_at_ms.get_or_insert(now_ms);
    }

    /// Whether it is not on record that the chain has the `ready`.
    #[must_use]
    pub fn ready_missing(&self) -> bool {
        matches!(
            self.phase,
            Phase::Won | Phase::InputsReady | Phase::Pulling | Phase::Pulled | Phase::Created | Phase::Started
        )
    }

    /// Whether nothing is left to do for it.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        self.done_at_ms.is_some()
    }
}

/// Addresses as base58 text, as everywhere else.
mod base58 {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use solana_pubkey::Pubkey;

    pub fn serialize<S: Serializer>(key: &Pubkey, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(key)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Pubkey, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Hashes as lower-case hex.
pub(crate) mod hex32 {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(hash: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(hash))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 32], D::Error> {
        parse(&String::deserialize(from)?)
    }

    fn parse<E: serde::de::Error>(text: &str) -> Result<[u8; 32], E> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(E::custom)?;
        Ok(hash)
    }

    pub mod option {
        use serde::{Deserialize as _, Deserializer, Serializer};

        pub fn serialize<S: Serializer>(hash: &Option<[u8; 32]>, to: S) -> Result<S::Ok, S::Error> {
            match hash {
                Some(hash) => to.serialize_some(&hex::encode(hash)),
                None => to.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
            Option::<String>::deserialize(from)?.map(|text| super::parse(&text)).transpose()
        }
    }
}
