//! Chance, from one number: the generator of `crates/night`, so that a seed means the same after an update of any crate.

/// SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// More than 0 and less than 1.
    pub(crate) fn share(&mut self) -> f64 {
        ((self.throw() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Less than `n`; zero when `n` is.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        u64::try_from((u128::from(self.throw()) * u128::from(n)) >> 64).unwrap_or(0)
    }
}

/// Neighbours become strangers.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
