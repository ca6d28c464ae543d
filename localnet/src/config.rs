//! What a caller may choose about the local network.

use solana_pubkey::Pubkey;

use crate::LocalnetError;

/// The length of a slot unless a caller asks for another, in milliseconds; the protocol's own figure.
const DEFAULT_SLOT_MS: u64 = 400;
/// Shorter slots starve the JSON-RPC server of the lock that both need.
const MIN_SLOT_MS: u64 = 20;
/// Longer slots make every confirmation time out.
const MAX_SLOT_MS: u64 = 10_000;
/// More accounts than this are better funded one by one, with errors that can be handled.
const MAX_GENESIS_AIRDROPS: usize = 1_000;

/// Settings of a [`Localnet`](crate::Localnet). `Default` is two free ports, 400 ms slots and nobody funded.
#[derive(Clone, Debug)]
pub struct LocalnetConfig {
    /// JSON-RPC port on loopback; `None` takes a free one.
    pub rpc_port: Option<u16>,
    /// Websocket port on loopback; `None` takes a free one. Solana's clients expect it at the JSON-RPC port + 1
    /// unless they are told otherwise.
    pub ws_port: Option<u16>,
    /// Length of a slot in milliseconds, 20 to 10,000.
    pub slot_ms: u64,
    /// Accounts funded before the first slot, with lamports; at most 1,000. The same account may appear once only.
    pub genesis_airdrops: Vec<(Pubkey, u64)>,
}

impl Default for LocalnetConfig {
    fn default() -> Self {
        Self { rpc_port: None, ws_port: None, slot_ms: DEFAULT_SLOT_MS, genesis_airdrops: Vec::new() }
    }
}

impl LocalnetConfig {
    /// Refuses settings that cannot work, naming the field.
    pub(crate) fn validate(&self) -> Result<(), LocalnetError> {
        let invalid = |reason: String| Err(LocalnetError::Config { reason });
        if !(MIN_SLOT_MS..=MAX_SLOT_MS).contains(&self.slot_ms) {
            return invalid(format!("slot_ms is {}, it must be {MIN_SLOT_MS} to {MAX_SLOT_MS}", self.slot_ms));
        }
        if self.rpc_port == Some(0) || self.ws_port == Some(0) {
            return invalid("port 0 is no port; leave it out to get a free one".to_owned());
        }
        if self.rpc_port.is_some() && self.rpc_port == self.ws_port {
            return invalid(format!(
                "rpc_port and ws_port are both {}; they must differ",
                self.rpc_port.unwrap_or_default()
            ));
        }
        if self.genesis_airdrops.len() > MAX_GENESIS_AIRDROPS {
            return invalid(format!(
                "{} genesis airdrops, at most {MAX_GENESIS_AIRDROPS} are allowed",
                self.genesis_airdrops.len()
            ));
        }
        let mut seen = std::collections::HashSet::new();
        for (account, _) in &self.genesis_airdrops {
            if !seen.insert(*account) {
                return invalid(format!("genesis_airdrops names {account} twice"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(config: LocalnetConfig) -> String {
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn the_default_is_valid_and_has_400_ms_slots() {
        let config = LocalnetConfig::default();
        assert_eq!(config.slot_ms, 400);
        config.validate().unwrap();
    }

    #[test]
    fn impossible_settings_are_refused_with_the_field_named() {
        let with = |change: fn(&mut LocalnetConfig)| {
            let mut config = LocalnetConfig::default();
            change(&mut config);
            reason(config)
        };
        assert!(with(|c| c.slot_ms = 1).contains("slot_ms is 1"));
        assert!(with(|c| c.rpc_port = Some(0)).contains("port 0"));
        assert!(
            with(|c| {
                c.rpc_port = Some(8899);
                c.ws_port = Some(8899);
            })
            .contains("both 8899")
        );
        assert!(with(|c| c.genesis_airdrops = vec![(Pubkey::default(), 1), (Pubkey::default(), 2)]).contains("twice"));
    }
}
