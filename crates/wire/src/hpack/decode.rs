//! Header blocks, read field by field in place (RFC 7541, 3 and 6). Strings stay coded until somebody wants them.

use super::names::STATIC;
use super::table::Table;
use super::{BadBlock, first_table, huffman, integer};

/// A string as it stands in the block or in a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    octets: &'a [u8],
    coded: bool,
}

/// A header field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) value: Text<'a>,
}

impl<'a> Text<'a> {
    fn plain(octets: &'a [u8]) -> Self {
        Self { octets, coded: false }
    }

    /// Whether it is the text of which both forms are given.
    pub(crate) fn is(&self, plain: &[u8], coded: &[u8]) -> bool {
        self.octets == if self.coded { coded } else { plain }
    }

    /// The text, if it is not coded.
    pub(crate) fn uncoded(&self) -> Option<&'a [u8]> {
        (!self.coded).then_some(self.octets)
    }

    /// The octets, if they are Huffman-coded.
    pub(crate) fn coded(&self) -> Option<&'a [u8]> {
        self.coded.then_some(self.octets)
    }

    /// Appends the text.
    pub(crate) fn decode_into(&self, out: &mut Vec<u8>) -> Result<(), BadBlock> {
        if self.coded {
            return huffman::decode(out, self.octets);
        }
        out.extend_from_slice(self.octets);
        Ok(())
    }
}

/// One side's decoder with its table.
#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table,
    /// Largest size the other side may choose: ours of SETTINGS_HEADER_TABLE_SIZE, once acknowledged.
    allowed: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        let table = first_table();
        Self { allowed: table.bytes_max(), table, name: Vec::new(), value: Vec::new() }
    }

    /// The other side acknowledged SETTINGS_HEADER_TABLE_SIZE (RFC 9113, 4.3.1). What did not fit leaves at once: the size
    /// update that must come first in the next block (RFC 7541, 4.2) would do no more, and some leave it out.
    pub(crate) fn limit(&mut self, bytes: usize) {
        self.allowed = bytes;
        if self.table.bytes_max() > bytes {
            self.table.resize(bytes);
        }
    }

    /// Shows each field of a block to `visit`.
    pub(crate) fn decode<F>(&mut self, mut block: &[u8], mut visit: F) -> Result<(), BadBlock>
    where
        F: FnMut(Field<'_>) -> Result<(), BadBlock>,
    {
        let mut begun = false;
        while let Some(&first) = block.first() {
            if first & 0xe0 == 0x20 {
                self.take_size(&mut block, begun)?;
                continue;
            }
            begun = true;
            if first & 0x80 != 0 {
                let (name, value) = self.table.get(integer::take(&mut block, 7)?).ok_or(BadBlock)?;
                visit(Field { name: Text::plain(name), value: Text::plain(value) })?;
            } else if first & 0x40 != 0 {
                self.take_incremental(&mut block, &mut visit)?;
            } else {
                visit(self.take_literal(&mut block, 4)?)?;
            }
        }
        Ok(())
    }

    /// Reads a block of which nothing is wanted. What it does to the table is done; what is wrong with it is seen.
    pub(crate) fn pass_over(&mut self, mut block: &[u8]) -> Result<(), BadBlock> {
        let resizes = block.first().is_some_and(|first| first & 0xe0 == 0x20);
        if resizes || self.table.bytes_max() != 0 {
            return self.decode(block, |_| Ok(()));
        }
        // A table that may hold nothing does not change: only the static one can be pointed into.
        while let Some(&first) = block.first() {
            let prefix = match first {
                0x80.. => 7,
                0x40.. => 6,
                0x20.. => return Err(BadBlock),
                _ => 4,
            };
            let index = integer::take(&mut block, prefix)?;
            if index > STATIC.len() || (prefix == 7 && index == 0) {
                return Err(BadBlock);
            }
            if index == 0 {
                text(&mut block)?;
            }
            if prefix != 7 {
                text(&mut block)?;
            }
        }
        Ok(())
    }

    /// A size update is allowed before the first field only (RFC 7541, 4.2).
    fn take_size(&mut self, block: &mut &[u8], begun: bool) -> Result<(), BadBlock> {
        let bytes = integer::take(block, 5)?;
        if begun || bytes > self.allowed {
            return Err(BadBlock);
        }
        self.table.resize(bytes);
        Ok(())
    }

    fn take_incremental<F>(&mut self, block: &mut &[u8], visit: &mut F) -> Result<(), BadBlock>
    where
        F: FnMut(Field<'_>) -> Result<(), BadBlock>,
    {
        if self.table.bytes_max() == 0 {
            return visit(self.take_literal(block, 6)?);
        }
        let (mut name, mut value) = (std::mem::take(&mut self.name), std::mem::take(&mut self.value));
        name.clear();
        value.clear();
        let field = self.take_literal(block, 6)?;
        field.name.decode_into(&mut name)?;
        field.value.decode_into(&mut value)?;
        visit(field)?;
        self.table.insert(&name, &value);
        (self.name, self.value) = (name, value);
        Ok(())
    }

    fn take_literal<'t, 'b: 't>(&'t self, block: &mut &'b [u8], prefix: u32) -> Result<Field<'t>, BadBlock> {
        let name = match integer::take(block, prefix)? {
            0 => text(block)?,
            index => Text::plain(self.table.get(index).ok_or(BadBlock)?.0),
        };
        Ok(Field { name, value: text(block)? })
    }
}

/// A string literal (RFC 7541, 5.2).
fn text<'a>(block: &mut &'a [u8]) -> Result<Text<'a>, BadBlock> {
    let coded = block.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer::take(block, 7)?;
    let (octets, rest) = block.split_at_checked(length).ok_or(BadBlock)?;
    *block = rest;
    Ok(Text { octets, coded })
}
