//! How a request proves who sent it.
//!
//! The client signs one line-separated text that binds the request to its method, its path and query,
//! its body, a moment, a nonce and the provider that it is meant for, and sends the parts that the
//! server cannot know in four headers. So a captured request can be neither altered, nor sent to
//! another provider, nor, as long as the server keeps a [`NonceWindow`], sent again.
//!
//! Both functions are pure: time and nonce come from the caller.

use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;
use std::collections::{HashSet, VecDeque};

/// Header with the signer's address, base58.
pub const KEY_HEADER: &str = "x-gridlease-key";
/// Header with the moment of signing, unix seconds.
pub const TIMESTAMP_HEADER: &str = "x-gridlease-timestamp";
/// Header with 16 random bytes, lower-case hex.
pub const NONCE_HEADER: &str = "x-gridlease-nonce";
/// Header with the signature, base58.
pub const SIGNATURE_HEADER: &str = "x-gridlease-signature";
/// First line of the signed text; names the format, so that the signature serves for nothing else.
pub const DOMAIN: &str = "gridlease-api-v1";
/// How far the client's clock may be from the server's, in seconds, in either direction.
pub const MAX_DRIFT_S: u64 = 60;

/// The part of a request that the signature covers besides the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedRequest<'a> {
    /// Method in capitals.
    pub method: &'a str,
    /// Path with its query, exactly as sent.
    pub path_and_query: &'a str,
    /// SHA-256 of the body; of nothing where there is none ([`empty_body_hash`]). A server that streams a
    /// body takes the hash that the path announces, and compares it when the body is complete.
    pub body_sha256: [u8; 32],
    /// Address of the provider record for which the request is meant.
    pub provider: &'a Pubkey,
}

/// The four headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthHeaders {
    /// Who signed.
    pub key: Pubkey,
    /// When, unix seconds.
    pub timestamp: u64,
    /// Nonce.
    pub nonce: [u8; 16],
    /// Signature over [`signed_text`].
    pub signature: Signature,
}

/// Why a request is not accepted. All of them are answered with 401.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A header is not there.
    #[error("the request is not signed: header {0} is missing")]
    Missing(&'static str),
    /// A header cannot be read.
    #[error("header {header} is not {expected}")]
    Malformed {
        /// Its name.
        header: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// The clocks are too far apart.
    #[error(
        "the request was signed {seconds} s {direction} the node's clock; at most {MAX_DRIFT_S} s are allowed, so set the clock"
    )]
    Drift {
        /// Distance.
        seconds: u64,
        /// `ahead of` or `behind`.
        direction: &'static str,
    },
    /// The signature is not the key's over this request.
    #[error("the signature does not fit the request, its body, its key or this provider")]
    BadSignature,
    /// The nonce was seen before.
    #[error("the request was seen before; every request needs a fresh nonce")]
    Replayed,
    /// More requests within the drift than the server remembers.
    #[error("too many signed requests within {MAX_DRIFT_S} s; wait and try again")]
    TooManyRequests,
    /// The signer (a remote or hardware key) failed.
    #[error("the key did not sign: {0}")]
    Signer(String),
}

impl AuthError {
    /// The word for [`ErrorDetail::code`](super::ErrorDetail::code).
    pub const fn code(&self) -> &'static str {
        use super::codes;
        match self {
            Self::Drift { .. } => codes::CLOCK_DRIFT,
            Self::Replayed => codes::REPLAYED,
            Self::TooManyRequests => codes::BUSY,
            _ => codes::BAD_SIGNATURE,
        }
    }
}

/// SHA-256 of an empty body.
pub fn empty_body_hash() -> [u8; 32] {
    Sha256::digest([]).into()
}

/// The text that is signed.
pub fn signed_text(request: &SignedRequest<'_>, timestamp: u64, nonce: &[u8; 16]) -> String {
    format!(
        "{DOMAIN}\n{}\n{}\n{timestamp}\n{}\n{}\n{}",
        request.method,
        request.path_and_query,
        hex::encode(nonce),
        hex::encode(request.body_sha256),
        request.provider,
    )
}

/// Signs a request at `now` (unix seconds) with a fresh random `nonce`.
///
/// # Errors
/// [`AuthError::Signer`] if the key cannot sign.
pub fn sign(
    signer: &dyn Signer,
    request: &SignedRequest<'_>,
    now: u64,
    nonce: [u8; 16],
) -> Result<AuthHeaders, AuthError> {
    let refused = |error: solana_signer::SignerError| AuthError::Signer(error.to_string());
    let key = signer.try_pubkey().map_err(refused)?;
    let signature = signer.try_sign_message(signed_text(request, now, &nonce).as_bytes()).map_err(refused)?;
    Ok(AuthHeaders { key, timestamp: now, nonce, signature })
}

/// Checks clock and signature of a request that arrived at `now` (unix seconds) and returns the key that
/// signed it. Whether that key may do what it asks, and whether the nonce is new, is for the caller to
/// decide next (in that order: only a valid request may use up room in the nonce window).
///
/// # Errors
/// [`AuthError::Drift`] or [`AuthError::BadSignature`].
pub fn verify(headers: &AuthHeaders, request: &SignedRequest<'_>, now: u64) -> Result<Pubkey, AuthError> {
    let seconds = headers.timestamp.abs_diff(now);
    if seconds > MAX_DRIFT_S {
        let direction = if headers.timestamp > now { "ahead of" } else { "behind" };
        return Err(AuthError::Drift { seconds, direction });
    }
    let text = signed_text(request, headers.timestamp, &headers.nonce);
    if headers.signature.verify(headers.key.as_ref(), text.as_bytes()) {
        Ok(headers.key)
    } else {
        Err(AuthError::BadSignature)
    }
}

impl AuthHeaders {
    /// Reads the headers through `header`, which returns a header's text by its lower-case name.
    ///
    /// # Errors
    /// [`AuthError::Missing`] or [`AuthError::Malformed`], for the first header that is at fault.
    pub fn read<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Result<Self, AuthError> {
        let get = |name: &'static str| header(name).ok_or(AuthError::Missing(name));
        let malformed = |header, expected| AuthError::Malformed { header, expected };
        let key = get(KEY_HEADER)?.parse::<Pubkey>().map_err(|_| malformed(KEY_HEADER, "an address in base58"))?;
        let timestamp = decimal(get(TIMESTAMP_HEADER)?).ok_or(malformed(TIMESTAMP_HEADER, "a time in unix seconds"))?;
        let mut nonce = [0u8; 16];
        hex::decode_to_slice(get(NONCE_HEADER)?, &mut nonce).map_err(|_| malformed(NONCE_HEADER, "16 bytes in hex"))?;
        let signature = get(SIGNATURE_HEADER)?
            .parse::<Signature>()
            .map_err(|_| malformed(SIGNATURE_HEADER, "a signature in base58"))?;
        Ok(Self { key, timestamp, nonce, signature })
    }

    /// The headers as they are sent.
    pub fn pairs(&self) -> [(&'static str, String); 4] {
        [
            (KEY_HEADER, self.key.to_string()),
            (TIMESTAMP_HEADER, self.timestamp.to_string()),
            (NONCE_HEADER, hex::encode(self.nonce)),
            (SIGNATURE_HEADER, self.signature.to_string()),
        ]
    }
}

/// Digits only, in the one way of writing them: the signed text is rebuilt from the number.
fn decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The nonces that a server has seen within the allowed drift; bounded, and never forgetful: when it is
/// full of nonces that could still be replayed, new requests are refused rather than old nonces dropped.
#[derive(Debug)]
pub struct NonceWindow {
    seen: HashSet<(Pubkey, [u8; 16])>,
    // In order of arrival, each with the last second at which its request would still be in time.
    expiring: VecDeque<(u64, Pubkey, [u8; 16])>,
    capacity: usize,
}

impl NonceWindow {
    /// A window for at most `capacity` requests in twice the allowed drift.
    pub fn new(capacity: usize) -> Self {
        Self { seen: HashSet::new(), expiring: VecDeque::new(), capacity }
    }

    /// Records the nonce of a request that [`verify`] accepted at `now`.
    ///
    /// # Errors
    /// [`AuthError::Replayed`] or [`AuthError::TooManyRequests`].
    pub fn record(&mut self, headers: &AuthHeaders, now: u64) -> Result<(), AuthError> {
        while let Some(&(until, key, nonce)) = self.expiring.front() {
            if until >= now {
                break;
            }
            self.seen.remove(&(key, nonce));
            self.expiring.pop_front();
        }
        let entry = (headers.key, headers.nonce);
        if self.seen.contains(&entry) {
            return Err(AuthError::Replayed);
        }
        if self.seen.len() >= self.capacity {
            return Err(AuthError::TooManyRequests);
        }
        self.seen.insert(entry);
        // A request signed as far ahead as is allowed stays valid for twice the drift from now on; counting
        // every one so keeps the queue in order of expiry.
        let until = now.saturating_add(2 * MAX_DRIFT_S);
        self.expiring.push_back((until, headers.key, headers.nonce));
        Ok(())
    }
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
