//! Secrets on their way from a buyer to the node that won: sealed to a key that the node makes for the lease.
//!
//! The node publishes the key's public part, signed by its hot key, which stands in the lease's account; so only that node
//! can open what is sealed, also where something else answers at its address. Sealing is HPKE (RFC 9180, base mode) with X25519,
//! HKDF-SHA256 and ChaCha20-Poly1305, bound to the lease's address. Neither the key nor a value is ever on a disk.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _, single_shot_open, single_shot_seal};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;
use zeroize::Zeroizing;

/// Largest value of one secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;
/// Most secrets of one job.
pub const MAX_SECRETS: usize = 16;
/// Largest sealed message, in bytes: all of them in base64, with their names.
pub const MAX_SEALED_BYTES: usize = MAX_SECRETS * (MAX_SECRET_BYTES / 3 * 4 + 1024);

/// First line of the text that the node signs; names the format, so that the signature serves for nothing else.
const DOMAIN: &str = "gridlease-lease-key-v1";
/// What the sealing is bound to beside the lease.
const INFO: &[u8] = b"gridlease-secrets-v1";
/// Bytes of a public key, and of what the sealing puts in front of the message.
const KEY_BYTES: usize = 32;

type X25519 = X25519HkdfSha256;

/// Values by the names of the manifest. Cleared from memory when dropped.
pub type Secrets = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Why secrets cannot be sealed or opened. None of these names a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// The announced key is not one.
    #[error("what the node announces is not an X25519 key for lease {0}")]
    BadKey(Pubkey),
    /// The announcement is not signed by the lease's node key.
    #[error("the key for lease {lease} is not signed by its node {node}; do not send secrets there")]
    NotTheNodes {
        /// The lease.
        lease: Pubkey,
        /// The node key that the lease's account names.
        node: Pubkey,
    },
    /// A value is too large, or there are too many.
    #[error("{what}; a job has at most {MAX_SECRETS} secrets of {MAX_SECRET_BYTES} bytes each")]
    TooLarge {
        /// Which.
        what: String,
    },
    /// The message was not sealed to this key for this lease, or was altered.
    #[error(
        "the secrets were not sealed to this lease's key, or were altered on the way; ask for the key again and seal anew"
    )]
    NotForThisLease,
    /// The key could not sign.
    #[error("the node's key did not sign: {0}")]
    Signer(String),
}

/// Answer of `GET /v1/leases/{lease}/key`: the key to which a lease's secrets are sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseKey {
    /// X25519 public key, lower-case hex.
    pub public: String,
    /// The node key's signature over lease and key, base58.
    pub signature: String,
}

fn signed_text(lease: &Pubkey, public: &str) -> String {
    format!("{DOMAIN}\n{lease}\n{public}")
}

impl LeaseKey {
    /// Seals `secrets` for the node whose key `node` stands in the account of `lease`.
    ///
    /// # Errors
    /// [`SecretsError`]: nothing is sealed to a key that is not that node's.
    pub fn seal(&self, lease: &Pubkey, node: &Pubkey, secrets: &Secrets) -> Result<Vec<u8>, SecretsError> {
        let signature: Option<Signature> = self.signature.parse().ok();
        let signed = signature
            .is_some_and(|signature| signature.verify(node.as_ref(), signed_text(lease, &self.public).as_bytes()));
        if !signed {
            return Err(SecretsError::NotTheNodes { lease: *lease, node: *node });
        }
        let bad_key = || SecretsError::BadKey(*lease);
        let mut bytes = [0; KEY_BYTES];
        hex::decode_to_slice(&self.public, &mut bytes).map_err(|_| bad_key())?;
        let public = <X25519 as Kem>::PublicKey::from_bytes(&bytes).map_err(|_| bad_key())?;
        let text = written(secrets)?;
        let (front, sealed) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519>(
            &OpModeS::Base,
            &public,
            INFO,
            &text,
            lease.as_ref(),
        )
        .map_err(|_| bad_key())?;
        Ok([front.to_bytes().as_slice(), &sealed].concat())
    }
}

/// The secrets as the text that is sealed: JSON, values in base64.
fn written(secrets: &Secrets) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    if secrets.len() > MAX_SECRETS {
        return Err(SecretsError::TooLarge { what: format!("there are {}", secrets.len()) });
    }
    if let Some((name, value)) = secrets.iter().find(|(_, value)| value.len() > MAX_SECRET_BYTES) {
        return Err(SecretsError::TooLarge { what: format!("{name} has {} bytes", value.len()) });
    }
    // Names are those of variables, so that nothing in them has to be escaped. Room is taken once: a text that grows leaves
    // copies behind.
    let room = secrets.iter().map(|(name, value)| name.len() + value.len() / 3 * 4 + 16).sum::<usize>() + 2;
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.push('{');
    for (index, (name, value)) in secrets.iter().enumerate() {
        text.push_str(if index == 0 { "\"" } else { ",\"" });
        text.push_str(name);
        text.push_str("\":\"");
        STANDARD.encode_string(value, &mut text);
        text.push('"');
    }
    text.push('}');
    Ok(Zeroizing::new(std::mem::take(&mut *text).into_bytes()))
}

/// A lease's key, as its node has it: in memory only.
pub struct OpeningKey {
    private: <X25519 as Kem>::PrivateKey,
    public: String,
}

impl std::fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpeningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl OpeningKey {
    /// A new one.
    pub fn generate() -> Self {
        let (private, public) = X25519::gen_keypair();
        Self { private, public: hex::encode(public.to_bytes()) }
    }

    /// The public part, signed by the node's key.
    ///
    /// # Errors
    /// [`SecretsError::Signer`].
    pub fn announce(&self, lease: &Pubkey, node: &dyn Signer) -> Result<LeaseKey, SecretsError> {
        let signature = node
            .try_sign_message(signed_text(lease, &self.public).as_bytes())
            .map_err(|error| SecretsError::Signer(error.to_string()))?;
        Ok(LeaseKey { public: self.public.clone(), signature: signature.to_string() })
    }

    /// Opens what was sealed to this key for `lease`.
    ///
    /// # Errors
    /// [`SecretsError`]; untrusted bytes of any size and content are fine.
    pub fn open(&self, lease: &Pubkey, sealed: &[u8]) -> Result<Secrets, SecretsError> {
        let wrong = || SecretsError::NotForThisLease;
        if sealed.len() > MAX_SEALED_BYTES {
            return Err(SecretsError::TooLarge { what: format!("the message has {} bytes", sealed.len()) });
        }
        let (front, message) = sealed.split_at_checked(KEY_BYTES).ok_or_else(wrong)?;
        let front = <X25519 as Kem>::EncappedKey::from_bytes(front).map_err(|_| wrong())?;
        let text = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519>(
            &OpModeR::Base,
            &self.private,
            &front,
            INFO,
            message,
            lease.as_ref(),
        );
        let text = Zeroizing::new(text.map_err(|_| wrong())?);
        let values: BTreeMap<&str, &str> = serde_json::from_slice(&text).map_err(|_| wrong())?;
        let value = |(name, text): (&str, &str)| {
            let value = Zeroizing::new(STANDARD.decode(text).map_err(|_| wrong())?);
            Ok((name.to_owned(), value))
        };
        let secrets: Secrets = values.into_iter().map(value).collect::<Result<_, SecretsError>>()?;
        written(&secrets).map(|_| secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_keypair::Keypair;

    fn secrets(pairs: &[(&str, &[u8])]) -> Secrets {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new(value.to_vec()))).collect()
    }

    #[test]
    fn threat_20_what_is_sealed_to_a_lease_is_opened_by_its_node_alone() {
        let (node, lease) = (Keypair::new(), Pubkey::new_unique());
        let key = OpeningKey::generate();
        let announced = key.announce(&lease, &node).unwrap();
        let all = secrets(&[("HF_TOKEN", b"hf_x"), ("EMPTY", b""), ("BYTES", &[0, 255, b'"', b'\n'])]);
        let sealed = announced.seal(&lease, &node.pubkey(), &all).unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"hf_x"));
        assert_eq!(key.open(&lease, &sealed).unwrap(), all);
        assert_ne!(announced.seal(&lease, &node.pubkey(), &all).unwrap(), sealed, "never the same twice");

        let wrong = Err(SecretsError::NotForThisLease);
        assert_eq!(OpeningKey::generate().open(&lease, &sealed), wrong, "another key");
        assert_eq!(key.open(&Pubkey::new_unique(), &sealed), wrong, "another lease");
        for at in [0, 31, 32, sealed.len() - 1] {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(key.open(&lease, &altered), wrong, "altered at {at}");
        }
        for cut in [0, 1, 31, 32, 47] {
            assert_eq!(key.open(&lease, &sealed[..cut]), wrong, "cut at {cut}");
        }
    }

    #[test]
    fn threat_20_nothing_is_sealed_to_a_key_that_the_leases_node_did_not_sign() {
        let (node, other, lease) = (Keypair::new(), Keypair::new(), Pubkey::new_unique());
        let key = OpeningKey::generate();
        let refused = Err(SecretsError::NotTheNodes { lease, node: node.pubkey() });
        let none = Secrets::new();
        assert_eq!(key.announce(&lease, &other).unwrap().seal(&lease, &node.pubkey(), &none), refused);
        let of_other_lease = key.announce(&Pubkey::new_unique(), &node).unwrap();
        assert_eq!(of_other_lease.seal(&lease, &node.pubkey(), &none), refused);
        let mut swapped = key.announce(&lease, &node).unwrap();
        swapped.public = OpeningKey::generate().public;
        assert_eq!(swapped.seal(&lease, &node.pubkey(), &none), refused);
        let zero = "00".repeat(32);
        let signature = node.sign_message(signed_text(&lease, &zero).as_bytes()).to_string();
        let weak = LeaseKey { public: zero, signature };
        assert_eq!(weak.seal(&lease, &node.pubkey(), &none), Err(SecretsError::BadKey(lease)), "a key that is none");
    }

    #[test]
    fn secrets_have_bounds() {
        let (node, lease) = (Keypair::new(), Pubkey::new_unique());
        let announced = OpeningKey::generate().announce(&lease, &node).unwrap();
        let seal = |all: &Secrets| announced.seal(&lease, &node.pubkey(), all);
        let big = vec![7; MAX_SECRET_BYTES];
        let full: Secrets =
            (0..MAX_SECRETS).map(|n| (format!("{}{n}", "N".repeat(120)), Zeroizing::new(big.clone()))).collect();
        assert!(seal(&full).unwrap().len() <= MAX_SEALED_BYTES);
        assert!(seal(&secrets(&[("A", &[big.as_slice(), b"x"].concat())])).is_err());
        let many: Secrets = (0..=MAX_SECRETS).map(|n| (format!("N{n}"), Zeroizing::default())).collect();
        assert!(seal(&many).is_err());
    }
}
