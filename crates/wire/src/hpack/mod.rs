//! Header compression (RFC 7541): integers, Huffman, tables, a decoder, an encoder's table.
//!
//! Our own, because the crates there are (`loona-hpack`, `httlib-hpack`, forks of `hpack`) allocate name and value of
//! every field; here a field that nobody wants is never copied. It judges no header's meaning.

mod decode;
mod huffman;
mod integer;
mod names;
mod table;

pub(crate) use decode::{Decoder, Field, Text};
pub(crate) use table::{Found, Table};

use crate::limits::TABLE_BYTES;

/// A block that can't be decoded: a connection error COMPRESSION_ERROR (RFC 9113, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadBlock;

/// Indexed field (RFC 7541, 6.1).
pub(crate) const INDEXED: (u8, u32) = (0x80, 7);
/// Literal with incremental indexing (6.2.1).
pub(crate) const INCREMENTAL: (u8, u32) = (0x40, 6);
/// Literal without indexing (6.2.2).
pub(crate) const LITERAL: (u8, u32) = (0x00, 4);
/// Literal never indexed (6.2.3).
pub(crate) const NEVER: (u8, u32) = (0x10, 4);
/// Dynamic table size update (6.3).
pub(crate) const SIZE_UPDATE: (u8, u32) = (0x20, 5);

/// Appends an integer behind the bits of a representation (RFC 7541, 5.1).
pub(crate) fn put_integer(out: &mut Vec<u8>, (bits, prefix): (u8, u32), value: usize) {
    integer::put(out, bits, prefix, value);
}

/// Appends a string as it is: what is written for each request costs no coding (RFC 7541, 5.2).
pub(crate) fn put_raw(out: &mut Vec<u8>, parts: &[&[u8]]) {
    integer::put(out, 0, 7, parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Appends a string in the shorter of its two forms (RFC 7541, 5.2).
pub(crate) fn put_short(out: &mut Vec<u8>, text: &[u8]) {
    let coded = huffman::coded_len(text);
    if coded >= text.len() {
        return put_raw(out, &[text]);
    }
    integer::put(out, 0x80, 7, coded);
    huffman::encode(out, text);
}

/// The Huffman form of a name, to know it by without decoding.
pub(crate) fn coded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    huffman::encode(&mut out, text);
    out
}

/// A table of the size that both sides begin with.
pub(crate) fn first_table() -> Table {
    Table::new(TABLE_BYTES)
}

#[cfg(test)]
mod tests;
