//! How a keeper runs.

use std::time::Duration;

use gridlease_sdk::rpc::{ClientConfig, ClusterUrl, SendOptions, WatchConfig};

use crate::error::KeeperError;
use gridlease_sdk::crank::Policy;
use gridlease_sdk::view::DEFAULT_LIMIT;

/// When a keeper ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When it is told to.
    Follow,
    /// When nothing is due any more.
    Once,
}

/// Settings of a keeper. [`KeeperConfig::new`] is right for most.
#[derive(Clone, Debug)]
pub struct KeeperConfig {
    /// The network.
    pub cluster: ClusterUrl,
    /// How it is asked.
    pub client: ClientConfig,
    /// How it is followed; `rescan` is how often everything is read anyway.
    pub watch: WatchConfig,
    /// How transactions are sent; `max_priority_fee` bounds what each may cost.
    pub send: SendOptions,
    /// What is worth its fee, and which part of the work is taken.
    pub policy: Policy,
    /// When it ends.
    pub mode: Mode,
    /// Say what is due, and send nothing.
    pub dry_run: bool,
    /// Transactions under way at the same time, 1 to 256. Default 16.
    pub concurrency: usize,
    /// Most lamports that may be spent on fees in an hour. Default 50,000,000 (0.05 SOL).
    pub fee_budget: u64,
    /// Below this many lamports the keeper warns. Default 10,000,000 (0.01 SOL).
    pub low_sol: u64,
    /// How often changes are looked at, 10 ms to 10 s. Default 200 ms.
    pub tick: Duration,
    /// How often the chain's clock is read, 50 ms to 30 s. Default 2 s.
    pub clock_every: Duration,
    /// How often the books are audited, at least 1 s; `None`: never. Default one minute.
    pub audit_every: Option<Duration>,
    /// How often the keeper's own balance is read, at least 1 s. Default one minute.
    pub balance_every: Duration,
    /// Most accounts that are kept in mind. Where the market has more, those that matter least to this keeper are left out
    /// until there is room again. Default 200,000.
    pub max_accounts: usize,
    /// How long transactions under way may take to end after the keeper was told to. Default 10 s.
    pub drain: Duration,
}

impl KeeperConfig {
    /// A keeper of all work on `cluster`.
    pub fn new(cluster: ClusterUrl) -> Self {
        Self {
            cluster,
            client: ClientConfig::default(),
            watch: WatchConfig::default(),
            send: SendOptions::default(),
            policy: Policy::default(),
            mode: Mode::Follow,
            dry_run: false,
            concurrency: 16,
            fee_budget: 50_000_000,
            low_sol: 10_000_000,
            tick: Duration::from_millis(200),
            clock_every: Duration::from_secs(2),
            audit_every: Some(Duration::from_secs(60)),
            balance_every: Duration::from_secs(60),
            max_accounts: DEFAULT_LIMIT,
            drain: Duration::from_secs(10),
        }
    }

    pub(crate) fn validate(&self) -> Result<(), KeeperError> {
        let within = |field: &'static str, value: Duration, least: Duration, most: Duration| {
            if value < least || value > most {
                let reason = format!("it is {value:?}, it must be {least:?} to {most:?}");
                return Err(KeeperError::Config { field, reason });
            }
            Ok(())
        };
        let ms = Duration::from_millis;
        let day = Duration::from_secs(86_400);
        within("tick", self.tick, ms(10), ms(10_000))?;
        within("clock_every", self.clock_every, ms(50), ms(30_000))?;
        within("balance_every", self.balance_every, ms(1_000), day)?;
        if let Some(every) = self.audit_every {
            within("audit_every", every, ms(1_000), day)?;
        }
        if self.concurrency == 0 || self.concurrency > 256 {
            let reason = format!("it is {}, it must be 1 to 256", self.concurrency);
            return Err(KeeperError::Config { field: "concurrency", reason });
        }
        if self.max_accounts == 0 {
            return Err(KeeperError::Config { field: "max_accounts", reason: "it is 0".to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_bounds_are_refused_with_the_field_named() {
        let config = KeeperConfig::new(ClusterUrl::parse("localhost").unwrap());
        config.validate().unwrap();
        let refused = |change: fn(&mut KeeperConfig)| {
            let mut config = config.clone();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(refused(|config| config.concurrency = 0).contains("concurrency"));
        assert!(refused(|config| config.tick = Duration::ZERO).contains("tick"));
        assert!(refused(|config| config.audit_every = Some(Duration::ZERO)).contains("audit_every"));
    }
}
