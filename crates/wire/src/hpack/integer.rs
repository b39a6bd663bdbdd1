//! Integers with a prefix (RFC 7541, 5.1).

use super::BadBlock;

/// Appends `value`; the `prefix` low bits of the first octet are its own, `bits` are the others.
pub(super) fn put(out: &mut Vec<u8>, bits: u8, prefix: u32, value: usize) {
    let most = (1_usize << prefix) - 1;
    if value < most {
        return out.push(bits | value as u8);
    }
    out.push(bits | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Takes an integer off the front of `block`. Anything beyond 28 bits after the prefix is a fault: nothing we take is
/// that large.
pub(super) fn take(block: &mut &[u8], prefix: u32) -> Result<usize, BadBlock> {
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(octet(block)?) & most;
    if value < most {
        return Ok(value);
    }
    for shift in [0, 7, 14, 21] {
        let next = octet(block)?;
        value += usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(BadBlock)
}

fn octet(block: &mut &[u8]) -> Result<u8, BadBlock> {
    let (&first, rest) = block.split_first().ok_or(BadBlock)?;
    *block = rest;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541, C.1.
    #[test]
    fn integers_are_those_of_the_rfc() {
        for (prefix, value, octets) in
            [(5, 10, &[10_u8][..]), (5, 1_337, &[31, 154, 10]), (8, 42, &[42]), (7, 127, &[127, 0])]
        {
            let mut out = Vec::new();
            put(&mut out, 0, prefix, value);
            assert_eq!(out, octets);
            assert_eq!(take(&mut &*out, prefix), Ok(value));
        }
    }

    #[test]
    fn endless_integers_are_refused() {
        assert_eq!(take(&mut &[255, 255, 255, 255, 255, 255, 255, 1][..], 7), Err(BadBlock));
        assert_eq!(take(&mut &[127][..], 7), Err(BadBlock));
        assert_eq!(take(&mut &[][..], 7), Err(BadBlock));
    }
}
