//! The head of a log's chain, signed by the node: with the lines that lead to it, proof of what the node showed.

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};

/// First line of the signed text; names the format, so that the signature serves for nothing else.
const DOMAIN: &str = "gridlease-log-head-v1";

/// How far a log was at some moment, in its node's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLogHead {
    /// The lease, base58.
    pub lease: String,
    /// Lines in the log.
    pub lines: u64,
    /// The chain's value after the last of them, lower-case hex; 32 zero bytes for none.
    pub chain: String,
    /// Whether no more lines will come.
    pub closed: bool,
    /// When, unix seconds of the chain's clock.
    pub at: u64,
    /// The node key, base58.
    pub key: String,
    /// Its signature over the lines `gridlease-log-head-v1`, lease, lines, chain, `open` or `closed`, and when; base58.
    pub signature: String,
}

/// Why a head proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogHeadError {
    /// Of another lease.
    #[error("the node signed the log of lease {found}, not of {expected}")]
    OtherLease {
        /// The one that was asked for.
        expected: Pubkey,
        /// The one that is named.
        found: String,
    },
    /// Not signed by the node key.
    #[error("what the node says of its log is not signed by its node key {0}")]
    NotTheNodes(Pubkey),
    /// Not what was read.
    #[error(
        "the node signed another log than it showed: after {lines} lines its chain is {signed}, and what was read comes to {read}"
    )]
    Other {
        /// After so many lines.
        lines: u64,
        /// What it signed.
        signed: String,
        /// What was read.
        read: String,
    },
    /// Less than it had shown before.
    #[error("the node signed a log of {lines} lines after it had shown {read}")]
    Fewer {
        /// What it signed.
        lines: u64,
        /// What was read.
        read: u64,
    },
    /// More than there was to read.
    #[error("the node signed a log of {lines} lines and showed {read} of them")]
    Missing {
        /// What it signed.
        lines: u64,
        /// What was read.
        read: u64,
    },
}

impl SignedLogHead {
    /// Signs.
    ///
    /// # Errors
    /// The signer's.
    pub fn sign(
        node: &dyn Signer,
        lease: &Pubkey,
        lines: u64,
        chain: [u8; 32],
        closed: bool,
        at: u64,
    ) -> Result<Self, SignerError> {
        let mut head = Self {
            lease: lease.to_string(),
            lines,
            chain: hex::encode(chain),
            closed,
            at,
            key: node.try_pubkey()?.to_string(),
            signature: String::new(),
        };
        head.signature = node.try_sign_message(head.text().as_bytes())?.to_string();
        Ok(head)
    }

    fn text(&self) -> String {
        let Self { lease, lines, chain, closed, at, .. } = self;
        format!("{DOMAIN}\n{lease}\n{lines}\n{chain}\n{}\n{at}", if *closed { "closed" } else { "open" })
    }

    /// Checks that the node with this key said so of this lease.
    ///
    /// # Errors
    /// [`LogHeadError::OtherLease`] or [`LogHeadError::NotTheNodes`].
    pub fn verify(&self, lease: &Pubkey, node: &Pubkey) -> Result<(), LogHeadError> {
        if self.lease != lease.to_string() {
            let found = self.lease.chars().filter(char::is_ascii_alphanumeric).take(44).collect();
            return Err(LogHeadError::OtherLease { expected: *lease, found });
        }
        let signature: Option<Signature> = self.signature.parse().ok();
        if signature.is_some_and(|signature| signature.verify(node.as_ref(), self.text().as_bytes())) {
            Ok(())
        } else {
            Err(LogHeadError::NotTheNodes(*node))
        }
    }

    /// Holds it against the chain's value after as many lines as it has.
    ///
    /// # Errors
    /// [`LogHeadError::Other`].
    pub fn compare(&self, chain: [u8; 32]) -> Result<(), LogHeadError> {
        let read = hex::encode(chain);
        if self.chain == read {
            return Ok(());
        }
        let signed = self.chain.chars().filter(char::is_ascii_hexdigit).take(64).collect();
        Err(LogHeadError::Other { lines: self.lines, signed, read })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_keypair::Keypair;

    #[test]
    fn a_head_proves_what_its_node_showed_of_its_lease_and_nothing_else() {
        let (node, other) = (Keypair::new(), Keypair::new());
        let lease = Pubkey::new_from_array([1; 32]);
        let head = SignedLogHead::sign(&node, &lease, 7, [9; 32], false, 1_700_000_000).unwrap();
        head.verify(&lease, &node.pubkey()).unwrap();
        head.compare([9; 32]).unwrap();
        assert!(matches!(head.compare([8; 32]), Err(LogHeadError::Other { lines: 7, .. })));
        assert_eq!(head.verify(&lease, &other.pubkey()), Err(LogHeadError::NotTheNodes(other.pubkey())));
        let elsewhere = Pubkey::new_from_array([2; 32]);
        assert!(matches!(head.verify(&elsewhere, &node.pubkey()), Err(LogHeadError::OtherLease { .. })));
        let changes: [fn(&mut SignedLogHead); 5] = [
            |head| head.lines += 1,
            |head| head.chain = hex::encode([8; 32]),
            |head| head.closed = true,
            |head| head.at += 1,
            |head| head.signature = "x".to_owned(),
        ];
        for change in changes {
            let mut altered = head.clone();
            change(&mut altered);
            assert!(altered.verify(&lease, &node.pubkey()).is_err(), "{altered:?}");
        }
    }
}
