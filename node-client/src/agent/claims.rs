//! The claims of this machine's GPUs: made behind its offer, given up with it.

use gridlease_core::limits::MAX_CLAIMS;
use gridlease_sdk::account::{GpuClaim, Offer};
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::{Claimed, claim_gpus, release_gpus, withdraw_offer_and_gpus_of};
use gridlease_sdk::market::CLAIM_OFFER_AT;
use gridlease_sdk::market::ReadError;
use sha2::Digest as _;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::chain::Submitted;
use super::market::MarketTask;

/// What a claim is made of: SHA-256 of the GPU's UUID.
fn hash_of(uuid: &str) -> [u8; 32] {
    sha2::Sha256::digest(uuid).into()
}

impl MarketTask {
    /// Claims this machine's GPUs for its offer, as far as they are not. Without all of them the offer takes no lease. `false` where there
    /// is nothing to claim: what is missing is claimed for another offer.
    pub(super) async fn claim(&self) -> Result<bool, ReadError> {
        let offer_key = address::offer(&self.provider, self.number);
        let mut missing = Vec::new();
        for uuid in self.unit.gpus.iter().flatten() {
            let hash = hash_of(uuid);
            match self.chain.client().find::<GpuClaim>(&address::gpu_claim(&hash)).await? {
                None => missing.push(hash),
                Some(claim) if claim.offer == offer_key => {}
                Some(claim) => {
                    tracing::error!(
                        gpu = uuid,
                        provider = %claim.provider,
                        offer = %claim.offer,
                        "this GPU is claimed for another offer; it takes no lease here before that one gives it up \
                         (anyone may release it a week after that offer expired)"
                    );
                }
            }
        }
        if missing.is_empty() {
            return Ok(false);
        }
        let bond = self.chain.client().provider_at(&self.provider).await?.bond;
        for hashes in missing.chunks(MAX_CLAIMS) {
            let claim = claim_gpus(&self.chain.node_key(), &self.provider, &bond, self.number, hashes);
            match self.chain.submit_briefly(&[claim]).await {
                Submitted::Landed(signature) => tracing::info!(%signature, gpus = hashes.len(), "GPUs are claimed"),
                Submitted::Refused { reason, .. } => tracing::error!("the claim of GPUs was refused: {reason}"),
                Submitted::Later(reason) => tracing::warn!("the claim of GPUs did not go through: {reason}"),
            }
        }
        Ok(true) // the next look sees what came of it
    }

    /// The withdrawal of this node's offer with all of its claims, where no lease is open: a transaction holds eight, so
    /// what is beyond is released first. With open leases it is the bare withdrawal.
    pub(super) async fn withdrawal(&self, offer: &Offer) -> Instruction {
        let (node_key, number) = (self.chain.node_key(), self.number);
        let mut claims: Vec<Claimed> = Vec::new();
        if offer.units_free == offer.units && offer.claimed > 0 {
            let key = address::offer(&self.provider, number);
            match self.claims_of(&key).await {
                Ok(found) => claims = found,
                Err(error) => tracing::warn!(%error, "the claims of the offer cannot be read; they stay for now"),
            }
        }
        while claims.len() > MAX_CLAIMS {
            let more = claims.split_off(claims.len() - MAX_CLAIMS);
            let Some((first, rest)) = more.split_first() else { break };
            let release = release_gpus(&node_key, &self.provider, number, first, rest);
            if let Submitted::Refused { reason, .. } | Submitted::Later(reason) =
                self.chain.submit_briefly(&[release]).await
            {
                tracing::warn!("claims of GPUs were not released: {reason}");
            }
        }
        withdraw_offer_and_gpus_of(&node_key, &self.provider, self.machine.account(), number, &offer.payer, &claims)
    }

    async fn claims_of(&self, offer: &Pubkey) -> Result<Vec<Claimed>, ReadError> {
        let claims = self.chain.client().all::<GpuClaim>(&[(CLAIM_OFFER_AT, offer.as_ref())]).await?;
        Ok(claims.into_iter().map(|(_, claim)| (claim.hash, claim.payer)).collect())
    }
}
