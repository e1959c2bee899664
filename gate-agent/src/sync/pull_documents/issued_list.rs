//! Pulls an issued list: first its digests, in ranges, then, when they lead to the signed chain,
//! the signed list that puts them in force.

use gate_core::documents::Wanted;
use shared::{
    cbor,
    cose::Sign1,
    document::SignedKind as _,
    gate_api::{API_VERSION, DocumentName, IssuedRangeRequest, path},
    ids::{Kid, Serial},
    issued_list::{IssuedList, IssuedRange},
};

use super::{ask, urgency, whole};
use crate::{
    store::{IssuedProgress, thread::SyncRequest},
    sync::{Failure, SignedInput, Sync, SyncAsk},
};

/// Pulls digests until all are there, or until something more urgent is wanted: ten million take
/// minutes, and a revocation must not wait behind them.
pub(super) async fn pull(sync: &Sync, kid: Kid, wanted: Wanted) -> Result<(), Failure> {
    let signed = whole(ask(sync, wanted).await?)?;
    let list = unchecked(&signed, kid)?;
    let mut progress = store_progress(sync, kid).await?;
    if progress.pulled > list.count {
        progress = rewind(sync, kid).await?;
    }
    while progress.pulled < list.count {
        progress = pull_range(sync, kid, progress, list.count).await?;
        if progress.pulled < list.count && something_else_is_urgent(sync, wanted.name).await? {
            return Ok(());
        }
    }
    if progress.chain != list.chain {
        rewind(sync, kid).await?;
        return Err(Failure::Senseless(format!(
            "with digests of issuer key {kid} that do not lead to the signed chain; they are pulled again"
        )));
    }
    let kind = SignedInput::Document(wanted.name);
    Ok(sync.to_loop.hand_over(kind, signed).await?)
}

/// What the list says; whether it is signed is the core's to check, behind the digests. Until then
/// nothing is believed but how many bytes are worth pulling, and those are bounded.
fn unchecked(signed: &[u8], kid: Kid) -> Result<IssuedList, Failure> {
    let list: Option<IssuedList> = Sign1::parse(signed)
        .and_then(|envelope| cbor::decode_strict(envelope.payload, IssuedList::LIMIT))
        .ok()
        .filter(|list: &IssuedList| list.kid == kid && list.validate().is_ok());
    list.ok_or_else(|| {
        Failure::Senseless(format!("with something else than the issued list of {kid}"))
    })
}

async fn pull_range(
    sync: &Sync,
    kid: Kid,
    progress: IssuedProgress,
    count: u32,
) -> Result<IssuedProgress, Failure> {
    let limit = u32::try_from(IssuedRange::DIGESTS_LIMIT).expect("65,536 fits 32 bits");
    let question = IssuedRangeRequest {
        version: API_VERSION,
        kid,
        first: Serial(progress.pulled),
        count: (count - progress.pulled).min(limit),
    };
    let range: IssuedRange = sync.source.ask(path::ISSUED_RANGE, &question).await?;
    let senseless =
        || Failure::Senseless("with another range of digests than was asked for".into());
    let digests = range.digests().ok_or_else(senseless)?;
    if range.kid != kid
        || range.first != question.first
        || digests.is_empty()
        || digests.len() > question.count as usize
    {
        return Err(senseless());
    }
    let first = question.first;
    let stored = sync
        .store
        .ask(|answer| SyncRequest::StoreIssuedRange {
            kid,
            first,
            digests,
            answer,
        })
        .await?;
    Ok(stored)
}

async fn something_else_is_urgent(sync: &Sync, name: DocumentName) -> Result<bool, Failure> {
    let wanted = sync.to_loop.ask(SyncAsk::Wanted).await?;
    let is_urgent = |other: &Wanted| urgency(other.name).0 < urgency(name).0;
    Ok(wanted.orders.is_some() || wanted.documents.iter().any(is_urgent))
}

async fn store_progress(sync: &Sync, kid: Kid) -> Result<IssuedProgress, Failure> {
    let progress = sync
        .store
        .ask(|answer| SyncRequest::IssuedProgress { kid, answer })
        .await?;
    Ok(progress)
}

async fn rewind(sync: &Sync, kid: Kid) -> Result<IssuedProgress, Failure> {
    let progress = sync
        .store
        .ask(|answer| SyncRequest::RewindIssued { kid, answer })
        .await?;
    Ok(progress)
}
