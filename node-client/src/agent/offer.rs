//! This machine's offer, as the planner decides: posted, refreshed, made anew, taken back. Only ever its own: the offers of the
//! provider's other machines are those of their nodes.

use gridlease_core::Atoms;
use gridlease_core::requirement::OfferSpec;
use gridlease_sdk::account::Offer;
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::{OfferMachine, OfferTerms, SpecArgs, post_offer_of, refresh_offer};
use solana_instruction::Instruction;
use tokio::time::Instant;

use super::chain::Submitted;
use super::market::{MarketTask, Memory};
use crate::market::{Decision, Kept, Terms, Why, gpu_root, suspension};

fn of(terms: Terms) -> OfferTerms {
    let Terms { ask, floor, expires, units, auto_bid } = terms;
    OfferTerms { ask, floor, expires_ts: expires.0, units, auto_bid }
}

impl MarketTask {
    /// Does what was decided about the offer, and remembers what came of it.
    pub(super) async fn keep_offer(&self, decision: Decision, offer: Option<&Offer>, memory: &mut Memory) {
        let (kept, instructions, why) = match decision {
            Decision::Post { spec, stake_limit, terms, over, why } => {
                let old = offer.filter(|_| over);
                let withdrawal = match old {
                    Some(old) => Some(self.withdrawal(old).await),
                    None => None,
                };
                let post = self.post(spec, stake_limit, terms);
                (Kept::Stands, withdrawal.into_iter().chain([post]).collect(), why)
            }
            // What ends by the machine's own state is done by what the chain says now: a lease may have been won meanwhile.
            Decision::Refresh { why: why @ (Why::Trouble(_) | Why::Leaving), .. }
            | Decision::Withdraw { why: why @ (Why::Trouble(_) | Why::Leaving), .. } => {
                memory.offer = Some((Instant::now(), Kept::Shut));
                self.suspend(why.clone()).await;
                self.tell(why, memory);
                return self.following.read_again(&[address::offer(&self.provider, self.number)]).await;
            }
            Decision::Refresh { terms, why } => {
                let refresh = refresh_offer(&self.chain.node_key(), &self.provider, self.number, of(terms));
                (Kept::Stands, vec![refresh], why)
            }
            Decision::Withdraw { busy, why } => {
                let Some(offer) = offer else { return };
                let kept = if busy { Kept::Waits } else { Kept::Shut };
                (kept, vec![self.withdrawal(offer).await], why)
            }
            Decision::Rest { kept, why } => {
                memory.offer = kept.map(|kept| (Instant::now(), kept)).or(memory.offer);
                return self.tell(why, memory);
            }
            _ => return,
        };
        let done = self.submit_offer(kept, &instructions, &why).await;
        memory.offer = Some((Instant::now(), if done { kept } else { Kept::Later }));
        self.tell(why, memory);
        self.following.read_again(&[address::offer(&self.provider, self.number)]).await;
    }

    /// Tells the operator why the offer is as it is, where that is news.
    fn tell(&self, why: Why, memory: &mut Memory) {
        if memory.told.as_ref() == Some(&why) {
            return;
        }
        match &why {
            Why::Renewed | Why::Asleep | Why::NoneYet => tracing::debug!("{why}"),
            Why::Trouble(_) | Why::Foreign { .. } => tracing::error!(number = self.number, "{why}"),
            Why::NoStakeLeft { .. } => tracing::error!(
                "{why} The authority raises it with `{} --stake-limit`",
                super::Named(self.machine.number).update()
            ),
            Why::Retired | Why::Differs(_) => tracing::warn!("{why}"),
            _ => tracing::info!("{why}"),
        }
        memory.told = Some(why);
    }

    /// Sends what concerns the offer; whether that landed.
    async fn submit_offer(&self, kept: Kept, instructions: &[Instruction], why: &Why) -> bool {
        let done = match kept {
            Kept::Stands => "the offer stands",
            Kept::Waits => "the offer takes no more leases",
            Kept::Shut | Kept::Later => "the offer is off the market",
        };
        match self.chain.submit_briefly(instructions).await {
            Submitted::Landed(signature) => {
                tracing::info!(%signature, ask = self.policy.ask, floor = self.policy.floor, "{done}: {why}");
                true
            }
            Submitted::Refused { reason, .. } => {
                tracing::error!("the offer was refused: {reason}");
                false
            }
            Submitted::Later(reason) => {
                tracing::warn!("the offer did not go through: {reason}");
                false
            }
        }
    }

    /// The offer's posting.
    fn post(&self, spec: OfferSpec, stake_limit: Atoms, terms: Terms) -> Instruction {
        let uuids: Vec<String> = self.unit.gpus.iter().flatten().cloned().collect();
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
            gpu_root: gpu_root(&uuids),
            benchmark_hash: [0; 32],
            benchmark: 0,
            stake_limit: stake_limit.0,
        };
        let (node_key, account) = (self.chain.node_key(), self.machine.account());
        post_offer_of(&node_key, &self.provider, account, self.number, machine, of(terms))
    }

    /// Takes the offer off the market as the chain has it now, see [`suspension`].
    pub(super) async fn suspend(&self, why: Why) {
        let key = address::offer(&self.provider, self.number);
        let Ok(Some(offer)) = self.chain.client().find::<Offer>(&key).await else { return };
        if !self.machine.has(&offer) {
            return;
        }
        let Ok(now) = self.chain.now().await else { return };
        let open = offer.units.saturating_sub(offer.units_free);
        let instruction = match suspension(&offer, self.policy.terms(now.ts), now.ts, why) {
            Some(Decision::Refresh { terms, .. }) => {
                refresh_offer(&self.chain.node_key(), &self.provider, self.number, of(terms))
            }
            Some(_) => self.withdrawal(&offer).await,
            None => return, // it takes nothing as it is
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
