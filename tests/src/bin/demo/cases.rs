//! Every reason to let somebody in or not, each on a picture of its own.

use anyhow::Context;
use shared::{
    base45,
    decision::DenyReason,
    document::Header,
    journal::PassageOutcome,
    pass::{self, AccessLevels, Claims, HolderKind, STATIC_PREFIX},
    status_list::PassState,
    time::UtcSeconds,
};
use system_tests::{
    clock,
    panel::Seen,
    phone::{Phone, TestKey, pass_bytes},
    pictures,
    school::{IssuedPass, PassWish},
    thief::Thief,
};

use crate::{
    scene::Scene,
    transcript::{Expect, Transcript},
};

const ENTRY: &str = "main gate, in";
const EXIT: &str = "main gate, out";
const LIBRARY: &str = "library";
/// How long a live pass's proof is good.
const A_MINUTE_S: u64 = 60;

/// Passes with a story of their own.
pub(crate) struct Cast {
    expired: IssuedPass,
    not_yet_valid: IssuedPass,
    evening: IssuedPass,
    library_only: IssuedPass,
    live: IssuedPass,
    phone_key: TestKey,
}

/// Students by their part in the story.
pub(crate) mod part {
    pub(crate) const VALID: usize = 0;
    pub(crate) const REVOKED: usize = 1;
    pub(crate) const SUSPENDED: usize = 2;
    pub(crate) const DID_NOT_TURN: usize = 3;
    pub(crate) const LIVE: usize = 4;
    pub(crate) const REVOKED_UNHEARD: usize = 5;
    pub(crate) const KILLED: usize = 6;
    pub(crate) const AFTER: usize = 7;
}

pub(crate) async fn show(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    let cast = cast(scene).await?;
    dates_and_states(scene, transcript, &cast).await?;
    forgeries(scene, transcript).await?;
    not_a_pass(scene, transcript).await?;
    coming_and_going(scene, transcript).await?;
    live_passes(scene, transcript, cast).await
}

async fn cast(scene: &Scene) -> anyhow::Result<Cast> {
    let levels = scene.levels;
    let student = [levels.students, levels.library];
    let now = clock::utc();
    let school = &scene.school;
    let phone_key = TestKey::random();
    let expired = PassWish {
        expires_at: now.plus(3),
        ..PassWish::card(&student)
    };
    let not_yet_valid = PassWish {
        not_before: Some(now.plus(Header::DAY_S)),
        ..PassWish::card(&student)
    };
    let live = PassWish {
        holder_key: Some(phone_key.public()),
        student: Some(&scene.students[part::LIVE]),
        ..PassWish::card(&student)
    };
    Ok(Cast {
        expired: school.issue(expired).await?,
        not_yet_valid: school.issue(not_yet_valid).await?,
        evening: school.issue(PassWish::card(&[levels.evening])).await?,
        library_only: school.issue(PassWish::card(&[levels.library])).await?,
        live: school.issue(live).await?,
        phone_key,
    })
}

async fn dates_and_states(
    scene: &mut Scene,
    transcript: &mut Transcript,
    cast: &Cast,
) -> anyhow::Result<()> {
    transcript.chapter("Valid, and not valid");
    scene
        .school
        .change(&scene.cards[part::REVOKED], "revoke")
        .await?;
    scene
        .school
        .change(&scene.cards[part::SUSPENDED], "suspend")
        .await?;
    while clock::utc() < expiry(scene, &cast.expired).await? {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // Heads that are signed after the pass has ended, so that no clock can bring it back.
    let heard = scene.cards[part::AFTER].clone();
    scene.school.change(&heard, "suspend").await?;
    scene.school.change(&heard, "reinstate").await?;
    until_heard(scene, part::REVOKED, PassState::Revoked).await?;
    until_heard(scene, part::SUSPENDED, PassState::Suspended).await?;

    let valid = scene.cards[part::VALID].clone();
    let picture = scene.card(&valid).await?;
    let who = format!("{}, a valid pass", scene.names[part::VALID]);
    let seen = scene.at_entry("valid", &picture).await?;
    transcript.seen(&who, ENTRY, &seen, Expect::Granted);
    passage(scene, transcript, &seen, PassageOutcome::Taken).await?;
    let seen = scene.at_library("valid-library", &picture).await?;
    transcript.seen(&who, LIBRARY, &seen, Expect::Granted);

    let revoked = scene.cards[part::REVOKED].clone();
    let suspended = scene.cards[part::SUSPENDED].clone();
    for (pass, name, who, reason) in [
        (
            &cast.expired,
            "expired",
            "a pass of last term",
            DenyReason::PassExpired,
        ),
        (
            &cast.not_yet_valid,
            "not-yet-valid",
            "a pass that begins tomorrow",
            DenyReason::PassNotYetValid,
        ),
        (
            &revoked,
            "revoked",
            "a pass reported lost",
            DenyReason::PassRevoked,
        ),
        (
            &suspended,
            "suspended",
            "a pass suspended for a week",
            DenyReason::PassSuspended,
        ),
        (
            &cast.library_only,
            "not-permitted",
            "a pass for the library alone",
            DenyReason::AccessPointNotPermitted,
        ),
        (
            &cast.evening,
            "outside-schedule",
            "a pass for evening classes, on a day without",
            DenyReason::OutsideSchedule,
        ),
    ] {
        let picture = scene.card(pass).await?;
        let seen = scene.at_entry(name, &picture).await?;
        transcript.seen(who, ENTRY, &seen, Expect::Denied(reason));
    }
    Ok(())
}

/// The first second at which a pass is no longer good.
async fn expiry(scene: &Scene, pass: &IssuedPass) -> anyhow::Result<UtcSeconds> {
    let text = scene.school.text(pass).await?;
    let claims = claims_of(&text)?;
    Ok(claims.expires_at.plus(1))
}

fn claims_of(text: &str) -> anyhow::Result<Claims> {
    let bytes = pass_bytes(text);
    let parsed = shared::cose::Sign1::parse(&bytes)
        .ok()
        .context("a pass is a COSE_Sign1")?;
    Claims::decode(parsed.payload)
        .ok()
        .context("a pass has claims")
}

/// Waits until the main gate holds a status list that says so of a card.
async fn until_heard(scene: &Scene, part: usize, state: PassState) -> anyhow::Result<()> {
    let IssuedPass { kid, serial, .. } = scene.cards[part];
    clock::wait_for(
        &format!("the gate to hear that a pass is {state:?}"),
        || async {
            let held = scene.main.gate.status_held(kid, serial)?;
            Ok((held == Some(state)).then_some(()))
        },
    )
    .await
}

async fn forgeries(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("Forged");
    let pass = scene.cards[part::VALID].clone();
    let text = scene.school.text(&pass).await?;
    let honest = claims_of(&text)?;

    let stranger = TestKey::random();
    let forged = pass::static_text(&pass::issue(&honest, &stranger));
    let picture = scene.code(&forged)?;
    let seen = scene.at_entry("forged", &picture).await?;
    let who = "a copy signed with a key of the forger's own";
    transcript.seen(who, ENTRY, &seen, Expect::Denied(DenyReason::IssuerUnknown));

    let picture = scene.code(&altered(&text)?)?;
    let seen = scene.at_entry("altered", &picture).await?;
    let who = "a valid pass with one character altered";
    transcript.seen(
        who,
        ENTRY,
        &seen,
        Expect::Denied(DenyReason::SignatureInvalid),
    );

    transcript.mind(
        "now with the school's true issuer key, unsealed with central's own key-encryption key:",
    );
    let data = scene.central.settings().data_directory.clone();
    let thief = Thief::breaks_in(&data, pass.kid).await?;
    let better = Claims {
        expires_at: honest.expires_at.plus(Header::DAY_S),
        ..honest
    };
    let picture = scene.code(&thief.forges(&better))?;
    let seen = scene.at_entry("forged-with-the-true-key", &picture).await?;
    let who = "a pass with a number that was issued, and other dates";
    transcript.seen(who, ENTRY, &seen, Expect::Denied(DenyReason::PassNotIssued));

    let beyond = Claims {
        serial: shared::ids::Serial(9_999),
        kind: HolderKind::Staff,
        levels: AccessLevels::new(better.levels.as_slice().iter().copied())?,
        ..better
    };
    let picture = scene.code(&thief.forges(&beyond))?;
    let seen = scene.at_entry("forged-beyond-the-list", &picture).await?;
    let who = "a pass with a number that was never issued";
    transcript.seen(
        who,
        ENTRY,
        &seen,
        Expect::Denied(DenyReason::IssuanceUnknown),
    );
    Ok(())
}

/// The same text with one character of the signature changed, and still canonical Base45.
fn altered(text: &str) -> anyhow::Result<String> {
    let place = text.len() - 12;
    let (before, rest) = text.split_at(place);
    let last = &rest[1..];
    ["0", "1", "2", "3"]
        .into_iter()
        .map(|other| format!("{before}{other}{last}"))
        .find(|altered| {
            altered != text && base45::decode(&altered[STATIC_PREFIX.len()..]).is_some()
        })
        .context("some character fits")
}

async fn not_a_pass(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("Not a pass");
    let picture = scene.code("https://example.org/canteen/menu?day=monday")?;
    let seen = scene.at_entry("foreign", &picture).await?;
    let who = "the canteen's menu";
    transcript.seen(who, ENTRY, &seen, Expect::Denied(DenyReason::NotAPass));

    let text = scene.school.text(&scene.cards[part::VALID]).await?;
    let picture = pictures::held_up_badly(&pictures::code(&text)?, &mut scene.random);
    let seen = scene.at_entry("unreadable", &picture).await?;
    transcript.seen(
        "a valid pass with a thumb over it",
        ENTRY,
        &seen,
        Expect::Unreadable,
    );
    Ok(())
}

async fn coming_and_going(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("Coming and going");
    let valid = scene.cards[part::VALID].clone();
    let picture = scene.card(&valid).await?;
    let who = format!(
        "{}, handed the pass back over the fence",
        scene.names[part::VALID]
    );
    let seen = scene.at_entry("pass-back", &picture).await?;
    transcript.seen(
        &who,
        ENTRY,
        &seen,
        Expect::Denied(DenyReason::AntiPassbackViolated),
    );
    let who = format!("{}, leaving", scene.names[part::VALID]);
    let seen = scene.at_exit("leaving", &picture).await?;
    transcript.seen(&who, EXIT, &seen, Expect::Granted);
    passage(scene, transcript, &seen, PassageOutcome::Taken).await?;

    let name = scene.names[part::DID_NOT_TURN].clone();
    let card = scene.cards[part::DID_NOT_TURN].clone();
    let picture = scene.card(&card).await?;
    turnstile(scene, "stands still").await?;
    let seen = scene.at_entry("did-not-turn", &picture).await?;
    transcript.seen(
        &format!("{name}, who thinks better of it"),
        ENTRY,
        &seen,
        Expect::Granted,
    );
    passage(scene, transcript, &seen, PassageOutcome::NotTaken).await?;
    turnstile(scene, "turns").await?;
    let seen = scene.at_entry("did-not-turn-again", &picture).await?;
    transcript.seen(
        &format!("{name}, a moment later"),
        ENTRY,
        &seen,
        Expect::Granted,
    );
    passage(scene, transcript, &seen, PassageOutcome::Taken).await
}

async fn turnstile(scene: &Scene, how: &str) -> anyhow::Result<()> {
    let behaviour = serde_json::json!({"behaviour": {"turns": how == "turns"}});
    scene.main.gate.tell_door(scene.main.door, &behaviour).await
}

async fn passage(
    scene: &mut Scene,
    transcript: &mut Transcript,
    seen: &Seen,
    expected: PassageOutcome,
) -> anyhow::Result<()> {
    let Seen::Decided(decided) = seen else {
        return Ok(());
    };
    if !seen.is_granted() {
        return Ok(());
    }
    let outcome = scene.main.panel.passage(decided.scan).await?;
    transcript.passage(outcome, expected);
    Ok(())
}

async fn live_passes(
    scene: &mut Scene,
    transcript: &mut Transcript,
    cast: Cast,
) -> anyhow::Result<()> {
    transcript.chapter("On a phone");
    let text = scene.school.text(&cast.live).await?;
    let name = scene.names[part::LIVE].clone();
    let phone = Phone::new(cast.phone_key, &text);
    let a_minute_ago = UtcSeconds(clock::utc().0 - A_MINUTE_S);
    let screenshot = phone.shows(a_minute_ago);

    let picture = scene.code(&screenshot)?;
    let seen = scene.at_entry("screenshot", &picture).await?;
    let who = format!("a friend with {name}'s screenshot of a minute ago");
    transcript.seen(&who, ENTRY, &seen, Expect::Denied(DenyReason::ProofStale));

    let picture = scene.code(&text)?;
    let seen = scene.at_entry("without-proof", &picture).await?;
    let who = "the pass copied out of the phone, without the phone";
    transcript.seen(who, ENTRY, &seen, Expect::Denied(DenyReason::ProofMissing));

    let live = phone.shows(clock::utc());
    let picture = scene.code(&live)?;
    let seen = scene.at_entry("live", &picture).await?;
    transcript.seen(
        &format!("{name} with the phone"),
        ENTRY,
        &seen,
        Expect::Granted,
    );
    passage(scene, transcript, &seen, PassageOutcome::Taken).await?;

    let seen = scene.at_exit("live-replayed", &picture).await?;
    let who = "the very code that the gate has just taken, once more";
    transcript.seen(who, EXIT, &seen, Expect::Denied(DenyReason::ProofReplayed));
    Ok(())
}
