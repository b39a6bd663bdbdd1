//! The Huffman code of RFC 7541, 5.2 and appendix B. It is canonical, so its lengths say it all.

use super::BadBlock;

/// Bits of each symbol's code; the last is EOS (appendix B).
const BITS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];
const SHORTEST: usize = 5;
const LONGEST: usize = 30;
const EOS: u16 = 256;

/// The code, computed from the lengths by the compiler.
struct Code {
    /// Each symbol's code, right-justified.
    codes: [u32; 257],
    /// Symbols by length, then by value.
    sorted: [u16; 257],
    /// For each length: the first code of a greater length, left-justified in 32 bits.
    end: [u64; LONGEST + 1],
    /// For each length: its first code, right-justified.
    first: [u32; LONGEST + 1],
    /// For each length: where its symbols begin in `sorted`.
    place: [u16; LONGEST + 1],
}

static CODE: Code = canonical();

const fn canonical() -> Code {
    let mut code = Code {
        codes: [0; 257],
        sorted: [0; 257],
        end: [0; LONGEST + 1],
        first: [0; LONGEST + 1],
        place: [0; LONGEST + 1],
    };
    let (mut next, mut found, mut bits) = (0_u32, 0, SHORTEST);
    while bits <= LONGEST {
        code.first[bits] = next;
        code.place[bits] = found as u16;
        let mut symbol = 0;
        while symbol < 257 {
            if BITS[symbol] as usize == bits {
                code.codes[symbol] = next;
                code.sorted[found] = symbol as u16;
                next += 1;
                found += 1;
            }
            symbol += 1;
        }
        code.end[bits] = (next as u64) << (32 - bits);
        next <<= 1;
        bits += 1;
    }
    code
}

/// Octets that `text` takes when coded.
pub(super) fn coded_len(text: &[u8]) -> usize {
    text.iter().map(|&octet| usize::from(BITS[usize::from(octet)])).sum::<usize>().div_ceil(8)
}

/// Appends the code of `text`, filled up with the first bits of EOS.
pub(super) fn encode(out: &mut Vec<u8>, text: &[u8]) {
    let (mut held, mut bits) = (0_u64, 0_u32);
    for &octet in text {
        let length = u32::from(BITS[usize::from(octet)]);
        held = held << length | u64::from(CODE.codes[usize::from(octet)]);
        bits += length;
        while bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
        }
    }
    if bits > 0 {
        out.push((held << (8 - bits)) as u8 | (0xff_u8 >> bits));
    }
}

/// Appends what `coded` says. EOS inside, and an end that is not up to 7 bits of EOS, are faults (5.2).
pub(super) fn decode(out: &mut Vec<u8>, coded: &[u8]) -> Result<(), BadBlock> {
    let (mut held, mut bits) = (0_u64, 0_u32);
    let mut rest = coded.iter();
    loop {
        while bits <= 32
            && let Some(&octet) = rest.next()
        {
            held = held << 8 | u64::from(octet);
            bits += 8;
        }
        // The next 32 bits, ones behind the end: EOS is all ones, so nothing but EOS begins with 30 of them.
        let window =
            if bits >= 32 { held >> (bits - 32) } else { held << (32 - bits) | ((1 << (32 - bits)) - 1) };
        let window = window & 0xffff_ffff;
        let (length, symbol) = next_symbol(window)?;
        if symbol == EOS || length > bits {
            return if bits < 8 && window == 0xffff_ffff { Ok(()) } else { Err(BadBlock) };
        }
        out.push(symbol as u8);
        bits -= length;
    }
}

fn next_symbol(window: u64) -> Result<(u32, u16), BadBlock> {
    for length in SHORTEST..=LONGEST {
        if window < CODE.end[length] {
            let nth = (window >> (32 - length)) as u32 - CODE.first[length];
            let place = usize::from(CODE.place[length]) + nth as usize;
            return CODE.sorted.get(place).map(|&symbol| (length as u32, symbol)).ok_or(BadBlock);
        }
    }
    Err(BadBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for text in [&all[..], b"", b"0", b"www.example.com"] {
            let (mut coded, mut back) = (Vec::new(), Vec::new());
            encode(&mut coded, text);
            assert_eq!(coded.len(), coded_len(text));
            decode(&mut back, &coded).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn bad_ends_are_refused() {
        for coded in [&[0xff][..], &[0xff, 0xff, 0xff, 0xff], &[0b0000_0000], &[0b0000_0110], &[0x07, 0xff]] {
            assert_eq!(decode(&mut Vec::new(), coded), Err(BadBlock), "{coded:x?}");
        }
        assert_eq!(decode(&mut Vec::new(), &[0b0000_0111]), Ok(()));
    }
}
