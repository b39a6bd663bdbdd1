use super::*;
use common::device::TargetRef;
use proptest::prelude::*;
use serde_json::{Value, json};

const TOKEN: &str = "fcm-token:APA91b_-1.2=3%4";

fn campaign() -> CampaignId {
    CampaignId(uuid::Uuid::from_u128(7))
}

fn locales(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|t| (*t).to_owned()).collect()
}

fn apns(rendered: &Rendered, locale: u8) -> Value {
    serde_json::from_slice(rendered.apns(locale)).unwrap()
}

fn fcm(rendered: &Rendered, locale: u8, target: TargetRef<'_>) -> Value {
    let mut out = Vec::new();
    rendered.fcm().nth(rendered.place(locale)).unwrap().at(61).write(target, &mut out);
    serde_json::from_slice(&out).unwrap()
}

/// What an alert is meant to look like, written by hand.
fn expected_fcm(content: &Content, text: &Text, target: (&str, &str)) -> Value {
    let collapse = content.collapse_id.clone().unwrap_or_else(|| campaign().to_string());
    let mut message = json!({
        "notification": {},
        "android": {
            "collapse_key": collapse, "priority": "HIGH", "ttl": "61s", "notification": { "tag": collapse },
        },
    });
    for (key, value) in [("title", &text.title), ("body", &text.body)] {
        if !value.is_empty() {
            message["notification"][key] = json!(value);
        }
    }
    if let Some(sound) = &content.sound {
        message["android"]["notification"]["sound"] = json!(sound);
    }
    if !content.data.is_empty() {
        message["data"] = json!(content.data);
    }
    message[target.0] = json!(target.1);
    json!({ "message": message })
}

#[test]
fn an_alert_is_what_the_vendors_documents_say() {
    let mut content = Content::english("Superb \"Owl\"", "🦉 tonight");
    content.texts.insert("ar".into(), Text { title: "مرحبا \u{202e}".into(), body: String::new() });
    content.texts.insert("de".into(), Text { title: String::new(), body: "Heute\n\\".into() });
    content.data.insert("link".into(), "owl://tv".into());
    content.sound = Some("default".into());
    let rendered = render(&content, campaign(), &locales(&["de-AT", "en", "ar", "fr"])).unwrap();
    assert_eq!(
        apns(&rendered, 1),
        json!({
            "aps": { "alert": { "title": "Superb \"Owl\"", "body": "🦉 tonight" }, "sound": "default" },
            "link": "owl://tv",
        })
    );
    assert_eq!(apns(&rendered, 0)["aps"]["alert"], json!("Heute\n\\"));
    assert_eq!(apns(&rendered, 2)["aps"]["alert"], json!({ "title": "مرحبا \u{202e}" }));
    // French has no text, and 200 no number: both get the default.
    assert_eq!((rendered.apns(3), rendered.apns(200)), (rendered.apns(1), rendered.apns(1)));
    let (token, fid) = (TargetRef::FcmToken(TOKEN), TargetRef::FcmFid("f1"));
    for (number, tag) in [(0, "de"), (1, "en"), (2, "ar"), (3, "en")] {
        let text = &content.texts[tag];
        assert_eq!(fcm(&rendered, number, token), expected_fcm(&content, text, ("token", TOKEN)));
        assert_eq!(fcm(&rendered, number, fid), expected_fcm(&content, text, ("fid", "f1")));
    }
    let headers = rendered.apns_headers();
    assert_eq!((headers.push_type.as_str(), headers.priority.as_str()), ("alert", "10"));
    assert_eq!(headers.collapse_id, campaign().to_string());
}

#[test]
fn a_silent_one_shows_nothing() {
    let mut content = Content::silent();
    content.collapse_id = Some("drill".into());
    let rendered = render(&content, campaign(), &locales(&["en", ""])).unwrap();
    assert_eq!(apns(&rendered, 1), json!({ "aps": { "content-available": 1 } }));
    let headers = rendered.apns_headers();
    assert_eq!((headers.push_type.as_str(), headers.priority.as_str()), ("background", "5"));
    assert_eq!(headers.collapse_id, "drill");
    assert_eq!(
        fcm(&rendered, 0, TargetRef::FcmToken(TOKEN)),
        json!({ "message": {
            "token": TOKEN, "android": { "collapse_key": "drill", "priority": "NORMAL", "ttl": "61s" },
        } })
    );
}

#[test]
fn a_text_that_is_too_long_is_named_with_its_gateway_and_size() {
    let with = |n: usize| {
        let mut content = Content::english("t", "b");
        content.texts.insert("de".into(), Text { title: "t".into(), body: "ü".repeat(n) });
        render(&content, campaign(), &[])
    };
    let fixed = with(0).unwrap().bytes_max(Platform::Fcm);
    let fits = with(2_000).unwrap();
    assert!(fits.bytes_max(Platform::Fcm) <= PAYLOAD_BYTES_MAX && fixed < 200);
    let bytes = 2 * 2_030 + r#"{"aps":{"alert":{"title":"t","body":""}}}"#.len();
    let expected =
        PayloadError::TooLarge { locale: "de".into(), platform: Platform::Apns, bytes, max: 4_096 };
    assert_eq!(with(2_030).unwrap_err(), expected);
    assert!(expected.to_string().contains("`de`") && expected.to_string().contains("apns"));
}

#[test]
fn words_of_the_gateways_are_refused() {
    for (key, platform) in [
        ("aps", Platform::Apns),
        ("from", Platform::Fcm),
        ("gcm.x", Platform::Fcm),
        ("google.x", Platform::Fcm),
    ] {
        let mut content = Content::english("t", "b");
        content.data.insert(key.into(), "v".into());
        let error = render(&content, campaign(), &[]).unwrap_err();
        assert_eq!(error, PayloadError::ReservedKey { key: key.into(), platform });
    }
    for id in ["ü", "a b", "a\nb"] {
        let content = Content { collapse_id: Some(id.into()), ..Content::english("t", "b") };
        assert_eq!(render(&content, campaign(), &[]).unwrap_err(), PayloadError::CollapseId);
    }
}

#[test]
fn a_preview_marks_what_does_not_fit() {
    let mut content = Content::english("t", "b");
    content.texts.insert("de".into(), Text { title: "x".repeat(5_000), body: String::new() });
    let previews = crate::preview(&content, campaign()).unwrap();
    let fits: Vec<_> = previews.iter().map(|p| (p.locale.as_str(), p.sizes.fits)).collect();
    assert_eq!(fits, [("de", false), ("en", true)]);
    assert_eq!(previews[1].sizes.apns_bytes, previews[1].apns_json.len());
    assert!(previews[1].fcm_json.contains("TOKEN"));
}

proptest! {
    #[test]
    fn any_text_survives(
        title in any::<String>(),
        body in "(owl-cut-0-|[a\"\\\\{}🦉\u{202e}\u{0}-\u{1f}s]){1,80}",
        data in proptest::collection::btree_map("k[a-z\"]{0,5}", any::<String>(), 0..4),
        token in "[A-Za-z0-9:_.=%-]{20,60}",
    ) {
        let mut content = Content::english(&title, &body);
        content.data = data;
        let text = content.texts["en"].clone();
        let Ok(rendered) = render(&content, campaign(), &locales(&["en"])) else {
            // Only length can be wrong with such a content.
            let previews = crate::preview(&content, campaign()).unwrap();
            prop_assert!(!previews[0].sizes.fits);
            return Ok(());
        };
        let expected = expected_fcm(&content, &text, ("token", &token));
        prop_assert_eq!(fcm(&rendered, 0, TargetRef::FcmToken(&token)), expected);
        let aps = apns(&rendered, 0);
        if title.is_empty() {
            prop_assert_eq!(&aps["aps"]["alert"], &json!(body));
        } else {
            prop_assert_eq!(&aps["aps"]["alert"], &json!({ "title": title, "body": body }));
        }
        for (key, value) in &content.data {
            prop_assert_eq!(&aps[key.as_str()], &json!(value));
        }
        prop_assert_eq!(rendered.bytes_max(Platform::Apns), rendered.apns(0).len());
    }
}
