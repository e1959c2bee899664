//! Static and live passes, good and altered.

use serde_json::{Value, json};
use shared::{
    base45,
    cose::{Protected, Sign1, sign1, sign1_with, to_be_signed},
    ids::Serial,
    keys::{Sign as _, sha256},
    live_pass::LIVE_EXTERNAL_DATA,
    pass::{AccessLevels, Claims, HolderKind, issue, live_text, prove, static_text},
    time::UtcSeconds,
};

use crate::cast::{MADE_AT, diagnostic, hex, key};

/// When the proof of the live pass was made.
pub(crate) const PROOF_MADE_AT: UtcSeconds = UtcSeconds(1_800_000_123);

/// A student's card.
pub(crate) fn static_claims() -> Claims {
    Claims {
        not_before: MADE_AT,
        expires_at: MADE_AT.plus(365 * 86_400),
        serial: Serial(300),
        holder_key: None,
        kind: HolderKind::Student,
        uses_max: 0,
        levels: AccessLevels::new([1, 7, 200]).unwrap(),
    }
}

fn visitor_claims() -> Claims {
    Claims {
        serial: Serial(0),
        kind: HolderKind::Visitor,
        uses_max: 1_000,
        levels: AccessLevels::default(),
        ..static_claims()
    }
}

fn live_claims() -> Claims {
    Claims {
        serial: Serial(70_000),
        holder_key: Some(key("holder").public()),
        kind: HolderKind::Staff,
        ..static_claims()
    }
}

/// The COSE bytes of the passes with serials 300, 0 and 70,000.
pub(crate) fn issued() -> [Vec<u8>; 3] {
    [static_claims(), visitor_claims(), live_claims()].map(|claims| issue(&claims, &key("issuer")))
}

/// The text of the live pass.
pub(crate) fn live() -> String {
    let [_, _, pass] = issued();
    live_text(&prove(&pass, PROOF_MADE_AT, &key("holder")))
}

fn described(claims: &Claims) -> Value {
    json!({
        "exp": claims.expires_at.0,
        "nbf": claims.not_before.0,
        "serial": claims.serial.0,
        "holder_key": claims.holder_key.map(|key| hex(&key.0)),
        "kind": format!("{:?}", claims.kind).to_lowercase(),
        "uses_max": claims.uses_max,
        "levels": claims.levels.as_slice(),
    })
}

/// `pass.json`.
pub(crate) fn static_passes() -> Value {
    let case = |claims: Claims| {
        let issuer = key("issuer");
        let pass = issue(&claims, &issuer);
        let payload = claims.encode();
        json!({
            "claims": described(&claims),
            "payload": hex(&payload),
            "payload_diagnostic": diagnostic(&payload),
            "sig_structure": hex(&to_be_signed(Protected::Key(issuer.kid()), "", &payload)),
            "pass": hex(&pass),
            "pass_diagnostic": diagnostic(&pass),
            "issued_digest": hex(&sha256(&pass).0[..8]),
            "text": static_text(&pass),
        })
    };
    let passes = [static_claims(), visitor_claims(), live_claims()].map(case);
    json!({
        "issuer": "issuer",
        "passes": passes,
        "refused": refused_static(),
    })
}

fn refused_static() -> Vec<Value> {
    let good = issue(&static_claims(), &key("issuer"));
    let text = static_text(&good);
    let raw = |payload: &[u8]| static_text(&sign1(&key("issuer"), "", payload));
    let long_integer = {
        let mut payload = static_claims().encode();
        // exp as eight bytes instead of four.
        payload.splice(2..3, [0x1b, 0, 0, 0, 0]);
        payload
    };
    let unknown_claim = {
        let mut payload = static_claims().encode();
        payload[0] += 1;
        payload.extend([0x3a, 0, 1, 0, 1, 0]);
        payload
    };
    let trailing = [&good[..], &[0]].concat();
    let tagged = [&[0xd2], &good[..]].concat();
    let last = text.len() - 1;
    let flipped = format!(
        "{}{}",
        &text[..last],
        if text.ends_with('0') { '1' } else { '0' }
    );
    let cases = [
        (
            "another prefix",
            text.replacen("SP1:", "XX1:", 1),
            "not_a_pass",
        ),
        (
            "lower-case prefix",
            text.replacen("SP1:", "sp1:", 1),
            "not_a_pass",
        ),
        (
            "another version",
            text.replacen("SP1:", "SP2:", 1),
            "pass_version_unsupported",
        ),
        (
            "lower-case Base45",
            format!("SP1:{}", text[4..].to_lowercase()),
            "pass_malformed",
        ),
        ("one character more", text.clone() + "0", "pass_malformed"),
        (
            "longer than 512 characters",
            format!("SP1:{}", "0".repeat(600)),
            "pass_malformed",
        ),
        (
            "a static pass under the live prefix",
            text.replacen("SP1:", "SL1:", 1),
            "pass_malformed",
        ),
        (
            "a byte behind the pass",
            static_text(&trailing),
            "pass_malformed",
        ),
        ("tagged", static_text(&tagged), "pass_malformed"),
        (
            "exp with a long integer",
            raw(&long_integer),
            "pass_malformed",
        ),
        (
            "a claim that is not ours",
            raw(&unknown_claim),
            "pass_malformed",
        ),
        (
            "another issuer",
            static_text(&issue(&static_claims(), &key("stranger"))),
            "issuer_unknown",
        ),
        (
            "the last digit of the signature",
            flipped,
            "signature_invalid",
        ),
        (
            "another claim under the same signature",
            with_richer_claims(&good),
            "signature_invalid",
        ),
        (
            "signed as heads",
            static_text(&sign1(
                &key("issuer"),
                "portcullis/heads/1",
                &static_claims().encode(),
            )),
            "signature_invalid",
        ),
    ];
    cases
        .into_iter()
        .map(|(what, text, reason)| json!({ "what": what, "text": text, "reason": reason }))
        .collect()
}

fn with_richer_claims(pass: &[u8]) -> String {
    let payload = Claims {
        levels: AccessLevels::new([1, 7, 200, 201]).unwrap(),
        ..static_claims()
    }
    .encode();
    let parsed = Sign1::parse(pass).unwrap();
    static_text(
        &Sign1 {
            payload: &payload,
            ..parsed
        }
        .encode(),
    )
}

/// `live_pass.json`.
pub(crate) fn live_passes() -> Value {
    let [without_key, _, pass] = issued();
    let text = live();
    let proof = base45::decode(&text[4..]).unwrap();
    let payload = Sign1::parse(&proof).unwrap().payload.to_vec();
    let refused = [
        (
            "proof by another key",
            live_text(&prove(&pass, PROOF_MADE_AT, &key("stranger"))),
            "proof_invalid",
        ),
        (
            "a pass that names no holder key",
            live_text(&prove(&without_key, PROOF_MADE_AT, &key("holder"))),
            "proof_invalid",
        ),
        (
            "a later time under the same signature",
            later_time(&proof),
            "proof_invalid",
        ),
        (
            "signed without external data",
            live_text(&sign1_with(
                Protected::Algorithm,
                &key("holder"),
                "",
                &payload,
            )),
            "proof_invalid",
        ),
        (
            "kid in the holder's header",
            live_text(&sign1(&key("holder"), LIVE_EXTERNAL_DATA, &payload)),
            "pass_malformed",
        ),
    ];
    let refused =
        refused.map(|(what, text, reason)| json!({ "what": what, "text": text, "reason": reason }));
    json!({
        "issuer": "issuer",
        "holder": "holder",
        "pass": hex(&pass),
        "made_at": PROOF_MADE_AT.0,
        "payload": hex(&payload),
        "sig_structure": hex(&to_be_signed(Protected::Algorithm, LIVE_EXTERNAL_DATA, &payload)),
        "proof": hex(&proof),
        "proof_diagnostic": diagnostic(&proof),
        "text": text,
        "refused": refused,
    })
}

fn later_time(proof: &[u8]) -> String {
    let parsed = Sign1::parse(proof).unwrap();
    let mut payload = parsed.payload.to_vec();
    *payload.last_mut().unwrap() += 1;
    live_text(
        &Sign1 {
            payload: &payload,
            ..parsed
        }
        .encode(),
    )
}
