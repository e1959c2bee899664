//! Any other spelling of a pass is no pass: what is revoked, used or inside is keyed by what was
//! signed, and there is one text for it.

use shared::{base45, decision::DenyReason, pass::STATIC_PREFIX};
use system_tests::{false_central::ENTRY, outpost::Outpost};

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_of_a_pass_is_no_pass() {
    let mut outpost = Outpost::open(1).await.unwrap();
    let pass = outpost.passes[0].clone();
    outpost.grants(&pass).await.unwrap();
    let encoded = pass.strip_prefix(STATIC_PREFIX).unwrap();
    let mut with_more = base45::decode(encoded).unwrap();
    with_more.push(0);
    let others = [
        format!("{STATIC_PREFIX}{}", encoded.to_ascii_lowercase()),
        format!("{STATIC_PREFIX}{encoded}0"),
        format!("{STATIC_PREFIX}{encoded}00"),
        format!("{STATIC_PREFIX} {encoded}"),
        format!("{STATIC_PREFIX}{}", base45::encode(&with_more)),
        format!("{STATIC_PREFIX}{}", first_alike(encoded)),
    ];
    for other in others {
        let seen = outpost
            .gate
            .scan(&mut outpost.panel, ENTRY, &other)
            .await
            .unwrap();
        assert_eq!(
            seen.denied(),
            Some(DenyReason::PassMalformed),
            "{other:?}: {seen:?}"
        );
    }
    for foreign in ["sp1:", "https://example.org", "SP", ""] {
        if foreign.is_empty() {
            continue;
        }
        let seen = outpost
            .gate
            .scan(&mut outpost.panel, ENTRY, foreign)
            .await
            .unwrap();
        assert_eq!(
            seen.denied(),
            Some(DenyReason::NotAPass),
            "{foreign:?}: {seen:?}"
        );
    }
}

/// The last group of an odd text stands for a byte: beyond 255 it would be another spelling.
fn first_alike(encoded: &str) -> String {
    let (start, _) = encoded.split_at(encoded.len() / 3 * 3);
    format!("{start}ZZ")
}
