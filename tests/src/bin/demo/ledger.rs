//! The record: everything the gates saw has arrived at central, in order, once, and holds.

use anyhow::Context;
use system_tests::{gate::KeptRecord, program};

use crate::{
    scene::{Scene, Site},
    transcript::{Holds, Transcript},
};

pub(crate) async fn show(scene: &mut Scene, transcript: &mut Transcript) -> anyhow::Result<()> {
    transcript.chapter("The record");
    for site in [&mut scene.main, &mut scene.library] {
        let arrived = |state: &shared::panel_api::PanelState| state.unacknowledged_records == 0;
        site.panel
            .wait_for_state("the journal to arrive", arrived)
            .await?;
    }
    for site in [&scene.main, &scene.library] {
        let name = site.row.name.clone();
        let arrived = arrived(scene, site).await?;
        let mut kept = site.gate.records_kept()?;
        // It may have written more since.
        kept.truncate(arrived.len());
        transcript.check(
            &format!(
                "{name}: {} records, numbered without a gap, each once",
                arrived.len()
            ),
            in_order(&arrived),
        );
        transcript.check(
            &format!("{name}: central holds the very chain that the gate wrote"),
            Holds::same(&arrived, &kept),
        );
        transcript.check(
            &format!("{name}: the exported journal verifies with public keys alone"),
            verified(site)?,
        );
    }
    Ok(())
}

/// Number and chain hash of every record, as central lists them.
async fn arrived(scene: &Scene, site: &Site) -> anyhow::Result<Vec<KeptRecord>> {
    let entries = scene.school.journal(&site.row).await?;
    entries
        .iter()
        .map(|entry| {
            let hash = entry["hash"].as_str().context("a record has a hash")?;
            Ok(KeptRecord {
                seq: entry["seq"].as_i64().context("a record has a number")?,
                hash: hash.to_owned(),
            })
        })
        .collect()
}

fn in_order(records: &[KeptRecord]) -> Holds {
    let out_of_place = (1..)
        .zip(records)
        .find(|(expected, record)| *expected != record.seq);
    match out_of_place {
        None if records.is_empty() => Holds::No("there are none".into()),
        None => Holds::Yes,
        Some((expected, record)) => Holds::No(format!("{} where {expected} belongs", record.seq)),
    }
}

fn verified(site: &Site) -> anyhow::Result<Holds> {
    let file = site.gate.directory().join("journal.export");
    let file = file.to_str().context("a path of the demo is text")?;
    program::output(
        &mut site
            .gate
            .command(&["journal", "export", "--output", file])?,
    )?;
    let output = program::run(&mut site.gate.command(&["journal", "verify", file])?)?;
    Ok(if output.status.success() {
        Holds::Yes
    } else {
        Holds::No(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    })
}
