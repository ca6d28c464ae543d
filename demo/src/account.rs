//! Who holds what: every atom that was ever minted, and every step of one deposit.

use anyhow::{Context as _, Result};
use gridlease_core::{Atoms, invariant};
use gridlease_sdk::address;
use serde::Serialize;
use solana_signer::Signer as _;

use crate::market::Market;

/// One holder of USDC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// Who.
    pub holder: String,
    /// How much, in atoms.
    pub atoms: u64,
}

/// The books of a market at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Books {
    /// Everything that was minted.
    pub supply_atoms: u64,
    /// Who holds it.
    pub holdings: Vec<Holding>,
    /// Ever deposited into the buyer's purse.
    pub deposit_atoms: u64,
    /// Ever paid to providers out of it.
    pub paid_atoms: u64,
    /// Ever recorded as fees.
    pub fee_atoms: u64,
    /// Withdrawn, or free to be.
    pub refunded_atoms: u64,
    /// Still bound to open jobs and leases.
    pub held_atoms: u64,
}

impl Books {
    /// Reads the books off the chain.
    ///
    /// # Errors
    /// The chain cannot be read.
    pub async fn read(market: &Market) -> Result<Self> {
        let client = &market.client;
        let owner = market.buyer.pubkey();
        let purse_key = address::purse(&owner);
        let balance = async |key| -> Result<u64> { Ok(client.token_balance(&key).await?.unwrap_or(0)) };
        let mut holdings = vec![
            Holding {
                holder: "buyer's wallet".to_owned(),
                atoms: balance(address::token_account(&owner, &market.mint)).await?,
            },
            Holding { holder: "buyer's purse".to_owned(), atoms: balance(address::purse_vault(&purse_key)).await? },
            Holding { holder: "treasury".to_owned(), atoms: balance(market.treasury).await? },
            Holding { holder: "insurance fund".to_owned(), atoms: balance(market.insurance).await? },
        ];
        // A further machine has its provider's bond and payout account.
        for provider in market.providers.iter().filter(|provider| provider.options.machine_of.is_none()) {
            let name = &provider.options.name;
            let bond = address::bond_vault(&address::bond(&provider.authority.pubkey()));
            holdings.push(Holding { holder: format!("{name}: payout"), atoms: balance(provider.payout).await? });
            holdings.push(Holding { holder: format!("{name}: bond"), atoms: balance(bond).await? });
        }
        let mint = client.account(&market.mint).await?.context("the mint is gone")?;
        let purse = client.purse_of(&owner).await?;
        let (deposited, withdrawn, paid, fees, reserved, free) = purse.map_or((0, 0, 0, 0, 0, 0), |purse| {
            (purse.deposited, purse.withdrawn, purse.paid, purse.fees, purse.reserved, purse.free().0)
        });
        Ok(Self {
            supply_atoms: supply(&mint.data).context("the mint is damaged")?,
            holdings,
            deposit_atoms: deposited,
            paid_atoms: paid,
            fee_atoms: fees,
            refunded_atoms: withdrawn + free,
            held_atoms: reserved,
        })
    }

    /// Not an atom is elsewhere.
    ///
    /// # Errors
    /// The sums that differ.
    pub fn check(&self) -> Result<()> {
        let held: u64 = self.holdings.iter().map(|holding| holding.atoms).sum();
        anyhow::ensure!(held == self.supply_atoms, "{held} atoms are held, {} were minted", self.supply_atoms);
        invariant::conservation(
            Atoms(self.deposit_atoms),
            Atoms(self.paid_atoms),
            Atoms(self.fee_atoms),
            Atoms(self.refunded_atoms),
            Atoms(self.held_atoms),
        )
        .with_context(|| {
            format!(
                "deposit {} differs from paid {} + fee {} + refunded {} + held {}",
                self.deposit_atoms, self.paid_atoms, self.fee_atoms, self.refunded_atoms, self.held_atoms
            )
        })
    }
}

/// Supply of an SPL Token mint: eight bytes at offset 36.
fn supply(data: &[u8]) -> Option<u64> {
    data.get(36..44).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
}
