//! Verdicts on verified leases.

use gridlease_core::Atoms;
use solana_pubkey::Pubkey;

use super::{Answer, GONE, InMarket, Model, require};
use crate::command::By;

impl Model {
    /// Who signs where the verifier should: a stranger, where nobody is configured.
    pub fn verifier(&self, by: By) -> Pubkey {
        let right = self.market.verifier;
        self.signer(by, if right == Pubkey::default() { self.anybody(0) } else { right })
    }

    /// Who proved something: a holder, or nobody.
    pub fn prover(&self, prover: u8) -> Pubkey {
        usize::from(prover).checked_sub(1).map_or(Pubkey::default(), |holder| self.holder(holder % self.holders()))
    }

    pub(super) fn verdict(&mut self, job: usize, lease: usize, by: By, slash: u64, prover: u8) -> Answer {
        let (now, at) = (self.now, self.lease_at(job, lease).ok_or(GONE)?);
        let (signer, prover) = (self.verifier(by), self.prover(prover));
        let one = self.let_alone(job, lease)?.1.clone();
        require(signer == self.market.verifier, "market NotVerifier")?;
        // Its reservation is gone, or stays for claims alone.
        require(!one.released, "market Unrelated")?;
        let part = self.operators_part(one.provider, &one.keys.lease, one.reservation)?;
        let (_, current) = self.let_alone(job, lease)?;
        let split = current.rules.judge(Atoms(slash), one.reservation, part, now).market()?;
        current.disproved = slash > 0;
        if slash == 0 {
            self.noted.push("a verdict cleared a lease");
            return Ok(());
        }
        self.noted.push(match (split.victim.is_zero(), split.prover.is_zero(), split.insurance.is_zero()) {
            (true, true, _) => "all that a verdict took went to insurance",
            (true, false, _) => "a verdict took something for who proved it, and nothing for the buyer",
            (false, true, true) => "a verdict took something for the buyer alone",
            (false, true, false) => "a verdict took something for the buyer, and nothing for who proved it",
            (false, false, _) => "a verdict took something for the buyer and for who proved it",
        });
        if Atoms(slash) == one.reservation {
            self.noted.push("a verdict took all that was reserved");
        }
        self.providers[one.provider].record.as_mut().ok_or(GONE)?.history.on_fault();
        self.take_stake(job, at, &split, prover)
    }
}
