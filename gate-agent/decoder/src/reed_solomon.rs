//! Reed-Solomon over the field of QR codes (ISO/IEC 18004, 7.5.2), with erasures: a codeword that
//! is known to be unsure costs half of what a wrong one costs.

/// Most check codewords of a block, in any version at any level.
pub(crate) const CHECKS_MAX: usize = 30;

/// x^8 + x^4 + x^3 + x^2 + 1.
const FIELD: u16 = 0x11d;

struct Tables {
    exp: [u8; 512],
    log: [u8; 256],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let mut exp = [0; 512];
    let mut log = [0; 256];
    let mut value: u16 = 1;
    let mut power = 0;
    while power < 255 {
        exp[power] = value as u8;
        exp[power + 255] = value as u8;
        log[value as usize] = power as u8;
        value <<= 1;
        if value & 0x100 != 0 {
            value ^= FIELD;
        }
        power += 1;
    }
    Tables { exp, log }
}

fn times(one: u8, other: u8) -> u8 {
    if one == 0 || other == 0 {
        return 0;
    }
    let power =
        usize::from(TABLES.log[usize::from(one)]) + usize::from(TABLES.log[usize::from(other)]);
    TABLES.exp[power]
}

fn inverse(value: u8) -> u8 {
    TABLES.exp[255 - usize::from(TABLES.log[usize::from(value)])]
}

/// Room for every polynomial below: one more coefficient than checks.
type Polynomial = [u8; CHECKS_MAX + 2];

/// Corrects a block of data followed by `checks` check codewords, and says how many codewords that
/// were not named as erased were wrong. `None` when it cannot be corrected; the block is as it was.
pub(crate) fn correct(block: &mut [u8], checks: usize, erased: &[usize]) -> Option<usize> {
    let length = block.len();
    if checks > CHECKS_MAX || erased.len() > checks || length > 255 || checks >= length {
        return None;
    }
    let syndromes = syndromes(block, checks);
    if syndromes[..checks].iter().all(|&syndrome| syndrome == 0) {
        return Some(0);
    }
    let locator = locator(&syndromes, checks, length, erased);
    let degree = locator.iter().rposition(|&coefficient| coefficient != 0)?;
    if degree > checks {
        return None;
    }
    let evaluator = product(&syndromes, &locator, checks);
    let mut corrections = [(0_usize, 0_u8); CHECKS_MAX];
    let mut found = 0;
    for position in 0..length {
        let power = length - 1 - position;
        let inverse_root = TABLES.exp[(255 - power) % 255];
        if value_at(&locator[..=degree], inverse_root) != 0 {
            continue;
        }
        let slope = slope_at(&locator[..=degree], inverse_root);
        if slope == 0 || found == degree {
            return None;
        }
        let size = times(
            TABLES.exp[power],
            times(value_at(&evaluator[..checks], inverse_root), inverse(slope)),
        );
        corrections[found] = (position, size);
        found += 1;
    }
    if found != degree {
        return None;
    }
    let mut wrong = 0;
    for &(position, size) in &corrections[..found] {
        if size != 0 && !erased.contains(&position) {
            wrong += 1;
        }
        block[position] ^= size;
    }
    if wrong * 2 + erased.len() > checks {
        for &(position, size) in &corrections[..found] {
            block[position] ^= size;
        }
        return None;
    }
    Some(wrong)
}

fn syndromes(block: &[u8], checks: usize) -> Polynomial {
    let mut syndromes = [0; CHECKS_MAX + 2];
    for (power, syndrome) in syndromes[..checks].iter_mut().enumerate() {
        let root = TABLES.exp[power];
        *syndrome = block
            .iter()
            .fold(0, |sum, &codeword| times(sum, root) ^ codeword);
    }
    syndromes
}

/// Berlekamp and Massey's, begun with the erasures (Blahut, 1983).
fn locator(syndromes: &Polynomial, checks: usize, length: usize, erased: &[usize]) -> Polynomial {
    let mut locator: Polynomial = [0; CHECKS_MAX + 2];
    locator[0] = 1;
    for (known, &position) in erased.iter().enumerate() {
        let root = TABLES.exp[length - 1 - position];
        for power in (1..=known + 1).rev() {
            locator[power] ^= times(locator[power - 1], root);
        }
    }
    let mut before = locator;
    let mut errors = erased.len();
    for step in erased.len() + 1..=checks {
        let discrepancy = (0..step).fold(0, |sum, power| {
            sum ^ times(locator[power], syndromes[step - 1 - power])
        });
        let mut shifted: Polynomial = [0; CHECKS_MAX + 2];
        shifted[1..].copy_from_slice(&before[..CHECKS_MAX + 1]);
        if discrepancy == 0 {
            before = shifted;
            continue;
        }
        let mut next = locator;
        for (next, &shifted) in next.iter_mut().zip(&shifted) {
            *next ^= times(discrepancy, shifted);
        }
        if 2 * errors < step + erased.len() {
            errors = step + erased.len() - errors;
            let scale = inverse(discrepancy);
            before = locator.map(|coefficient| times(coefficient, scale));
        } else {
            before = shifted;
        }
        locator = next;
    }
    locator
}

fn product(syndromes: &Polynomial, locator: &Polynomial, checks: usize) -> Polynomial {
    let mut product: Polynomial = [0; CHECKS_MAX + 2];
    for (power, coefficient) in product[..checks].iter_mut().enumerate() {
        *coefficient = (0..=power).fold(0, |sum, low| {
            sum ^ times(syndromes[low], locator[power - low])
        });
    }
    product
}

fn value_at(polynomial: &[u8], place: u8) -> u8 {
    polynomial
        .iter()
        .rev()
        .fold(0, |sum, &coefficient| times(sum, place) ^ coefficient)
}

/// The formal derivative: the odd powers alone.
fn slope_at(polynomial: &[u8], place: u8) -> u8 {
    let square = times(place, place);
    let mut sum = 0;
    let mut power = 1;
    for &coefficient in polynomial.iter().skip(1).step_by(2) {
        sum ^= times(coefficient, power);
        power = times(power, square);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks of the data, by long division by the generator polynomial.
    fn with_checks(data: &[u8], checks: usize) -> Vec<u8> {
        let mut generator = vec![1];
        for power in 0..checks {
            generator.push(0);
            for place in (1..generator.len()).rev() {
                generator[place] ^= times(generator[place - 1], TABLES.exp[power]);
            }
        }
        let mut rest = data.to_vec();
        rest.resize(data.len() + checks, 0);
        for place in 0..data.len() {
            let factor = rest[place];
            for (offset, &coefficient) in generator.iter().enumerate() {
                rest[place + offset] ^= times(coefficient, factor);
            }
        }
        let mut block = data.to_vec();
        block.extend(&rest[data.len()..]);
        block
    }

    fn random(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*seed >> 33) as usize
    }

    #[test]
    fn the_standards_example_has_these_checks() {
        // ISO/IEC 18004, annex I: version 1-M, "01234567".
        let data = [
            0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11,
            0xec, 0x11,
        ];
        let block = with_checks(&data, 10);
        assert_eq!(
            block[16..],
            [0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7, 0x87, 0x2c, 0x55]
        );
    }

    #[test]
    fn errors_and_erasures_are_corrected_up_to_the_limit_and_not_beyond() {
        let mut seed = 5;
        let mut beyond = 0;
        for round in 0..2_000 {
            let checks = [7, 10, 16, 18, 24, 30][round % 6];
            let data: Vec<u8> = (0..20 + round % 90)
                .map(|_| random(&mut seed) as u8)
                .collect();
            let whole = with_checks(&data, checks);
            let mut places: Vec<usize> = (0..whole.len()).collect();
            for place in 0..checks + 1 {
                let other = place + random(&mut seed) % (places.len() - place);
                places.swap(place, other);
            }
            let erasures = random(&mut seed) % (checks + 1);
            let errors = (checks - erasures) / 2;
            let spoil = |count: usize, seed: &mut u64| {
                let mut block = whole.clone();
                for &place in &places[..count] {
                    block[place] ^= 1 + (random(seed) % 255) as u8;
                }
                block
            };
            let mut block = spoil(erasures + errors, &mut seed);
            assert_eq!(
                correct(&mut block, checks, &places[..erasures]),
                Some(errors)
            );
            assert_eq!(block, whole);
            let mut block = spoil(erasures + errors + 1, &mut seed);
            let before = block.clone();
            match correct(&mut block, checks, &places[..erasures]) {
                None => assert_eq!(block, before, "left as it was"),
                Some(_) => beyond += 1,
            }
        }
        assert!(
            beyond < 900,
            "{beyond} of 2,000 blocks beyond repair were taken for another"
        );
    }
}
