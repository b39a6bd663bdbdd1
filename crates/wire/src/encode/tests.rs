use super::*;
use crate::hpack::{Decoder, Field};

struct Peer {
    decoder: Decoder,
    encoder: Encoder,
}

impl Peer {
    fn new() -> Self {
        Self { decoder: Decoder::new(), encoder: Encoder::new() }
    }

    /// What the other side reads, and the size of the block.
    fn send(&mut self, template: &Template, path: &str, own: &[&[u8]]) -> (String, usize) {
        let mut out = Vec::new();
        self.encoder.encode(&mut out, template, path.as_bytes(), own);
        let mut all = Vec::new();
        let show = |field: Field<'_>| {
            field.name.decode_into(&mut all)?;
            all.push(b'=');
            field.value.decode_into(&mut all)?;
            all.push(b' ');
            Ok(())
        };
        self.decoder.decode(&out, show).unwrap();
        (String::from_utf8(all).unwrap(), out.len())
    }
}

const BEARER: &str = "bearer ya29.";

#[test]
fn a_long_bearer_is_one_octet_after_its_first_use() {
    let mut peer = Peer::new();
    let bearer = BEARER.to_owned() + &"x1".repeat(500);
    let template = Template::to_path("fcm.googleapis.com", "/v1/projects/p/messages:send").with(
        "authorization",
        bearer.clone(),
        Policy::Indexed,
    );
    let wanted = format!(
        ":method=POST :scheme=https :authority=fcm.googleapis.com :path=/v1/projects/p/messages:send authorization={bearer} "
    );
    let (first, first_bytes) = peer.send(&template, "", &[]);
    assert_eq!(first, wanted);
    assert!(first_bytes > 700);
    for _ in 0..3 {
        assert_eq!(peer.send(&template, "", &[]), (wanted.clone(), 5));
    }
}

#[test]
fn apple_gets_path_and_authorization_as_literals_and_names_once() {
    let mut peer = Peer::new();
    let template = Template::to_paths_below("api.push.apple.com", "/3/device/")
        .with("authorization", "bearer abc", Policy::Literal)
        .with("apns-topic", "com.example", Policy::Indexed)
        .with_own("apns-id")
        .with_own("apns-collapse-id");
    let mut sizes = Vec::new();
    for n in 0..5 {
        let id = format!("id-{n}");
        let (seen, bytes) = peer.send(&template, "00ff", &[id.as_bytes(), b"same"]);
        assert_eq!(
            seen,
            format!(
                ":method=POST :scheme=https :authority=api.push.apple.com :path=/3/device/00ff authorization=bearer \
                 abc apns-topic=com.example apns-id={id} apns-collapse-id=same "
            )
        );
        sizes.push(bytes);
    }
    assert!(sizes[3] == sizes[4] && sizes[4] < sizes[0] - 40, "{sizes:?}");
}

#[test]
fn table_sizes_are_followed_at_any_time() {
    let mut peer = Peer::new();
    let template = Template::to_path("a.example", "/p").with("x-long", "y".repeat(200), Policy::Indexed);
    let wanted = peer.send(&template, "", &[]).0;
    for sizes in [&[0_u32][..], &[4_096], &[100, 300], &[65_536], &[0, 4_096], &[33]] {
        for size in sizes {
            peer.encoder.limit(*size);
            peer.decoder.limit((*size as usize).min(4_096));
        }
        for _ in 0..3 {
            assert_eq!(peer.send(&template, "", &[]).0, wanted, "{sizes:?}");
        }
    }
}

#[test]
fn more_templates_than_are_kept_and_than_fit_still_arrive() {
    let mut peer = Peer::new();
    let templates: Vec<Template> = (0..20)
        .map(|n| {
            Template::to_path("a.example", "/p")
                .with("authorization", format!("{n}{}", "z".repeat(900)), Policy::Indexed)
                .with("x-n", n.to_string(), Policy::NeverIndexed)
        })
        .collect();
    for turn in 0..60 {
        let n = turn * 7 % 20;
        let (seen, _) = peer.send(&templates[n], "", &[]);
        assert!(seen.ends_with(&format!("authorization={n}{} x-n={n} ", "z".repeat(900))));
    }
}

/// The smallest size in between comes first, then the one that holds (RFC 7541, 4.2).
#[test]
fn a_changed_table_size_is_told_once() {
    let mut peer = Peer::new();
    let template = Template::to_path("a.example", "/p");
    peer.send(&template, "", &[]);
    peer.encoder.limit(0);
    peer.encoder.limit(4_096);
    let mut out = Vec::new();
    peer.encoder.encode(&mut out, &template, b"", &[]);
    assert_eq!(out.get(..4), Some(&[0x20, 0x3f, 0xe1, 0x1f][..]));
    out.clear();
    peer.encoder.encode(&mut out, &template, b"", &[]);
    assert_eq!(out, [0x83, 0x87, 0xbf, 0xbe]);
}
