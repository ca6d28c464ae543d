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
        (BODY_HEADER, Some("abcd"), "header x-gridlease-body-sha256 is not 32 bytes in hex"),
        (SIGNATURE_HEADER, Some(""), "header x-gridlease-signature is not a signature in base58"),
    ];
    for (name, replacement, message) in cases {
        assert_eq!(with(name, replacement), Err(message.to_owned()));
    }
}

/// The headers as a client sends them that writes its hex so.
fn sent_by(hex: fn(&str) -> String, sign_as_sent: bool) -> (Pubkey, AuthHeaders) {
    let (provider, key, nonce) = (Pubkey::new_from_array([7; 32]), Keypair::new(), [0xab; 16]);
    let (nonce, body) = (hex(&hex::encode(nonce)), hex(&hex::encode(empty_body_hash())));
    let request = request(&provider);
    let signed =
        if sign_as_sent { text(&request, NOW, &nonce, &body) } else { signed_text(&request, NOW, &[0xab; 16]) };
    let values = [
        (KEY_HEADER, key.pubkey().to_string()),
        (TIMESTAMP_HEADER, NOW.to_string()),
        (NONCE_HEADER, nonce),
        (BODY_HEADER, body),
        (SIGNATURE_HEADER, key.sign_message(signed.as_bytes()).to_string()),
    ];
    let read = AuthHeaders::read(|name| values.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())).unwrap();
    (provider, read)
}

#[test]
fn issue9_13_hex_in_capitals_is_accepted_and_is_the_same_nonce() {
    let mixed = |text: &str| {
        text.chars().enumerate().map(|(i, c)| if i % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect()
    };
    let forms: [fn(&str) -> String; 3] = [str::to_owned, str::to_uppercase, mixed];
    for hex in forms {
        for sign_as_sent in [true, false] {
            let (provider, headers) = sent_by(hex, sign_as_sent);
            assert_eq!(verify(&headers, &request(&provider), NOW), Ok(headers.key));
            let other = SignedRequest { body_sha256: [0; 32], ..request(&provider) };
            assert_eq!(verify(&headers, &other, NOW), Err(AuthError::BadSignature), "another body than was signed");
            let mut window = NonceWindow::new(8);
            window.record(&headers, NOW).unwrap();
            let small = AuthHeaders { sent: None, ..headers };
            assert_eq!(window.record(&small, NOW), Err(AuthError::Replayed));
        }
    }
}

#[test]
fn a_request_without_a_body_may_leave_its_hash_out() {
    let (provider, headers) = signed();
    let pairs = headers.pairs();
    let without = |name: &str| pairs.iter().find(|(n, _)| *n == name && name != BODY_HEADER).map(|(_, v)| v.as_str());
    let read = AuthHeaders::read(without).unwrap();
    assert_eq!(verify(&read, &request(&provider), NOW), Ok(headers.key));
}

#[test]
fn issue9_02_a_key_that_asks_too_often_is_refused_and_others_are_not() {
    let provider = Pubkey::new_from_array([7; 32]);
    let key = Keypair::new();
    let ask = |nonce| sign(&key, &request(&provider), NOW, [nonce; 16]).unwrap();
    let mut window = NonceWindow::new(8).with_share(2);
    window.record(&ask(1), NOW).unwrap();
    window.record(&ask(2), NOW).unwrap();
    assert_eq!(window.record(&ask(3), NOW), Err(AuthError::TooManyRequests));
    window.record(&signed().1, NOW).unwrap();
    window.record(&ask(3), NOW + 121).unwrap();
}

#[test]
fn issue9_13_a_window_that_was_restored_knows_what_it_knew() {
    let (_, headers) = signed();
    let used = NonceWindow::new(8).record(&headers, NOW).unwrap();
    let mut window = NonceWindow::new(8);
    window.restore(used);
    window.restore(used);
    assert_eq!(window.record(&headers, NOW + 1), Err(AuthError::Replayed));
    window.record(&headers, NOW + 121).unwrap();
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
