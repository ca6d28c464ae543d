//! The check of a request that is signed in its address, as AWS describes it ("Authenticating Requests: Using Query Parameters",
//! Signature Version 4), and written for the tests alone: what signs is another's.

use std::time::Duration;

use axum::http::{HeaderMap, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use time::{OffsetDateTime, PrimitiveDateTime, macros::format_description};

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// How far ahead a signer's clock may be.
const AHEAD: Duration = Duration::from_secs(900);

/// Whose key, of which region.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Identifier of the key.
    pub id: &'a str,
    /// The key.
    pub secret: &'a str,
    /// Token of its session, where it has one.
    pub token: Option<&'a str>,
    /// Region of the store.
    pub region: &'a str,
}

/// Whether a request carries the holder's signature, at a time.
///
/// # Errors
/// What is wrong with it, as the name of S3's error.
pub fn check(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    holder: &Holder<'_>,
    now: OffsetDateTime,
) -> Result<(), &'static str> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut pairs: Vec<(String, String)> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let find = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let get = |name: &str| find(name).ok_or("AuthorizationQueryParametersError");
    if get("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
        return Err("AuthorizationQueryParametersError");
    }
    let (given, date, credential) = (get("X-Amz-Signature")?, get("X-Amz-Date")?, get("X-Amz-Credential")?);
    let day = date.get(..8).ok_or("AuthorizationQueryParametersError")?;
    let scope = format!("{day}/{}/s3/aws4_request", holder.region);
    if find("X-Amz-Security-Token").as_deref() != holder.token {
        return Err("InvalidToken");
    }
    match credential.split_once('/') {
        Some((id, _)) if id != holder.id => return Err("InvalidAccessKeyId"),
        Some((_, found)) if found == scope => {}
        _ => return Err("AuthorizationQueryParametersError"),
    }
    let format = format_description!("[year][month][day]T[hour][minute][second]Z");
    let signed_at =
        PrimitiveDateTime::parse(&date, &format).map_err(|_| "AuthorizationQueryParametersError")?.assume_utc();
    let holds: u64 = get("X-Amz-Expires")?.parse().map_err(|_| "AuthorizationQueryParametersError")?;
    if signed_at > now + AHEAD {
        return Err("RequestTimeTooSkewed");
    }
    if holds > 604_800 || now > signed_at + Duration::from_secs(holds) {
        return Err("AccessDenied");
    }
    let signed_headers = get("X-Amz-SignedHeaders")?;
    if !signed_headers.split(';').any(|name| name == "host") {
        return Err("AccessDenied");
    }
    // Each header of AWS' own has to be signed.
    if headers.keys().any(|name| name.as_str().starts_with("x-amz-") && !signed_headers.split(';').any(|n| n == name)) {
        return Err("AccessDenied");
    }
    pairs.retain(|(name, _)| name != "X-Amz-Signature");
    let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let mut query: Vec<(String, String)> = pairs.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut canonical = format!("{method}\n{}\n{}\n", uri.path(), query.join("&"));
    for name in signed_headers.split(';') {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).ok_or("SignatureDoesNotMatch")?;
        canonical.push_str(&format!("{name}:{}\n", value.trim()));
    }
    canonical.push_str(&format!("\n{signed_headers}\nUNSIGNED-PAYLOAD"));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let mut key = hmac(format!("AWS4{}", holder.secret).as_bytes(), day);
    for part in [holder.region, "s3", "aws4_request"] {
        key = hmac(&key, part);
    }
    if hex::encode(hmac(&key, &text)) == given { Ok(()) } else { Err("SignatureDoesNotMatch") }
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mut block = [0u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_check_agrees_with_the_example_that_aws_publishes_and_with_nothing_near_it() {
        let holder = Holder {
            id: "AKIAIOSFODNN7EXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            token: None,
            region: "us-east-1",
        };
        let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
                     &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
                     &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        let checked = |path: &str, holder: &Holder<'_>, now| {
            let headers = [("host", "examplebucket.s3.amazonaws.com")];
            let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
            check(&Method::GET, &format!("{path}?{query}").parse().unwrap(), &headers, holder, now)
        };
        let then = datetime!(2013-05-24 12:00 UTC);
        assert_eq!(checked("/test.txt", &holder, then), Ok(()));
        assert_eq!(checked("/other.txt", &holder, then), Err("SignatureDoesNotMatch"));
        let thief = Holder { secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEy", ..holder };
        assert_eq!(checked("/test.txt", &thief, then), Err("SignatureDoesNotMatch"));
        assert_eq!(checked("/test.txt", &Holder { token: Some("x"), ..holder }, then), Err("InvalidToken"));
        assert_eq!(checked("/test.txt", &holder, datetime!(2013-05-25 00:00:01 UTC)), Err("AccessDenied"));
        assert_eq!(checked("/test.txt", &holder, datetime!(2013-05-23 23:40 UTC)), Err("RequestTimeTooSkewed"));
        let abroad = Holder { region: "eu-west-1", ..holder };
        assert_eq!(checked("/test.txt", &abroad, then), Err("AuthorizationQueryParametersError"));
    }
}
