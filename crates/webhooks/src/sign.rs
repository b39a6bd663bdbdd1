//! The signature of a message, after the Standard Webhooks specification: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::webhook::HookSecret;
use ring::hmac;

/// The value of `webhook-signature`, for an attempt at this time (in seconds).
#[must_use]
pub fn sign(secret: &HookSecret, id: &str, timestamp_s: i64, body: &str) -> String {
    signed(secret.key(), id, timestamp_s, body)
}

fn signed(key: &[u8], id: &str, timestamp_s: i64, body: &str) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in [id, ".", &timestamp_s.to_string(), ".", body] {
        context.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector that the specification's reference libraries are tested with: `libraries/python/tests/test_webhooks.py`
    /// and its siblings in github.com/standard-webhooks/standard-webhooks ("sign function works").
    #[test]
    fn the_reference_vector_is_signed_alike() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = "{\"test\": 2432232314}";
        let signature = signed(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_part_is_signed() {
        let secret = HookSecret::new([7; 32]);
        let one = sign(&secret, "msg_1", 5, "{}");
        for other in [
            sign(&secret, "msg_2", 5, "{}"),
            sign(&secret, "msg_1", 6, "{}"),
            sign(&secret, "msg_1", 5, "{ }"),
            sign(&HookSecret::new([8; 32]), "msg_1", 5, "{}"),
        ] {
            assert_ne!(one, other);
        }
    }
}
