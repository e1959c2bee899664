//! QR text to verified pass, against the bare `verify_strict` calls on the same bytes: what the
//! encoding, the strictness and the digest cost beyond the signatures.

use std::hint::black_box;

use anyhow::{Context, ensure};
use ed25519_dalek::{Signature, VerifyingKey};
use shared::{
    cose::{Sign1, to_be_signed},
    ids::{SchoolId, Serial},
    keys::PublicKey,
    live_pass::LIVE_EXTERNAL_DATA,
    pass::{
        AccessLevels, Claims, HolderKind, PASS_EXTERNAL_DATA, Presentation, issue, live_text,
        prove, static_text, verify_pass,
    },
    time::{UtcSeconds, Window},
    trust_list::{IssuerKey, IssuerKeyState, TrustedIssuers},
};

use super::{
    Figure, Goal, Measured, Setting, Unit,
    timing::{Pair, alternate, timed},
};
use crate::phone::TestKey;

/// Different passes.
const PASSES: usize = 64;
/// Passes in a turn: far longer than the clock's error, and so short that the scheduler of a busy
/// machine seldom cuts in.
const TURN: usize = 4;
const ROUNDS: usize = 4_000;
/// Schools in the trust list: a chain of them.
const SCHOOLS: u8 = 20;
const NOT_BEFORE: UtcSeconds = UtcSeconds(1_800_000_000);
const RATIO_GOAL: Goal = Goal::AtMost(1.15);

/// A signature with all that `verify_strict` needs.
struct Signed {
    message: Vec<u8>,
    signature: Signature,
}

/// A pass as a phone or a card shows it, and its signatures in the bare.
struct Shown {
    text: String,
    by_issuer: Signed,
    by_holder: Option<(PublicKey, Signed)>,
}

pub(super) fn run(setting: &Setting) -> anyhow::Result<Measured> {
    let rounds = setting.effort.rounds(ROUNDS);
    let issuer = TestKey::random();
    let issuers = trusted(&issuer)?;
    let mut figures = Vec::new();
    for form in [Form::Static, Form::Live] {
        let shown: Vec<Shown> = (0..PASSES)
            .map(|serial| form.shown(serial, &issuer))
            .collect::<anyhow::Result<_>>()?;
        for pass in &shown {
            form.must_hold(&pass.text, &issuers)?;
        }
        let pair = measure(rounds, &shown, &issuers, &issuer.public())?;
        figures.extend(form.figures(&pair));
    }
    Ok(figures.into())
}

#[derive(Clone, Copy)]
enum Form {
    Static,
    Live,
}

impl Form {
    fn shown(self, serial: usize, issuer: &TestKey) -> anyhow::Result<Shown> {
        let holder = TestKey::random();
        let claims = Claims {
            not_before: NOT_BEFORE,
            expires_at: NOT_BEFORE.plus(365 * 86_400),
            serial: Serial(1_000_000 + u32::try_from(serial)?),
            holder_key: match self {
                Form::Static => None,
                Form::Live => Some(holder.public()),
            },
            kind: HolderKind::Student,
            uses_max: 0,
            levels: AccessLevels::new([3, 17, 120])?,
        };
        let pass = issue(&claims, issuer);
        let by_issuer = signed(&pass, PASS_EXTERNAL_DATA)?;
        Ok(match self {
            Form::Static => Shown {
                text: static_text(&pass),
                by_issuer,
                by_holder: None,
            },
            Form::Live => {
                let proof = prove(&pass, NOT_BEFORE.plus(serial as u64), &holder);
                Shown {
                    text: live_text(&proof),
                    by_issuer,
                    by_holder: Some((holder.public(), signed(&proof, LIVE_EXTERNAL_DATA)?)),
                }
            }
        })
    }

    fn must_hold(self, text: &str, issuers: &TrustedIssuers) -> anyhow::Result<()> {
        let presentation = verify_pass(text, issuers)?.presentation();
        let holds = match self {
            Form::Static => presentation == Presentation::Static,
            Form::Live => matches!(presentation, Presentation::Live { .. }),
        };
        ensure!(
            holds,
            "a pass of the benchmark does not verify: {presentation:?}"
        );
        Ok(())
    }

    fn figures(self, pair: &Pair) -> [Figure; 3] {
        let (name, calls) = match self {
            Form::Static => ("static pass", "one verify_strict"),
            Form::Live => ("live pass", "two verify_strict, one decompressed key"),
        };
        let us = Unit::Microseconds;
        [
            Figure::with_goal(
                &format!("QR text → verified pass, {name}, as a ratio to the bare calls"),
                pair.ratio(),
                Unit::Times,
                RATIO_GOAL,
            ),
            Figure::for_reading(&format!("  {name} from its text"), pair.ours_us(TURN), us),
            Figure::for_reading(&format!("  bare: {calls}"), pair.bare_us(TURN), us),
        ]
    }
}

fn measure(
    rounds: usize,
    shown: &[Shown],
    issuers: &TrustedIssuers,
    issuer: &PublicKey,
) -> anyhow::Result<Pair> {
    let issuer = VerifyingKey::from_bytes(&issuer.0)?;
    let mut ours = shown.chunks_exact(TURN).cycle();
    let mut bare = shown.chunks_exact(TURN).cycle();
    alternate(
        rounds,
        || {
            let turn = ours.next().context("there are passes")?;
            timed(|| {
                for pass in turn {
                    black_box(verify_pass(black_box(&pass.text), issuers)?);
                }
                Ok(())
            })
        },
        || {
            let turn = bare.next().context("there are passes")?;
            timed(|| {
                for pass in turn {
                    verify(&issuer, &pass.by_issuer)?;
                    if let Some((key, proof)) = &pass.by_holder {
                        verify(&VerifyingKey::from_bytes(black_box(&key.0))?, proof)?;
                    }
                }
                Ok(())
            })
        },
    )
}

fn verify(key: &VerifyingKey, signed: &Signed) -> anyhow::Result<()> {
    let message = black_box(&signed.message);
    Ok(key.verify_strict(message, black_box(&signed.signature))?)
}

fn signed(cose: &[u8], external_data: &str) -> anyhow::Result<Signed> {
    let envelope = Sign1::parse(cose).context("a pass of the benchmark is malformed")?;
    Ok(Signed {
        message: to_be_signed(envelope.protected, external_data, envelope.payload),
        signature: Signature::from_bytes(&envelope.signature.0),
    })
}

/// A trust list's keys, one of them the issuer's.
fn trusted(issuer: &TestKey) -> anyhow::Result<TrustedIssuers> {
    let window = Window {
        from: NOT_BEFORE.minus(86_400),
        until: NOT_BEFORE.plus(400 * 86_400),
    };
    let keys: Vec<IssuerKey> = (0..SCHOOLS)
        .map(|school| IssuerKey {
            public_key: if school == 0 {
                issuer.public()
            } else {
                TestKey::random().public()
            },
            school: SchoolId([school; 16]),
            signing: window,
            verification: window,
            standby: None,
            state: IssuerKeyState::Active,
        })
        .collect();
    Ok(TrustedIssuers::new(&keys)?)
}
