//! Our side of header compression: templates compiled against the table that the other side has, so that a request costs
//! two copies and its own path.
//!
//! A compiled template is good as long as the table stays as it is. When an entry is added, or the size changes, the next
//! request compiles it again; after two or three requests all is in the table and nothing changes any more.

use crate::hpack::{
    Found, INCREMENTAL, INDEXED, LITERAL, NEVER, SIZE_UPDATE, Table, first_table, put_integer, put_raw,
    put_short,
};
use crate::limits::{TABLE_BYTES, TEMPLATES_MAX};
use crate::template::{Fixed, Path, Policy, Template};

/// The encoder of one connection.
#[derive(Debug)]
pub(crate) struct Encoder {
    table: Table,
    /// Counts the table's changes.
    generation: u64,
    /// The smallest size since the last block, if it has to be told (RFC 7541, 4.2).
    untold: Option<usize>,
    compiled: Vec<Compiled>,
    oldest: usize,
}

/// A template in the shape in which it is written.
#[derive(Debug, Default)]
struct Compiled {
    template: u64,
    /// Good for this state of the table; `None`: for one request only.
    generation: Option<u64>,
    /// Before the path's own part, with the name of `:path`.
    before: Vec<u8>,
    after: Vec<u8>,
    /// How each own field begins.
    own: Vec<Vec<u8>>,
    /// This own field is entered in the table by the next request.
    enters: Option<usize>,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self { table: first_table(), generation: 0, untold: None, compiled: Vec::new(), oldest: 0 }
    }

    /// The other side's SETTINGS_HEADER_TABLE_SIZE (RFC 9113, 6.5.2). We use up to what we began with.
    pub(crate) fn limit(&mut self, bytes: u32) {
        let bytes = (bytes as usize).min(TABLE_BYTES);
        if bytes == self.table.bytes_max() {
            return;
        }
        self.untold = Some(self.untold.map_or(bytes, |least| least.min(bytes)));
        self.table.resize(bytes);
        self.generation += 1;
    }

    /// Appends a header block.
    pub(crate) fn encode(&mut self, out: &mut Vec<u8>, template: &Template, path: &[u8], own: &[&[u8]]) {
        let place = self.place(template);
        let Some(compiled) = self.compiled.get_mut(place) else { return };
        if compiled.generation != Some(self.generation) || compiled.template != template.id {
            let untold = self.untold.take();
            if compile(compiled, &mut self.table, untold, template) {
                self.generation += 1;
                compiled.generation = None;
            } else {
                compiled.generation = Some(self.generation);
            }
        }
        out.extend_from_slice(&compiled.before);
        if let Path::Begins(begins) = &template.path {
            put_raw(out, &[begins, path]);
        }
        out.extend_from_slice(&compiled.after);
        for (begins, value) in compiled.own.iter().zip(own) {
            out.extend_from_slice(begins);
            put_raw(out, &[value]);
        }
        if let Some((name, value)) = compiled.enters.and_then(|n| Some((template.own.get(n)?, own.get(n)?))) {
            self.table.insert(name, value);
            self.generation += 1;
            compiled.generation = None;
        }
    }

    /// Where the template is compiled, or will be.
    fn place(&mut self, template: &Template) -> usize {
        if let Some(place) = self.compiled.iter().position(|compiled| compiled.template == template.id) {
            return place;
        }
        if self.compiled.len() < TEMPLATES_MAX {
            self.compiled.push(Compiled::default());
            return self.compiled.len() - 1;
        }
        self.oldest = (self.oldest + 1) % TEMPLATES_MAX;
        self.oldest
    }
}

/// Answers whether the table changed, so that the result is good for one request only.
fn compile(to: &mut Compiled, table: &mut Table, untold: Option<usize>, template: &Template) -> bool {
    *to = Compiled { template: template.id, ..Compiled::default() };
    let mut writer = Writer { budget: table.bytes_max(), table, changed: false };
    if let Some(least) = untold {
        writer.tell_size(&mut to.before, least);
    }
    for field in &template.pseudo {
        writer.field(&mut to.before, field);
    }
    match &template.path {
        Path::Whole(field) => writer.field(&mut to.before, field),
        Path::Begins(_) => writer.name(&mut to.before, b":path", LITERAL),
    }
    for field in &template.fields {
        writer.field(&mut to.after, field);
    }
    for (n, name) in template.own.iter().enumerate() {
        let (begins, enters) = writer.own(name, to.enters.is_some());
        to.own.push(begins);
        if enters {
            to.enters = Some(n);
        }
    }
    writer.changed
}

struct Writer<'a> {
    table: &'a mut Table,
    /// What this template may still take of the table: if it could push out fields of its own, it would never settle.
    budget: usize,
    changed: bool,
}

impl Writer<'_> {
    /// The smallest size in between, then the one that holds (RFC 7541, 4.2).
    fn tell_size(&mut self, out: &mut Vec<u8>, least: usize) {
        if least < self.table.bytes_max() {
            put_integer(out, SIZE_UPDATE, least);
        }
        put_integer(out, SIZE_UPDATE, self.table.bytes_max());
        self.changed = true;
    }

    fn field(&mut self, out: &mut Vec<u8>, field: &Fixed) {
        let representation = match field.policy {
            Policy::Indexed => return self.indexed(out, field),
            Policy::Literal => LITERAL,
            Policy::NeverIndexed => NEVER,
        };
        self.name(out, &field.name, representation);
        put_short(out, &field.value);
    }

    fn indexed(&mut self, out: &mut Vec<u8>, field: &Fixed) {
        if let Found::Whole(index) = self.table.find(&field.name, &field.value) {
            if self.table.is_dynamic(index) {
                self.budget = self.budget.saturating_sub(Table::cost(&field.name, &field.value));
            }
            return put_integer(out, INDEXED, index);
        }
        let Some(left) = self.budget.checked_sub(Table::cost(&field.name, &field.value)) else {
            self.name(out, &field.name, LITERAL);
            return put_short(out, &field.value);
        };
        self.budget = left;
        self.name(out, &field.name, INCREMENTAL);
        put_short(out, &field.value);
        self.table.insert(&field.name, &field.value);
        self.changed = true;
    }

    /// How an own field begins, and whether its first value is entered in the table for its name's sake. Values of up to
    /// 128 octets are reckoned with. Behind one that enters, indices have moved: the name is spelt out.
    fn own(&mut self, name: &[u8], one_enters: bool) -> (Vec<u8>, bool) {
        let mut begins = Vec::new();
        let known = self.table.find(name, b"\0") != Found::Nothing;
        let left = self.budget.checked_sub(Table::cost(name, &[0; 128]));
        self.budget = left.unwrap_or(self.budget);
        let enters = !known && !one_enters && left.is_some();
        if one_enters {
            put_integer(&mut begins, LITERAL, 0);
            put_short(&mut begins, name);
        } else {
            self.name(&mut begins, name, if enters { INCREMENTAL } else { LITERAL });
        }
        (begins, enters)
    }

    /// A representation with the name's index, or with the name.
    fn name(&self, out: &mut Vec<u8>, name: &[u8], representation: (u8, u32)) {
        match self.table.find(name, b"\0") {
            Found::Whole(index) | Found::Name(index) => put_integer(out, representation, index),
            Found::Nothing => {
                put_integer(out, representation, 0);
                put_short(out, name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
