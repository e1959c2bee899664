use proptest::prelude::*;

use super::*;

const EFFORTS: [Effort; 2] = [Effort::Gate, Effort::Thorough];

fn round_trip(answer: &Answer, effort: Effort) -> Result<Answer, Garbled> {
    let bytes = answer.to_bytes();
    let length = answer_length([bytes[0], bytes[1], bytes[2], bytes[3]])?;
    assert_eq!(length, bytes.len() - 4);
    Answer::from_bytes(&bytes[4..], effort)
}

fn codes_of(texts: Vec<String>) -> Codes {
    Codes {
        texts,
        ..Codes::default()
    }
}

#[test]
fn every_step_and_every_hint_has_a_number_and_no_other_number_is_taken() {
    let steps = Step::ALL.len() as u8;
    for number in 0..=u8::MAX {
        match step_of(number) {
            Ok(step) => assert_eq!(step_number(step), number),
            Err(error) => assert_eq!(error, Garbled::Step { number }),
        }
        assert_eq!(step_of(number).is_ok(), number <= steps);
        match hints_of(number) {
            Ok(hints) => assert_eq!(hint_bits(&hints), number),
            Err(error) => assert_eq!(error, Garbled::Hints { bits: number }),
        }
        assert_eq!(hints_of(number).is_ok(), number < 1 << Hint::ALL.len());
    }
}

#[test]
fn a_sharpness_is_at_most_100_or_none() {
    for number in 0..=u8::MAX {
        let answer = Answer::from_bytes(&[HAS_SHARPNESS, number], Effort::Gate);
        match answer {
            Ok(answer) => {
                assert_eq!(round_trip(&answer, Effort::Gate).as_ref(), Ok(&answer));
                assert!(number <= 100 || number == NO_SHARPNESS);
            }
            Err(error) => assert_eq!(error, Garbled::Sharpness { number }),
        }
    }
}

#[test]
fn requests_come_back_as_they_were_sent() {
    for effort in EFFORTS {
        for ask in [
            Ask::Unpack {
                effort,
                file: b"file",
            },
            Ask::ReadUnpacked { effort },
            Ask::Sharpness,
            Ask::ReadJpeg {
                effort,
                jpeg: b"jpeg",
            },
            Ask::ReadFrame {
                effort,
                width: 2,
                height: 3,
                luma: &[1, 2, 3, 4, 5, 6],
            },
        ] {
            let mut bytes = ask.head();
            bytes.extend(ask.picture());
            let length = request_length([bytes[0], bytes[1], bytes[2], bytes[3]]).unwrap();
            assert_eq!(length, bytes.len() - 4);
            assert_eq!(Ask::from_bytes(&bytes[4..]).unwrap(), ask);
        }
    }
}

#[test]
fn answers_come_back_as_they_were_sent() {
    for answer in [
        Answer::Ready { version: VERSION },
        Answer::Unpacked { took_us: 5 },
        Answer::Texts {
            took_us: 5,
            codes: Codes {
                texts: vec!["SP1:A".to_owned(), String::new(), "ä".to_owned()],
                step: Some(Step::Large),
                hints: vec![Hint::SeveralCodes, Hint::Blurred],
            },
        },
        Answer::NotAPicture {
            reason: "it is a poem".to_owned(),
        },
    ] {
        assert_eq!(round_trip(&answer, Effort::Gate).unwrap(), answer);
    }
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let reason = "ä".repeat(REASON_BYTES_MAX);
    let cut = round_trip(&Answer::NotAPicture { reason }, Effort::Gate).unwrap();
    assert_eq!(
        cut,
        Answer::NotAPicture {
            reason: "ä".repeat(REASON_BYTES_MAX / 2)
        }
    );
}

#[test]
fn more_codes_or_longer_texts_than_an_effort_reports_are_refused() {
    let texts = |codes: usize, chars: usize| Answer::Texts {
        took_us: 0,
        codes: codes_of(vec!["A".repeat(chars); codes]),
    };
    for effort in EFFORTS {
        let (codes, chars) = (effort.codes_max(), effort.text_chars_max());
        assert!(round_trip(&texts(codes, 1), effort).is_ok());
        assert_eq!(
            round_trip(&texts(codes + 1, 1), effort).unwrap_err(),
            Garbled::TooManyCodes { codes: codes + 1 }
        );
        assert!(round_trip(&texts(1, chars), effort).is_ok());
        assert_eq!(
            round_trip(&texts(1, chars + 1), effort).unwrap_err(),
            Garbled::TextTooLong
        );
        let cut = super::super::cut_text("A".repeat(chars + 1), effort);
        let cut = Answer::Texts {
            took_us: 0,
            codes: codes_of(vec![cut]),
        };
        assert_eq!(round_trip(&cut, effort).unwrap(), cut);
    }
    let most = Effort::Thorough;
    let largest = Answer::Texts {
        took_us: u64::MAX,
        codes: codes_of(vec![
            "\u{10FFFF}".repeat(most.text_chars_max());
            most.codes_max()
        ]),
    };
    assert!(
        round_trip(&largest, most).is_ok(),
        "the largest answer is within the limit"
    );
}

#[test]
fn lengths_beyond_every_message_are_refused() {
    let bytes = u32::MAX.to_le_bytes();
    assert_eq!(
        answer_length(bytes).unwrap_err(),
        Garbled::TooLong {
            bytes: u32::MAX as usize
        }
    );
    assert_eq!(
        request_length(bytes).unwrap_err(),
        Garbled::TooLong {
            bytes: u32::MAX as usize
        }
    );
}

proptest! {
    #[test]
    fn garbage_is_never_more_than_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for effort in EFFORTS {
            if let Ok(answer) = Answer::from_bytes(&bytes, effort) {
                let again = answer.to_bytes();
                prop_assert_eq!(&again[4..], &bytes[..], "one spelling for each message");
            }
        }
        let _ = Ask::from_bytes(&bytes);
    }

    #[test]
    fn a_damaged_answer_is_refused_or_within_the_limits(
        position in 0_usize..60, value in any::<u8>(), cut in 0_usize..60,
    ) {
        let texts = vec!["SP1:ABCDEFGHIJ".to_owned(), "https://example.org".to_owned()];
        let mut bytes = Answer::Texts { took_us: 77, codes: codes_of(texts) }.to_bytes()[4..].to_vec();
        if let Some(byte) = bytes.get_mut(position) { *byte = value; }
        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Ok(Answer::Texts { codes, .. }) = Answer::from_bytes(&bytes, Effort::Gate) {
            prop_assert!(codes.texts.len() <= Effort::Gate.codes_max());
        }
    }
}
