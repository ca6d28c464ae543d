//! This machine's offer: posted, refreshed, made anew, taken back. Only ever its own: the offers of the provider's other machines
//! are those of their nodes.

use gridlease_core::Now;
use gridlease_core::requirement::OfferSpec;
use gridlease_sdk::account::{Offer, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::{OfferMachine, OfferTerms, SpecArgs, post_offer_of, refresh_offer};
use solana_instruction::Instruction;

use super::chain::Submitted;
use super::config::gpu_root;
use super::market::MarketTask;

/// The most that one offer asks of its machine's limit of stake: a million USDC.
const STAKE_OF_OFFER: u64 = 1_000_000_000_000;
/// Life that is left to an offer with open leases when it is taken back; one that has passed would be refused.
const LAST_SECONDS: u64 = 10;

/// What came of looking after the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It stands.
    Stands,
    /// It was refused, or nobody knows: to be tried again.
    Later,
    /// It was withdrawn, and cannot be posted again before its open leases are over.
    Waits,
    /// None can be made: the machine is retired, or has no stake left for one, or the number is another's.
    Shut,
}

impl MarketTask {
    fn terms(&self, now: Now) -> OfferTerms {
        OfferTerms {
            ask: self.policy.ask,
            floor: self.policy.floor,
            expires_ts: now.ts.0.saturating_add(self.policy.life.as_secs()),
            units: self.policy.units,
            auto_bid: self.policy.auto_bid,
        }
    }

    /// Posts, refreshes or revives the offer. `room_mib`: what the disk has for all units; `before`: what came of it last.
    pub(super) async fn keep_offer(
        &self,
        offer: Option<&Offer>,
        now: Now,
        room_mib: u64,
        before: Option<Kept>,
    ) -> Kept {
        let Some(offer) = offer else {
            return match self.post(None, now, room_mib, before).await {
                Some(post) => self.submit_offer("the offer stands", &[post]).await,
                None => Kept::Shut,
            };
        };
        let live = offer.header.state == offer_state::LIVE;
        if live && self.is_of_this_machine(offer, room_mib) {
            let refresh = refresh_offer(&self.chain.node_key(), &self.provider, self.number, self.terms(now));
            return self.submit_offer("the offer stands", &[refresh]).await;
        }
        let busy = offer.units_free < offer.units || offer.unpaid > 0 || offer.sealed > 0;
        if busy && !live {
            if before != Some(Kept::Waits) {
                tracing::info!("the withdrawn offer waits for its open leases");
            }
            return Kept::Waits;
        }
        // After a change of the machine or of its units' size, what the chain says must not be sold any longer. An account has to
        // be closed before it can be posted again.
        let post = if busy { None } else { self.post(Some(offer), now, room_mib, before).await };
        let withdrawal = self.withdrawal(offer).await;
        let (kept, word, instructions) = match post {
            Some(post) => (Kept::Stands, "the offer stands", vec![withdrawal, post]),
            None if busy => (Kept::Waits, "the offer takes no more leases", vec![withdrawal]),
            None => (Kept::Shut, "the offer is withdrawn", vec![withdrawal]),
        };
        match self.submit_offer(word, &instructions).await {
            Kept::Stands => kept,
            failed => failed,
        }
    }

    async fn submit_offer(&self, done: &str, instructions: &[Instruction]) -> Kept {
        match self.chain.submit_briefly(instructions).await {
            Submitted::Landed(signature) => {
                tracing::info!(%signature, ask = self.policy.ask, floor = self.policy.floor, "{done}");
                Kept::Stands
            }
            Submitted::Refused { reason, .. } => {
                tracing::error!("the offer was refused: {reason}");
                Kept::Later
            }
            Submitted::Later(reason) => {
                tracing::warn!("the offer did not go through: {reason}");
                Kept::Later
            }
        }
    }

    /// Does the offer on chain promise what this machine has? Free disk varies, so less than there is will do, but never more
    /// than there is room for beside the results that are kept.
    fn is_of_this_machine(&self, offer: &Offer, room_mib: u64) -> bool {
        let (promised, own) = (offer.unit(), self.unit.spec);
        let disk_fits = promised.disk_mib <= own.disk_mib || self.policy.disk_mib.is_none();
        let same = OfferSpec { disk_mib: own.disk_mib, ..promised } == own;
        same && disk_fits && !self.policy.oversells(&promised, room_mib) && offer.gpu_root == self.gpu_root()
    }

    fn gpu_root(&self) -> [u8; 32] {
        let uuids: Vec<String> = self.unit.gpus.iter().flatten().cloned().collect();
        gpu_root(&uuids)
    }

    /// The offer's posting, in the place of `old`; none where the machine can have no offer now, of which the operator is told once.
    async fn post(&self, old: Option<&Offer>, now: Now, room_mib: u64, before: Option<Kept>) -> Option<Instruction> {
        let stake_limit = self.stake_limit(old, before).await?;
        let spec = &self.policy.within(self.unit.spec, room_mib);
        let machine = OfferMachine {
            spec: SpecArgs {
                vram_mib: spec.vram_mib,
                cpu_milli: spec.cpu_milli,
                memory_mib: spec.memory_mib,
                disk_mib: spec.disk_mib,
                down_mbit: spec.down_mbit,
                up_mbit: spec.up_mbit,
                flags: spec.flags,
                compute_capability: spec.compute_capability,
                cuda: spec.cuda,
                gpu_model: spec.gpu_model,
                gpu_count: spec.gpu_count,
                region: spec.region,
            },
            gpu_root: self.gpu_root(),
            benchmark_hash: [0; 32],
            benchmark: 0,
            stake_limit,
        };
        let (node_key, of) = (self.chain.node_key(), self.machine.account());
        Some(post_offer_of(&node_key, &self.provider, of, self.number, machine, self.terms(now)))
    }

    /// What the offer may bind of the bond: what the machine has left, with what `old` gives back, at most [`STAKE_OF_OFFER`], so
    /// that other offers of the same machine have theirs. None where that is nothing. Where it cannot be read, the chain has the
    /// last word.
    async fn stake_limit(&self, old: Option<&Offer>, before: Option<Kept>) -> Option<u64> {
        let mut machine = match self.chain.client().machine(&self.provider, self.machine.number).await {
            Ok(machine) => machine,
            Err(error) => {
                tracing::warn!(%error, "the machine's limit of stake cannot be read");
                return Some(STAKE_OF_OFFER);
            }
        };
        let told = before == Some(Kept::Shut);
        if machine.rules.retired {
            if !told {
                tracing::warn!(
                    "the machine is retired: it offers nothing any more, and this node serves what is left of its leases"
                );
            }
            return None;
        }
        if let Some(next) = old.and_then(|old| machine.rules.take_back(&old.limit()).ok()) {
            machine.rules = next;
        }
        let room = machine.room().0.min(STAKE_OF_OFFER);
        if room == 0 {
            if !told {
                let (limit, allotted) = (machine.rules.limit.0, machine.rules.allotted.0);
                tracing::error!(
                    limit,
                    allotted,
                    "the machine's limit of stake is used up, so it offers nothing; the authority raises it with `{} --stake-limit`",
                    super::Named(self.machine.number).update()
                );
            }
            return None;
        }
        Some(room)
    }

    /// Takes the offer off the market: withdrawn where no lease is open, else left without a free unit and soon to
    /// expire, because a withdrawn offer could not be revived while its leases run. What fails here, its expiry does.
    pub(super) async fn suspend(&self) {
        let key = address::offer(&self.provider, self.number);
        let client = self.chain.client();
        let Ok(Some(offer)) = client.find::<Offer>(&key).await else { return };
        if !self.machine.has(&offer) {
            return;
        }
        let node_key = self.chain.node_key();
        let open = offer.units.saturating_sub(offer.units_free);
        let instruction = if open == 0 {
            self.withdrawal(&offer).await
        } else if offer.header.state != offer_state::LIVE {
            return; // it takes nothing as it is
        } else {
            let Ok(now) = self.chain.now().await else { return };
            let expires_ts = now.ts.0.saturating_add(LAST_SECONDS);
            let terms = OfferTerms { units: open, auto_bid: false, expires_ts, ..self.terms(now) };
            refresh_offer(&node_key, &self.provider, self.number, terms)
        };
        match self.chain.submit_briefly(&[instruction]).await {
            Submitted::Landed(signature) if open == 0 => {
                tracing::info!(%signature, "the offer is withdrawn, its rent returned");
            }
            Submitted::Landed(signature) => {
                tracing::info!(%signature, open, "the offer takes no more leases; the open ones run on");
            }
            Submitted::Refused { reason, .. } | Submitted::Later(reason) => {
                tracing::warn!("the offer could not be taken back ({reason}); it expires by itself");
            }
        }
    }
}
