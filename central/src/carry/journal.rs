//! The journal that a stick brought: read as it comes, batch by batch, and taken in as if the gate
//! had pushed it.

use std::{future::poll_fn, pin::Pin, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::StatusCode,
};
use hyper::body::Body as _;
use shared::{
    carry::{Direction, Item, Splitter, Unreadable},
    gate_api::{JournalBatch, read},
    ids::JournalPosition,
};
use tokio::time::timeout;

use super::{GATE_NOT_ENROLLED, as_problem};
use crate::{
    app::App,
    gate_api::authentication::EnrolledGate,
    ingest::{self, Outcome, Vouched},
    problem::{self, Kind, Problem},
};

/// Largest file in bytes: 2,000,000 records, which a gate keeps at most, are some 600 MB.
const FILE_LIMIT: u64 = 1 << 30;
/// How long the next bytes may take.
const PART_WITHIN: Duration = Duration::from_secs(30);

const OTHER_FILE: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "not_a_carried_journal",
    "The file is no journal that a stick carries",
);
const OTHER_GATE: Kind = Kind::new(
    StatusCode::CONFLICT,
    "journal_of_other_gate",
    "The journal is that of another gate",
);
const GAP: Kind = Kind::new(
    StatusCode::CONFLICT,
    "journal_gap",
    "The file does not continue what central holds",
);
const FORKED: Kind = Kind::new(
    StatusCode::CONFLICT,
    "journal_forked",
    "The journal contradicts itself",
);
const BROKEN: Kind = Kind::new(
    StatusCode::UNPROCESSABLE_ENTITY,
    "journal_broken",
    "The journal does not hold together",
);

/// What came of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// Records that central did not hold.
    pub new: u64,
    /// Records that it held already.
    pub known: u64,
    /// Up to where the journal is held now.
    pub held: Option<JournalPosition>,
    /// Why the file is not whole, and what to do; its whole part was taken in.
    pub cut_off: Option<String>,
}

/// Takes a file in.
///
/// # Errors
/// [`Problem`] when it is none of this gate's, or does not continue what is held; the words say
/// what of it was taken in and what to do.
pub async fn take_journal(app: &App, gate: &EnrolledGate, body: Body) -> Result<Came, Problem> {
    let mut came = Came::default();
    match take(app, gate, body, &mut came).await {
        Ok(()) if came.held.is_none() && came.cut_off.is_some() => {
            let why = came.cut_off.unwrap_or_default();
            Err(OTHER_FILE.because(format!("Nothing of it is whole: {why}")))
        }
        Ok(()) => {
            tracing::info!(
                gate.id = %gate.gate_id, journal.records = came.new,
                "a stick brought {} records of gate {} that were not held", came.new, gate.gate_id
            );
            Ok(came)
        }
        Err(problem) if came.new > 0 => {
            let (new, detail) = (came.new, &problem.detail);
            let detail = format!("{detail} {new} records of the file were new and are held.");
            Err(Problem {
                detail: detail.into(),
                ..problem
            })
        }
        Err(problem) => Err(problem),
    }
}

async fn take(
    app: &App,
    gate: &EnrolledGate,
    mut body: Body,
    came: &mut Came,
) -> Result<(), Problem> {
    let mut splitter = Splitter::default();
    let mut length = 0;
    let mut header_came = false;
    while let Some(part) = next_part(&mut body).await? {
        length += part.len() as u64;
        if length > FILE_LIMIT {
            return Err(problem::BODY_TOO_LARGE.because(format!(
                "A journal on a stick has at most {FILE_LIMIT} bytes: is it a gate's?"
            )));
        }
        splitter.push(&part);
        loop {
            let item = match splitter.next_item() {
                Ok(Some((_, bytes))) => Item::read(bytes),
                Ok(None) => break,
                Err(why) if header_came => Err(why),
                Err(_) => return Err(OTHER_FILE.because(what_is_wanted())),
            };
            match item {
                Ok(Some(Item::Header(header))) if !header_came => {
                    let checked = header.check(Direction::ToCentral, gate.gate_id.into());
                    checked.map_err(|why| other(gate, &why))?;
                    header_came = true;
                }
                _ if !header_came => return Err(OTHER_FILE.because(what_is_wanted())),
                Ok(Some(Item::Batch(bytes))) => take_batch(app, gate, &bytes, came).await?,
                Ok(Some(Item::End(_))) => return Ok(()),
                // What a later version adds, or what has no meaning here.
                Ok(_) => {}
                Err(why) => {
                    came.cut_off = Some(format!(
                        "the file is damaged ({why}): what comes before is held. Carry the stick to the gate again; it \
                         gives out what central does not hold"
                    ));
                    return Ok(());
                }
            }
        }
    }
    if !header_came {
        return Err(OTHER_FILE.because(what_is_wanted()));
    }
    came.cut_off = Some(
        "the file is cut off: what is whole is held. Send it again if the upload broke off; else carry the stick to the \
         gate again, and unmount it before you pull it out"
            .into(),
    );
    Ok(())
}

async fn next_part(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        let frame = timeout(PART_WITHIN, frame).await.map_err(|_| {
            problem::TIMED_OUT.because(
                "The file did not come on for 30 s. Send it again: what is held is recognised.",
            )
        })?;
        match frame {
            None => return Ok(None),
            // A connection that broke: what came by then counts.
            Some(Err(_)) => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

async fn take_batch(
    app: &App,
    gate: &EnrolledGate,
    bytes: &[u8],
    came: &mut Came,
) -> Result<(), Problem> {
    let batch: JournalBatch = read(bytes).map_err(|why| {
        BROKEN.because(format!(
            "A batch of it cannot be read: {why}. Are gate and central of versions that fit?"
        ))
    })?;
    let turn = app.gates.bounds.ingest().await.map_err(as_problem)?;
    let outcome = ingest::take_in(app, gate, &batch, Vouched::ByHeadAlone).await?;
    drop(turn);
    match outcome {
        Outcome::Held { state, new } => {
            came.new += new as u64;
            came.known += (batch.records.len() - new) as u64;
            came.held = Some(state.position);
            Ok(())
        }
        Outcome::Gap(held) => Err(GAP.because(format!(
            "It goes on at {}; central holds the journal up to {held}. Bring the stick with the records in between, \
             or take a new file to the gate, whose acknowledgement tells it where to begin, and carry again.",
            batch.first
        ))),
        Outcome::Forked(reason) => Err(FORKED.because(format!(
            "The journal is in quarantine: {reason}. Keep the box and its records; lift the quarantine, or enrol a gate anew."
        ))),
        Outcome::Broken(why) => Err(BROKEN.because(format!(
            "It does not hold together: {why}. Was the box enrolled anew since? If not, somebody may have changed the \
             file: carry again, and check the journal on the box with `gate-agent journal verify`."
        ))),
        Outcome::KeyNotInForce => Err(GATE_NOT_ENROLLED.because(
            "The gate got another key or was retired just now.",
        )),
    }
}

fn what_is_wanted() -> &'static str {
    "Send the file portcullis-GATE.journal that `gate-agent carry` wrote to the stick."
}

fn other(gate: &EnrolledGate, why: &Unreadable) -> Problem {
    match why {
        Unreadable::OtherGate(_) => OTHER_GATE.because(format!(
            "The file says: {why}. This is {} ({}): send the file to the gate that it belongs to.",
            gate.name, gate.gate_id
        )),
        Unreadable::OtherDirection => OTHER_FILE.because(format!(
            "This is the file for the gate, not the one from it. {}",
            what_is_wanted()
        )),
        Unreadable::OtherFormat | Unreadable::Malformed(_) => {
            OTHER_FILE.because(format!("Of the file: {why}. {}", what_is_wanted()))
        }
    }
}
