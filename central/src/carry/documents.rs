//! The file for a gate: everything that it would have pulled just now, whole. Nothing is signed for
//! it but heads and the acknowledgement of the journal, as a gate that asks would get them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::body::Body;
use shared::{
    carry::{Direction, FileHeader, Item},
    cbor,
    configuration::Configuration,
    cose::Sign1,
    document::SignedKind as _,
    gate_api::{DocumentName, ORDERS_LIMIT},
    heads::{Heads, IssuerHeads, Newest},
    ids::{DocumentNumber, Kid, Serial},
    issued_list::{IssuedList, IssuedRange},
    order::Order,
    root_set::RootSet,
    roster::Roster,
    status_list::StatusList,
    time::UtcSeconds,
    trust_list::TrustList,
};
use tokio::time::timeout;

use super::{
    as_problem,
    streamed::{Parts, body},
};
use crate::{
    app::{App, SharedApp},
    db::{
        Scope, gate_journals, issued_digests,
        signed_documents::{self, Stored, Subject},
    },
    gate_api::{authentication::EnrolledGate, heads, journal::acknowledge},
    problem::Problem,
};

/// How long whoever asks may take for one part: 10 MiB at 1.4 Mbit/s. Nobody keeps the others'
/// place longer.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// Root sets that are read at once.
const ROOT_SETS_AT_ONCE: usize = 10;

/// Begins the file; the rest is made while it is sent.
///
/// # Errors
/// [`Problem`] when central cannot say what is newest for the gate. What fails later breaks the
/// body off, and a file without its end says so.
pub async fn documents(app: &SharedApp, gate: EnrolledGate) -> Result<Body, Problem> {
    let permit = app.gates.bounds.carry().await.map_err(as_problem)?;
    let signed = heads::make_now(app, &gate).await.map_err(as_problem)?;
    let envelope = Sign1::parse(&signed).context("heads that were just signed")?;
    let heads: Heads = cbor::decode_strict(envelope.payload, Heads::LIMIT)
        .context("heads that were just signed")?;
    let acknowledgement = acknowledgement(app, &gate).await?;
    let (parts, body) = body();
    let app = app.clone();
    tokio::spawn(async move {
        let mut file = File {
            app: &app,
            gate: &gate,
            parts: &parts,
            items: 0,
        };
        if let Err(error) = file.write(signed, &heads, acknowledgement).await {
            tracing::warn!(
                gate.id = %gate.gate_id,
                "the file for a stick to gate {} broke off: {error:#}", gate.gate_id
            );
            // Whoever asked may have gone.
            let _ = parts.send(Err(error)).await;
        }
        drop(permit);
    });
    Ok(body)
}

/// Of everything that is held, unless the journal is in quarantine.
async fn acknowledgement(app: &App, gate: &EnrolledGate) -> anyhow::Result<Option<Vec<u8>>> {
    let transaction = app.db.begin_in_school(gate.school_id).await?;
    let mark = gate_journals::lock(&transaction, gate.gate_id, gate.key.kid()).await?;
    transaction.commit().await?;
    let is_held =
        |mark: &gate_journals::Mark| mark.quarantine.is_none() && mark.state.position.seq > 0;
    match mark.filter(is_held) {
        Some(mark) => acknowledge(app, gate, mark.state).await.map(Some),
        None => Ok(None),
    }
}

struct File<'a> {
    app: &'a App,
    gate: &'a EnrolledGate,
    parts: &'a Parts,
    items: u64,
}

impl File<'_> {
    async fn write(
        &mut self,
        signed: Vec<u8>,
        heads: &Heads,
        acknowledgement: Option<Vec<u8>>,
    ) -> anyhow::Result<()> {
        let now = UtcSeconds(self.app.clock.now().unix_seconds());
        let header = FileHeader::new(Direction::ToGate, self.gate.gate_id.into(), now);
        self.put(Item::Header(header)).await?;
        self.put(Item::Heads(signed.into())).await?;
        if let Some(bytes) = acknowledgement {
            self.put(Item::Acknowledgement(bytes.into())).await?;
        }
        self.root_sets().await?;
        let own = Subject::Gate(self.gate.gate_id);
        let central = Subject::Central;
        self.document(
            DocumentName::TrustList,
            TrustList::EXTERNAL_DATA,
            central,
            heads.trust_list,
        )
        .await?;
        let configuration = heads.configuration;
        self.document(
            DocumentName::Configuration,
            Configuration::EXTERNAL_DATA,
            own,
            configuration,
        )
        .await?;
        self.orders().await?;
        // All status lists before any issued list: what denies comes first when the stick is short.
        for IssuerHeads {
            kid, status_list, ..
        } in &heads.issuers
        {
            let name = DocumentName::StatusList(*kid);
            let of = Subject::Issuer(*kid);
            self.document(name, StatusList::EXTERNAL_DATA, of, *status_list)
                .await?;
        }
        for IssuerHeads {
            kid, issued_list, ..
        } in &heads.issuers
        {
            self.issued(*kid, *issued_list).await?;
        }
        if let Some(roster) = heads.roster {
            self.document(DocumentName::Roster, Roster::EXTERNAL_DATA, own, roster)
                .await?;
        }
        self.put(Item::End(self.items)).await
    }

    async fn put(&mut self, item: Item) -> anyhow::Result<()> {
        self.items += 1;
        let sending = self.parts.send(Ok(item.to_bytes().into()));
        let sent = timeout(TAKEN_WITHIN, sending).await;
        let sent = sent.context("whoever asked for it takes nothing")?;
        sent.ok().context("whoever asked for it has gone")
    }

    fn scope(&self, subject: Subject) -> Scope {
        match subject {
            Subject::Central => Scope::AllSchools,
            Subject::Issuer(_) | Subject::Gate(_) => Scope::School(self.gate.school_id),
        }
    }

    async fn read(&self, kind: &str, subject: Subject, newest: Newest) -> anyhow::Result<Stored> {
        let transaction = self.app.db.begin(self.scope(subject)).await?;
        let stored = signed_documents::at(&transaction, kind, subject, newest.number).await?;
        transaction.commit().await?;
        stored.with_context(|| format!("{kind} {} is gone that was there just now", newest.number))
    }

    async fn document(
        &mut self,
        name: DocumentName,
        kind: &str,
        subject: Subject,
        newest: Newest,
    ) -> anyhow::Result<()> {
        let stored = self.read(kind, subject, newest).await?;
        let number = stored.newest.number;
        self.put(Item::Document(name, number, stored.document.into()))
            .await
    }

    /// All of them: each is checked by the one before it, and nobody knows which the gate holds.
    async fn root_sets(&mut self) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let sets = self
                .stored_after(
                    RootSet::EXTERNAL_DATA,
                    Subject::Central,
                    after,
                    ROOT_SETS_AT_ONCE,
                )
                .await?;
            let Some(last) = sets.last() else {
                return Ok(());
            };
            after = Some(last.newest.number);
            for set in sets {
                let name = DocumentName::RootSet;
                self.put(Item::Document(name, set.newest.number, set.document.into()))
                    .await?;
            }
        }
    }

    /// All of central's epoch: orders have no gaps, and nobody knows which the gate holds.
    async fn orders(&mut self) -> anyhow::Result<()> {
        let transaction = self.app.db.begin_in_school(self.gate.school_id).await?;
        let epoch = signed_documents::epoch(&transaction).await?;
        transaction.commit().await?;
        let mut after = DocumentNumber { epoch, n: 0 };
        loop {
            let subject = Subject::Gate(self.gate.gate_id);
            let orders = self
                .stored_after(Order::EXTERNAL_DATA, subject, Some(after), ORDERS_LIMIT)
                .await?;
            let Some(last) = orders.last() else {
                return Ok(());
            };
            after = last.newest.number;
            for order in orders {
                self.put(Item::Order(order.newest.number, order.document.into()))
                    .await?;
            }
        }
    }

    async fn stored_after(
        &self,
        kind: &str,
        subject: Subject,
        after: Option<DocumentNumber>,
        limit: usize,
    ) -> anyhow::Result<Vec<Stored>> {
        let transaction = self.app.db.begin(self.scope(subject)).await?;
        let found = signed_documents::after(&transaction, kind, subject, after, limit).await?;
        transaction.commit().await?;
        Ok(found)
    }

    /// The digests, range by range, and the list that vouches for them.
    async fn issued(&mut self, kid: Kid, newest: Newest) -> anyhow::Result<()> {
        let kind = IssuedList::EXTERNAL_DATA;
        let stored = self.read(kind, Subject::Issuer(kid), newest).await?;
        let context = || format!("the issued list of {kid} in the database");
        let envelope = Sign1::parse(&stored.document).with_context(context)?;
        let list: IssuedList =
            cbor::decode_strict(envelope.payload, IssuedList::LIMIT).with_context(context)?;
        let at_once = u32::try_from(IssuedRange::DIGESTS_LIMIT).context("a range fits 32 bits")?;
        let mut first = 0;
        while first < list.count {
            let count = (list.count - first).min(at_once);
            let transaction = self.app.db.begin_in_school(self.gate.school_id).await?;
            let range = (Serial(first), count);
            let digests = issued_digests::read(&transaction, kid, range).await?;
            transaction.commit().await?;
            let digests = digests.unwrap_or_default();
            ensure!(
                digests.len() == count as usize * 8,
                "digests of issuer key {kid} are missing from serial {first} on"
            );
            self.put(Item::IssuedRange(IssuedRange {
                kid,
                first: Serial(first),
                digests: digests.into(),
            }))
            .await?;
            first += count;
        }
        let number = stored.newest.number;
        let name = DocumentName::IssuedList(kid);
        self.put(Item::Document(name, number, stored.document.into()))
            .await
    }
}
