//! `0001`: both programs are deployed, and the market is configured.
//!
//! For each program: a buffer is opened, its bytes are written, and it is deployed from there. Then both configurations are
//! written in one transaction. Only the programs' upgrade authority can do that, so nobody comes between.

mod configure;
mod deploy;

use gridlease_sdk::address;
use solana_pubkey::Pubkey;

use crate::migration::{Migration, Step};
use configure::Configure;
use deploy::{Deploy, OpenBuffer, WriteBytes};

/// Deploys both programs and configures the market.
#[derive(Debug)]
pub struct FoundMarket;

/// A program of the market's.
#[derive(Clone, Copy, Debug)]
struct Target {
    name: &'static str,
    id: Pubkey,
    /// Its configuration. Where that is written, the program has begun to live.
    config: Pubkey,
}

impl Migration for FoundMarket {
    fn number(&self) -> u32 {
        1
    }

    fn name(&self) -> &'static str {
        "found the market"
    }

    fn steps(&self) -> Vec<Box<dyn Step>> {
        let targets = [
            Target { name: "staking", id: address::STAKING, config: address::staking_config() },
            Target { name: "market", id: address::MARKET, config: address::market_config() },
        ];
        let mut steps: Vec<Box<dyn Step>> = Vec::new();
        for target in targets {
            steps.push(Box::new(OpenBuffer(target)));
            steps.push(Box::new(WriteBytes(target)));
            steps.push(Box::new(Deploy(target)));
        }
        steps.push(Box::new(Configure));
        steps
    }
}
