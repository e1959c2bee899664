//! Modbus RTU frames (Modbus over serial line V1.02, application protocol V1.1b3), as much of them
//! as relay boards need: write one coil, read discrete inputs. Pure bytes.

use super::wiring::Switch;

const READ_DISCRETE_INPUTS: u8 = 0x02;
const WRITE_SINGLE_COIL: u8 = 0x05;
const EXCEPTION: u8 = 0x80;

/// A question to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) unit: u8,
    pub(super) what: What,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    WriteCoil {
        coil: u16,
        to: Switch,
    },
    /// The inputs from 0 on.
    ReadInputs {
        count: u16,
    },
}

/// A board's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Written,
    /// From input 0 on.
    Inputs(Vec<Switch>),
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misheard {
    #[error("the board does not answer: check its power, its address and A and B")]
    Silence,
    #[error("the checksum is wrong: check the bus's termination, speed and parity")]
    Checksum,
    #[error("unit {unit} answers, which was not asked")]
    Unit { unit: u8 },
    #[error("the answer is not to what was asked")]
    Unexpected,
    #[error("the board refuses with exception {code}{}", words(.code))]
    Exception { code: u8 },
}

fn words(code: &u8) -> &'static str {
    match code {
        1 => " (it does not know this function)",
        2 => " (it has no such relay or input)",
        3 => " (it does not take this value)",
        4 => " (it failed)",
        _ => "",
    }
}

/// The checksum of a frame: CRC-16 with the polynomial 0xA001, from 0xFFFF.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                (sum >> 1) ^ 0xa001
            } else {
                sum >> 1
            }
        })
    })
}

/// A frame with its checksum.
pub(super) fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&frame);
    frame.extend(sum.to_le_bytes());
    frame
}

impl Question {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut frame = vec![self.unit];
        match self.what {
            What::WriteCoil { coil, to } => {
                frame.push(WRITE_SINGLE_COIL);
                frame.extend(coil.to_be_bytes());
                frame.extend(match to {
                    Switch::On => [0xff, 0x00],
                    Switch::Off => [0x00, 0x00],
                });
            }
            What::ReadInputs { count } => {
                frame.push(READ_DISCRETE_INPUTS);
                frame.extend(0u16.to_be_bytes());
                frame.extend(count.to_be_bytes());
            }
        }
        sealed(frame)
    }

    /// Reads what has come of the answer; none while more bytes must come.
    pub(super) fn answered(self, received: &[u8]) -> Result<Option<Answer>, Misheard> {
        let [unit, function, third, ..] = *received else {
            return Ok(None);
        };
        let length = if function & EXCEPTION == EXCEPTION {
            5
        } else {
            match self.what {
                What::WriteCoil { .. } => 8,
                What::ReadInputs { .. } => 5 + usize::from(third),
            }
        };
        let Some(frame) = received.get(..length) else {
            return Ok(None);
        };
        let (body, sum) = frame.split_at(length - 2);
        if checksum(body).to_le_bytes() != sum {
            return Err(Misheard::Checksum);
        }
        if unit != self.unit {
            return Err(Misheard::Unit { unit });
        }
        if received.len() > length {
            return Err(Misheard::Unexpected);
        }
        let asked = self.to_bytes();
        if function == asked[1] | EXCEPTION {
            return Err(Misheard::Exception { code: third });
        }
        match self.what {
            // The echo of the question.
            What::WriteCoil { .. } if frame == asked => Ok(Some(Answer::Written)),
            What::ReadInputs { count }
                if function == READ_DISCRETE_INPUTS
                    && usize::from(third) == usize::from(count).div_ceil(8) =>
            {
                let bit = |index: usize| {
                    if body[3 + index / 8] >> (index % 8) & 1 == 1 {
                        Switch::On
                    } else {
                        Switch::Off
                    }
                };
                Ok(Some(Answer::Inputs(
                    (0..usize::from(count)).map(bit).collect(),
                )))
            }
            What::WriteCoil { .. } | What::ReadInputs { .. } => Err(Misheard::Unexpected),
        }
    }
}

/// What an LCUS relay is told: `A0`, relay, state, and the sum of them.
/// Relays count from 1 to 16.
pub(super) fn lcus(relay: u16, to: Switch) -> [u8; 4] {
    let [_, relay] = relay.to_be_bytes();
    let state = match to {
        Switch::Off => 0,
        Switch::On => 1,
    };
    let sum = 0xa0_u8.wrapping_add(relay).wrapping_add(state);
    [0xa0, relay, state, sum]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WRITE: Question = Question {
        unit: 1,
        what: What::WriteCoil {
            coil: 0,
            to: Switch::On,
        },
    };
    const READ: Question = Question {
        unit: 1,
        what: What::ReadInputs { count: 8 },
    };

    #[test]
    fn frames_are_those_of_the_boards_manuals() {
        // Waveshare, "Modbus RTU Relay": relay 0 on, relay 0 off.
        assert_eq!(WRITE.to_bytes(), [0x01, 0x05, 0, 0, 0xff, 0, 0x8c, 0x3a]);
        let off = Question {
            what: What::WriteCoil {
                coil: 0,
                to: Switch::Off,
            },
            ..WRITE
        };
        assert_eq!(off.to_bytes(), [0x01, 0x05, 0, 0, 0, 0, 0xcd, 0xca]);
        // Waveshare, "Modbus RTU IO 8CH": read inputs 0 to 7.
        assert_eq!(READ.to_bytes(), [0x01, 0x02, 0, 0, 0, 0x08, 0x79, 0xcc]);
        assert_eq!(lcus(1, Switch::On), [0xa0, 0x01, 0x01, 0xa2]);
        assert_eq!(lcus(1, Switch::Off), [0xa0, 0x01, 0x00, 0xa1]);
    }

    #[test]
    fn answers_are_taken_whole_and_no_earlier() {
        let echo = WRITE.to_bytes();
        for end in 0..echo.len() {
            assert_eq!(WRITE.answered(&echo[..end]), Ok(None));
        }
        assert_eq!(WRITE.answered(&echo), Ok(Some(Answer::Written)));
        let inputs = sealed(vec![1, 2, 1, 0b1000_0001]);
        let mut expected = vec![Switch::Off; 8];
        (expected[0], expected[7]) = (Switch::On, Switch::On);
        assert_eq!(READ.answered(&inputs), Ok(Some(Answer::Inputs(expected))));
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let mut broken = WRITE.to_bytes();
        broken[3] ^= 1;
        let other_coil = sealed(vec![1, 5, 0, 1, 0xff, 0]);
        for (answer, misheard) in [
            (broken, Misheard::Checksum),
            (
                sealed(vec![2, 5, 0, 0, 0xff, 0]),
                Misheard::Unit { unit: 2 },
            ),
            (other_coil, Misheard::Unexpected),
            (sealed(vec![1, 0x85, 2]), Misheard::Exception { code: 2 }),
            (sealed(vec![1, 0x82, 2]), Misheard::Unexpected),
        ] {
            assert_eq!(WRITE.answered(&answer), Err(misheard));
        }
        let too_few = sealed(vec![1, 2, 2, 0, 0]);
        assert_eq!(READ.answered(&too_few), Err(Misheard::Unexpected));
    }

    proptest! {
        #[test]
        fn garbage_never_panics_and_a_damaged_answer_is_never_taken(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            at in 0usize..8, by in 1u8..,
        ) {
            let _ = WRITE.answered(&bytes);
            let _ = READ.answered(&bytes);
            let mut echo = WRITE.to_bytes();
            echo[at] ^= by;
            prop_assert_ne!(WRITE.answered(&echo), Ok(Some(Answer::Written)));
        }
    }
}
