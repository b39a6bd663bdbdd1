//! Header compression against a second implementation, `loona-hpack` (of the loona project, grown from `hpack-rs`).

use super::script::Script;
use crate::encode::Encoder;
use crate::hpack::{BadBlock, Decoder};
use crate::limits::TABLE_BYTES;
use crate::template::{Policy, Template};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Arbitrary blocks mean the same to both decoders; what our encoder writes means the same to both and to us.
pub fn hpack(data: &[u8]) {
    let mut script = Script(data);
    let how = usize::from(script.octet());
    // Small tables are full soon.
    let table_bytes = [TABLE_BYTES, 300, 100, 40, 0][how / 2 % 5];
    if how.is_multiple_of(2) {
        decoders_agree(script, table_bytes);
    } else {
        what_is_written_is_read(script, table_bytes);
    }
}

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Fields, BadBlock> {
    let mut fields = Fields::new();
    decoder.decode(block, |field| {
        let (mut name, mut value) = (Vec::new(), Vec::new());
        field.name.decode_into(&mut name)?;
        field.value.decode_into(&mut value)?;
        fields.push((name, value));
        Ok(())
    })?;
    Ok(fields)
}

fn decoders_agree(mut script: Script<'_>, table_bytes: usize) {
    let (mut ours, mut theirs) = (Decoder::new(), loona_hpack::Decoder::new());
    ours.limit(table_bytes);
    theirs.set_max_table_size(table_bytes);
    theirs.set_max_allowed_table_size(table_bytes);
    while !script.is_over() {
        let length = script.octet();
        if length == u8::MAX {
            // The only limit that we ever set.
            ours.limit(0);
            theirs.set_max_table_size(0);
            theirs.set_max_allowed_table_size(0);
            continue;
        }
        let block = script.take(usize::from(length));
        match (decoded(&mut ours, block), theirs.decode(block)) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{block:x?}"),
            // Nothing but updates of the table's size: no field is lost, and we let it pass.
            (Ok(fields), Err(loona_hpack::decoder::DecoderError::SizeUpdateAtEnd)) => {
                assert!(fields.is_empty());
            }
            (Ok(fields), Err(error)) => {
                unreachable!("we read {fields:x?} in {block:x?}, they say {error}");
            }
            // They take size updates between fields, and Huffman padding of more than 7 bits.
            (Err(BadBlock), _) => return,
        }
    }
}

/// A template, and its fields in order; `None` for the path.
struct Kind {
    template: Template,
    fields: Vec<(String, Option<Vec<u8>>)>,
    own: Vec<String>,
    begins: Option<String>,
}

fn name(script: &mut Script<'_>) -> String {
    let known = ["authorization", "apns-topic", "content-type", "x", ":path", "age"];
    match script.below(9) {
        n if n < known.len() => known.get(n).map(|name| (*name).to_owned()).unwrap_or_default(),
        _ => String::from_utf8_lossy(script.piece()).to_ascii_lowercase(),
    }
}

fn value(script: &mut Script<'_>) -> Vec<u8> {
    let piece = script.piece();
    piece.repeat([1, 1, 1, 8][script.below(4)])
}

fn kind(script: &mut Script<'_>) -> Kind {
    let authority = String::from_utf8_lossy(script.piece()).into_owned();
    let path = String::from_utf8_lossy(script.piece()).into_owned();
    let whole = script.below(2) == 0;
    let mut template = if whole {
        Template::to_path(&authority, &path)
    } else {
        Template::to_paths_below(&authority, &path)
    };
    let pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", &authority)];
    let mut fields: Vec<(String, Option<Vec<u8>>)> =
        pseudo.into_iter().map(|(name, value)| (name.to_owned(), Some(value.into()))).collect();
    fields.push((":path".to_owned(), whole.then(|| path.clone().into_bytes())));
    for _ in 0..script.below(6) {
        let (name, value) = (name(script), value(script));
        let policy = [Policy::Indexed, Policy::Literal, Policy::NeverIndexed][script.below(3)];
        template = template.with(&name, value.clone(), policy);
        fields.push((name, Some(value)));
    }
    let own: Vec<String> = (0..script.below(4)).map(|_| name(script)).collect();
    for name in &own {
        template = template.with_own(name);
    }
    Kind { template, fields, own, begins: (!whole).then_some(path) }
}

fn what_is_written_is_read(mut script: Script<'_>, table_bytes: usize) {
    let kinds: Vec<Kind> = (0..=script.below(10)).map(|_| kind(&mut script)).collect();
    let (mut encoder, mut ours, mut theirs) = (Encoder::new(), Decoder::new(), loona_hpack::Decoder::new());
    theirs.set_max_allowed_table_size(TABLE_BYTES);
    encoder.limit(table_bytes as u32);
    // The size that the other side was told last, the one that holds, and the least in between.
    let (mut told, mut size, mut least) = (TABLE_BYTES, table_bytes, table_bytes);
    while !script.is_over() {
        if script.below(8) == 0 {
            let bytes = script.number();
            size = TABLE_BYTES.min(bytes as usize);
            least = least.min(size);
            encoder.limit(bytes);
            ours.limit(bytes as usize);
            theirs.set_max_allowed_table_size(bytes as usize);
        }
        let Some(kind) = kinds.get(script.below(kinds.len())) else { return };
        let path = script.piece();
        let own: Vec<Vec<u8>> = (0..script.below(kind.own.len() + 1)).map(|_| value(&mut script)).collect();
        let values: Vec<&[u8]> = own.iter().map(|value| &**value).collect();
        let mut block = Vec::new();
        encoder.encode(&mut block, &kind.template, path, &values);
        let tells = block.first().is_some_and(|first| first & 0xe0 == 0x20);
        assert_eq!(tells, size != told || least < told, "RFC 7541, 4.2");
        (told, least) = (size, size);
        let meant = meant(kind, path, &own);
        assert_eq!(decoded(&mut ours, &block).as_ref(), Ok(&meant), "ours, of {block:x?}");
        assert_eq!(theirs.decode(&block).as_ref(), Ok(&meant), "theirs, of {block:x?}");
    }
}

fn meant(kind: &Kind, path: &[u8], own: &[Vec<u8>]) -> Fields {
    let whole_path = || [kind.begins.clone().unwrap_or_default().as_bytes(), path].concat();
    let fixed = kind.fields.iter();
    let fixed =
        fixed.map(|(name, value)| (name.as_bytes().to_vec(), value.clone().unwrap_or_else(whole_path)));
    let own = kind.own.iter().zip(own).map(|(name, value)| (name.as_bytes().to_vec(), value.clone()));
    fixed.chain(own).collect()
}
