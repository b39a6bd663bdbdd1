//! Where all chance of a night comes from: one number, one small generator. Our own, because a seed that found something
//! must mean the same night after an update of any crate.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of this seed; each stream of one seed is another sequence.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
        dice.throw();
        dice
    }

    /// 64 bits.
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `n`; zero when `n` is.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.throw()) * u128::from(n);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// `lo` to `hi`, both included.
    pub(crate) fn between(&mut self, lo: u64, hi: u64) -> u64 {
        lo + self.below(hi.saturating_sub(lo) + 1)
    }

    /// At most this.
    pub(crate) fn up_to(&mut self, most: u32) -> u32 {
        u32::try_from(self.below(u64::from(most) + 1)).unwrap_or(most)
    }

    /// The same as an index or a count.
    pub(crate) fn count(&mut self, lo: usize, hi: usize) -> usize {
        usize::try_from(self.between(lo as u64, hi as u64)).unwrap_or(lo)
    }

    /// True so many times in a thousand.
    pub(crate) fn per_mille(&mut self, p: u32) -> bool {
        p > 0 && self.below(1_000) < u64::from(p)
    }

    /// One of these, which are not none.
    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.count(0, all.len() - 1)]
    }

    /// A latency: about `usual`, now and then (`tail` of a thousand) up to twenty times that.
    pub(crate) fn latency(&mut self, usual: u64, tail: u32) -> u64 {
        let ms = self.between(usual / 2, usual + usual / 2);
        if self.per_mille(tail) { ms + self.below(usual * 20 + 1) } else { ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_streams_differ() {
        let throws = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            [dice.throw(), dice.below(10), dice.between(3, 5), dice.latency(10, 500)]
        };
        assert_eq!(throws(7, 1), throws(7, 1));
        assert_ne!(throws(7, 1), throws(7, 2));
        let mut dice = Dice::new(1, 1);
        assert!((0..1_000).all(|_| dice.below(3) < 3 && (4..=6).contains(&dice.between(4, 6))));
        assert_eq!((dice.below(0), dice.between(5, 5), dice.per_mille(0)), (0, 5, false));
    }
}
