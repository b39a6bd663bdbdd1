//! Chance that is no chance: everything here is a pure function of numbers.

/// SplitMix64's finalizer: every bit of the result depends on every bit of `x`.
pub(crate) fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Bits as a number from 0 up to, but not including, 1.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// Picks the entry into whose part of 0..1 the number falls.
pub(super) fn draw<T: Copy>(bits: u64, parts: &[(f64, T)]) -> Option<T> {
    let mut point = unit(bits);
    for &(share, value) in parts {
        if point < share {
            return Some(value);
        }
        point -= share;
    }
    None
}
