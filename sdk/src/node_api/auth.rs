//! How a request proves who sent it.
//!
//! The client signs one line-separated text that binds the request to its method, its path and query,
//! the hash of its body, a moment, a nonce and the machine that it is meant for, and sends the parts
//! that the server cannot know in five headers. So a captured request can be neither altered, nor sent
//! to another machine, of the same provider neither, nor, as long as the server keeps a [`NonceWindow`], sent again; and a server
//! knows who asks before it reads a byte of the body, which it then holds to the hash that was signed.
//!
//! Both functions are pure: time and nonce come from the caller.

use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;

pub use super::nonces::NonceWindow;

/// Header with the signer's address, base58.
pub const KEY_HEADER: &str = "x-gridlease-key";
/// Header with the moment of signing, unix seconds.
pub const TIMESTAMP_HEADER: &str = "x-gridlease-timestamp";
/// Header with 16 random bytes in hex.
pub const NONCE_HEADER: &str = "x-gridlease-nonce";
/// Header with the signature, base58.
pub const SIGNATURE_HEADER: &str = "x-gridlease-signature";
/// Header with the SHA-256 of the body in hex. A request without a body may leave it out.
pub const BODY_HEADER: &str = "x-gridlease-body-sha256";
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
    /// SHA-256 of the body; of nothing where there is none ([`empty_body_hash`]). A server takes it from
    /// the header, and compares it with the body when that is complete.
    pub body_sha256: [u8; 32],
    /// Address of the machine for whose node the request is meant: of the provider record for a provider's first one.
    pub provider: &'a Pubkey,
}

/// The five headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthHeaders {
    /// Who signed.
    pub key: Pubkey,
    /// When, unix seconds.
    pub timestamp: u64,
    /// Nonce.
    pub nonce: [u8; 16],
    /// SHA-256 that the body is to have.
    pub body_sha256: [u8; 32],
    /// Signature over [`signed_text`].
    pub signature: Signature,
    /// Nonce and hash as they were sent, where that was not in lower case: a client signs what it sends.
    sent: Option<(String, String)>,
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
    text(request, timestamp, &hex::encode(nonce), &hex::encode(request.body_sha256))
}

fn text(request: &SignedRequest<'_>, timestamp: u64, nonce: &str, body: &str) -> String {
    let SignedRequest { method, path_and_query, provider, .. } = request;
    format!("{DOMAIN}\n{method}\n{path_and_query}\n{timestamp}\n{nonce}\n{body}\n{provider}")
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
    Ok(AuthHeaders { key, timestamp: now, nonce, body_sha256: request.body_sha256, signature, sent: None })
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
    let signed = |text: String| headers.signature.verify(headers.key.as_ref(), text.as_bytes());
    let same_body = headers.body_sha256 == request.body_sha256;
    let as_sent = headers.sent.as_ref().filter(|_| same_body);
    if signed(signed_text(request, headers.timestamp, &headers.nonce))
        || as_sent.is_some_and(|(nonce, body)| signed(text(request, headers.timestamp, nonce, body)))
    {
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
        let nonce_sent = get(NONCE_HEADER)?;
        hex::decode_to_slice(nonce_sent, &mut nonce).map_err(|_| malformed(NONCE_HEADER, "16 bytes in hex"))?;
        let mut body_sha256 = empty_body_hash();
        let body_sent = header(BODY_HEADER);
        if let Some(text) = body_sent {
            hex::decode_to_slice(text, &mut body_sha256).map_err(|_| malformed(BODY_HEADER, "32 bytes in hex"))?;
        }
        let signature = get(SIGNATURE_HEADER)?
            .parse::<Signature>()
            .map_err(|_| malformed(SIGNATURE_HEADER, "a signature in base58"))?;
        let canonical = (hex::encode(nonce), hex::encode(body_sha256));
        let sent = (nonce_sent.to_owned(), body_sent.map_or_else(|| canonical.1.clone(), str::to_owned));
        let sent = (sent != canonical).then_some(sent);
        Ok(Self { key, timestamp, nonce, body_sha256, signature, sent })
    }

    /// The headers as they are sent.
    pub fn pairs(&self) -> [(&'static str, String); 5] {
        [
            (KEY_HEADER, self.key.to_string()),
            (TIMESTAMP_HEADER, self.timestamp.to_string()),
            (NONCE_HEADER, hex::encode(self.nonce)),
            (BODY_HEADER, hex::encode(self.body_sha256)),
            (SIGNATURE_HEADER, self.signature.to_string()),
        ]
    }
}

/// Digits only, in the one way of writing them: the signed text is rebuilt from the number.
fn decimal(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
