//! Requests are signed, and checked as they were signed.

use super::*;
use solana_keypair::Keypair;

const NOW: u64 = 1_800_000_000;

fn request(provider: &Pubkey) -> SignedRequest<'_> {
    SignedRequest {
        method: "GET",
        path_and_query: "/v1/leases/x/logs?follow=true&from=3",
        body_sha256: empty_body_hash(),
        provider,
    }
}

fn signed() -> (Pubkey, AuthHeaders) {
    let provider = Pubkey::new_from_array([7; 32]);
    let headers = sign(&Keypair::new(), &request(&provider), NOW, [9; 16]).unwrap();
    (provider, headers)
}

#[test]
fn the_signed_text_is_the_one_of_the_protocol() {
    let provider = Pubkey::new_from_array([7; 32]);
    assert_eq!(
        signed_text(&request(&provider), 12, &[0xab; 16]),
        format!(
            "gridlease-api-v1\nGET\n/v1/leases/x/logs?follow=true&from=3\n12\nabababababababababababababababab\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n{provider}"
        )
    );
}

#[test]
fn a_signed_request_is_accepted_after_a_trip_through_the_headers() {
    let (provider, headers) = signed();
    let pairs = headers.pairs();
    let read =
        AuthHeaders::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())).unwrap();
    assert_eq!(read, headers);
    assert_eq!(verify(&read, &request(&provider), NOW), Ok(headers.key));
}

#[test]
fn a_request_is_refused_when_anything_that_was_signed_changes() {
    let (provider, headers) = signed();
    let other = Pubkey::new_from_array([8; 32]);
    let good = request(&provider);
    let altered = [
        SignedRequest { method: "PUT", ..good },
        SignedRequest { path_and_query: "/v1/leases/x/logs?follow=true&from=4", ..good },
        SignedRequest { body_sha256: [0; 32], ..good },
        SignedRequest { provider: &other, ..good },
    ];
    for request in altered {
        assert_eq!(verify(&headers, &request, NOW), Err(AuthError::BadSignature), "{request:?}");
    }
    let changes: [fn(&mut AuthHeaders); 3] =
        [|h| h.timestamp += 1, |h| h.nonce[0] ^= 1, |h| h.key = Pubkey::new_from_array([1; 32])];
    for change in changes {
        let mut headers = headers.clone();
        change(&mut headers);
        assert_eq!(verify(&headers, &good, NOW), Err(AuthError::BadSignature));
    }
}

#[test]
fn a_minute_of_drift_is_allowed_and_one_second_more_is_not() {
    let (provider, headers) = signed();
    for now in [NOW - 60, NOW, NOW + 60] {
        assert!(verify(&headers, &request(&provider), now).is_ok(), "{now}");
    }
    assert_eq!(
        verify(&headers, &request(&provider), NOW + 61).unwrap_err().to_string(),
        "the request was signed 61 s behind the node's clock; at most 60 s are allowed, so set the clock"
    );
    assert_eq!(
        verify(&headers, &request(&provider), NOW - 61).unwrap_err().to_string(),
        "the request was signed 61 s ahead of the node's clock; at most 60 s are allowed, so set the clock"
    );
}

#[test]
fn headers_that_are_missing_or_malformed_are_named() {
    let (_, headers) = signed();
    let good = headers.pairs();
    let with = |name: &str, replacement: Option<&str>| {
        AuthHeaders::read(|asked| {
            if asked == name {
                return replacement;
            }
            good.iter().find(|(key, _)| *key == asked).map(|(_, value)| value.as_str())
        })
        .map_err(|error| error.to_string())
        .map(|_| ())
    };
    let cases = [
        (KEY_HEADER, None, "the request is not signed: header x-gridlease-key is missing"),
        (KEY_HEADER, Some("0OIl"), "header x-gridlease-key is not an address in base58"),
        (TIMESTAMP_HEADER, Some("+12"), "header x-gridlease-timestamp is not a time in unix seconds"),
        (TIMESTAMP_HEADER, Some("012"), "header x-gridlease-timestamp is not a time in unix seconds"),
        (NONCE_HEADER, Some("abcd"), "header x-gridlease-nonce is not 16 bytes in hex"),
        (SIGNATURE_HEADER, Some(""), "header x-gridlease-signature is not a signature in base58"),
    ];
    for (name, replacement, message) in cases {
        assert_eq!(with(name, replacement), Err(message.to_owned()));
    }
}

#[test]
fn a_nonce_is_taken_once_for_as_long_as_its_request_would_be_in_time() {
    let (_, headers) = signed();
    let mut window = NonceWindow::new(8);
    window.record(&headers, NOW - 60).unwrap();
    for now in [NOW - 60, NOW, NOW + 60] {
        assert_eq!(window.record(&headers, now), Err(AuthError::Replayed));
    }
    window.record(&headers, NOW + 61).unwrap();
}

#[test]
fn two_keys_may_use_the_same_nonce() {
    let mut window = NonceWindow::new(8);
    window.record(&signed().1, NOW).unwrap();
    window.record(&signed().1, NOW).unwrap();
}

#[test]
fn a_full_nonce_window_refuses_new_requests_instead_of_forgetting_old_ones() {
    let mut window = NonceWindow::new(1);
    let (_, first) = signed();
    window.record(&first, NOW).unwrap();
    assert_eq!(window.record(&signed().1, NOW), Err(AuthError::TooManyRequests));
    assert_eq!(window.record(&first, NOW), Err(AuthError::Replayed));
    window.record(&signed().1, NOW + 121).unwrap();
}
