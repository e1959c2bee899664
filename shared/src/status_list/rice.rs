//! Golomb–Rice code of the gaps between ascending serials: quotient in unary (ones, then a
//! zero), remainder in `bits` binary digits, most significant bit first.

use alloc::vec::Vec;

use crate::pass::SERIALS_PER_KEY;

/// Largest Rice parameter: gaps are below 2^24.
const BITS_LIMIT: u8 = 24;

/// The best parameter and the code of `serials` (ascending, unique).
pub(super) fn encode(serials: &[u32]) -> (u8, Vec<u8>) {
    let bits = best_parameter(serials);
    let mut writer = BitWriter {
        bytes: Vec::new(),
        used: 0,
    };
    for gap in gaps(serials) {
        for _ in 0..gap >> bits {
            writer.push(true);
        }
        writer.push(false);
        for position in (0..bits).rev() {
            writer.push(gap >> position & 1 == 1);
        }
    }
    (bits, writer.bytes)
}

/// The serials of a code; `None` when it holds fewer, runs over 2^24 or is followed by more
/// than padding.
pub(super) fn decode(count: u32, bits: u8, code: &[u8]) -> Option<Vec<u32>> {
    // A code word has at least one bit, so a count beyond the bits is a lie, told before any
    // memory is spent on it.
    if bits > BITS_LIMIT || count > SERIALS_PER_KEY || u64::from(count) > code.len() as u64 * 8 {
        return None;
    }
    let mut reader = BitReader { bytes: code, at: 0 };
    let mut serials = Vec::with_capacity(count as usize);
    let mut next = 0u32;
    for _ in 0..count {
        let mut quotient = 0u32;
        while reader.take()? {
            quotient += 1;
            if quotient > SERIALS_PER_KEY >> bits {
                return None;
            }
        }
        let mut remainder = 0u32;
        for _ in 0..bits {
            remainder = remainder << 1 | u32::from(reader.take()?);
        }
        let serial = next.checked_add(quotient << bits | remainder)?;
        if serial >= SERIALS_PER_KEY {
            return None;
        }
        serials.push(serial);
        next = serial + 1;
    }
    (reader.at.div_ceil(8) == code.len()).then_some(serials)
}

fn gaps(serials: &[u32]) -> impl Iterator<Item = u32> + '_ {
    let mut next = 0;
    serials.iter().map(move |serial| {
        let gap = serial - next;
        next = serial + 1;
        gap
    })
}

fn best_parameter(serials: &[u32]) -> u8 {
    let size = |bits: u8| -> u64 {
        gaps(serials)
            .map(|gap| u64::from(gap >> bits) + 1 + u64::from(bits))
            .sum()
    };
    // The size is convex in the parameter, but comparing all is simple and exact.
    (0..=BITS_LIMIT)
        .min_by_key(|bits| (size(*bits), *bits))
        .unwrap_or(0)
}

struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    fn push(&mut self, bit: bool) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if bit && let Some(last) = self.bytes.last_mut() {
            *last |= 0x80 >> (self.used % 8);
        }
        self.used = self.used.wrapping_add(1);
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    fn take(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Some(bit)
    }
}
