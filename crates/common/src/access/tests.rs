use super::*;

fn token() -> Token {
    Token::new(TokenId(0x0012_abcd), [7; 32])
}

fn record() -> TokenRecord {
    TokenRecord::new(&token(), "ada", Role::Sre, Stamp::new("root", UnixMs(5)), Some(UnixMs(9)))
}

#[test]
fn a_token_is_read_back_and_nothing_else_is() {
    let text = token().expose();
    assert_eq!(text.len(), 4 + 8 + 1 + 43);
    assert!(text.starts_with("owl_0012abcd_"), "{text}");
    let read: Token = text.parse().unwrap();
    assert_eq!(read.id(), token().id());
    assert!(read.hash().matches(&token().hash()));
    let secret = &text[13..];
    for bad in [
        String::new(),
        "owl_".to_owned(),
        format!("owl_0012ABCD_{secret}"),
        format!("owl_+012abcd_{secret}"),
        format!("owl_0012abc_{secret}"),
        format!("OWL_0012abcd_{secret}"),
        format!("owl_0012abcd_{}", &secret[1..]),
        format!("owl_0012abcd_{secret}A"),
        format!("owl_0012abcd_{}=", &secret[1..]),
        format!("owl_0012abcd_{}+", &secret[1..]),
        // The last character holds two bits that no byte has: another spelling of the same secret is none.
        format!("owl_0012abcd_{}d", &secret[..42]),
        format!(" {text}"),
    ] {
        assert_eq!(bad.parse::<Token>().map(|t| t.expose()), Err(NoToken), "{bad}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let text = token().expose();
    let secret = &text[13..];
    let shown = format!("{:?} {:?} {:?} {NoToken}", token(), record(), token().hash());
    assert!(!shown.contains(secret), "{shown}");
    let kept = serde_json::to_string(&record()).unwrap();
    assert!(!kept.contains(secret) && kept.contains("\"id\":\"0012abcd\""), "{kept}");
}

#[test]
fn a_record_comes_back_and_only_the_same_secret_matches() {
    let read: TokenRecord = serde_json::from_str(&serde_json::to_string(&record()).unwrap()).unwrap();
    assert!(read.hash.matches(&token().hash()));
    for bit in [0, 100, 255] {
        let mut secret = [7; 32];
        secret[bit / 8] ^= 1 << (bit % 8);
        assert!(!read.hash.matches(&SecretHash::of(&secret)), "bit {bit}");
    }
}

#[test]
fn the_hash_is_sha_256() {
    let hash = serde_json::to_value(SecretHash::of(b"abc")).unwrap();
    // FIPS 180-2, appendix B.1, in base64url.
    assert_eq!(hash, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
}

#[test]
fn it_is_good_until_it_ends_or_is_taken_back() {
    let good = record();
    assert_eq!(good.good(UnixMs(8)), Ok(()));
    assert_eq!(good.good(UnixMs(9)), Err(Stale::Expired(UnixMs(9))));
    let by = Stamp::new("eve", UnixMs(6));
    let gone = good.revoke(by.clone()).unwrap();
    assert_eq!((gone.version, gone.good(UnixMs(8))), (2, Err(Stale::Revoked(by.clone()))));
    assert_eq!(gone.good(UnixMs(99)), Err(Stale::Revoked(by.clone())));
    assert!(gone.revoke(by).is_none());
    assert_eq!(TokenRecord { expires_at: None, ..record() }.good(UnixMs(i64::MAX)), Ok(()));
}

#[test]
fn roles_and_names_are_read() {
    for role in Role::ALL {
        assert_eq!(role.label().parse(), Ok(role));
        assert_eq!(serde_json::to_value(role).unwrap(), role.label());
    }
    assert!("root".parse::<Role>().unwrap_err().contains("load-tester"));
    assert_eq!(checked_name(" Zoë ").unwrap(), "Zoë");
    for bad in ["", " ", "a\nb", &"x".repeat(101)] {
        assert_eq!(checked_name(bad).unwrap_err().field, "name");
    }
}
