//! The roster of a gate: the holders that its access points may admit, and nobody else.

use std::collections::BTreeMap;

use anyhow::Context;
use shared::{
    document::SignedKind as _,
    ids::{HolderNumber, PassId},
    roster::{HOLDERS_PER_GATE, PASSES_PER_HOLDER, Roster, RosterEntry},
    text::{NAME_LIMIT, cut},
};

use super::{OTHERS_KEPT, Outcome, Publisher, Target};
use crate::{
    changes::Change,
    db::{
        passes::{self, RosterRow},
        publications::{self, Place, Published},
    },
    ids::GateId,
    instant::UtcInstant,
};

/// A roster of up to this many bytes is published with every change.
const SMALL_ROSTER_LEN: usize = 256 << 10;
/// A larger one is megabytes for each gate to fetch: it waits for more changes. A pass is good
/// before its holder stands in a roster.
const LARGE_ROSTER_INTERVAL_S: u64 = 60;

impl Publisher {
    /// Publishes a gate's roster, unless it says what the one in force says, or is large and was
    /// published just now: it stays behind then.
    ///
    /// # Errors
    /// When the database or the statement signer fails: the roster is behind then.
    pub async fn roster(&self, gate_id: GateId) -> anyhow::Result<Outcome> {
        self.statements.kid().await?;
        let transaction = self.db.begin_across_schools().await?;
        let subject = gate_id.0.as_bytes().as_slice();
        let place = Place {
            kind: Roster::EXTERNAL_DATA,
            subject,
        };
        publications::lock(&transaction, place).await?;
        let now = self.clock.now();
        let newest = publications::newest(&transaction, place).await?;
        if newest.is_some_and(|newest| must_wait(&newest, now)) {
            return Ok(Outcome::Unchanged);
        }
        let Some(versions) = publications::access_versions(&transaction, gate_id).await? else {
            return Ok(Outcome::Unchanged);
        };
        let rows = passes::roster_rows(&transaction, gate_id, now).await?;
        let holders = holders(rows, gate_id);
        let target = Target {
            subject,
            school_id: versions.school_id,
            change: Change::Gate(gate_id),
            kept: OTHERS_KEPT,
        };
        let make = |header| Roster {
            header,
            gate: gate_id.into(),
            holders: holders.clone(),
        };
        let outcome = self
            .publish(&transaction, target, make)
            .await
            .with_context(|| format!("cannot publish the roster of gate {gate_id}"))?;
        publications::note_roster(&transaction, gate_id, versions.roster).await?;
        self.finish(transaction, target.change, outcome).await
    }
}

fn must_wait(newest: &Published, now: UtcInstant) -> bool {
    newest.document.len() > SMALL_ROSTER_LEN
        && now < newest.made_at.plus_seconds(LARGE_ROSTER_INTERVAL_S)
}

/// One entry for each holder, with their newest passes. Rows come newest pass first.
fn holders(rows: Vec<RosterRow>, gate_id: GateId) -> Vec<RosterEntry> {
    let mut holders: BTreeMap<HolderNumber, RosterEntry> = BTreeMap::new();
    for row in rows {
        let entry = holders.entry(row.holder).or_insert_with(|| RosterEntry {
            holder: row.holder,
            passes: Vec::new(),
            name: cut(&row.name, NAME_LIMIT),
            student_number: cut(&row.student_number, NAME_LIMIT),
            language: row.language,
            photo: None,
        });
        if entry.passes.len() < PASSES_PER_HOLDER {
            entry.passes.push(PassId {
                kid: row.kid.0,
                serial: row.serial,
            });
        }
    }
    if holders.len() > HOLDERS_PER_GATE {
        tracing::warn!(
            gate.id = %gate_id,
            holders = holders.len(),
            "gate {gate_id} admits {} holders and recognises {HOLDERS_PER_GATE} of them",
            holders.len()
        );
    }
    let mut holders: Vec<_> = holders.into_values().take(HOLDERS_PER_GATE).collect();
    for entry in &mut holders {
        entry.passes.sort_unstable();
    }
    holders
}
