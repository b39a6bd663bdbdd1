//! Arbitrary bytes read as a script. Behind its end there are zeros, so that every script means something.

pub(super) struct Script<'a>(pub(super) &'a [u8]);

impl<'a> Script<'a> {
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        let number = if n <= 256 { usize::from(self.octet()) } else { usize::from(self.short()) };
        number % n.max(1)
    }

    pub(super) fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// Small numbers, powers of two and their neighbours, and any.
    pub(super) fn number(&mut self) -> u32 {
        let how = self.octet();
        match how {
            0..=95 => u32::from(how),
            96..=159 => (1_u32 << (how % 32)).wrapping_sub(u32::from(how >= 128)),
            160..=207 => u32::from(self.short()),
            _ => u32::from(self.short()) << 16 | u32::from(self.short()),
        }
    }

    /// So many bytes, or what is left.
    pub(super) fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A short piece, its length first.
    pub(super) fn piece(&mut self) -> &'a [u8] {
        let bytes = usize::from(self.octet());
        self.take(bytes)
    }
}
