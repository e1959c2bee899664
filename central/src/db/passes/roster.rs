//! Who may stand in a gate's roster.

use anyhow::Context;
use shared::ids::{HolderNumber, Serial};
use tokio_postgres::Row;

use crate::{
    db::{Connection, Word, students::ReleaseTime},
    ids::{GateId, Kid},
    instant::UtcInstant,
};

/// One pass of a holder who may stand in a roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterRow {
    /// The holder.
    pub holder: HolderNumber,
    /// Their name.
    pub name: String,
    /// Their number at the school.
    pub student_number: String,
    /// Their language.
    pub language: String,
    /// How long doors stay released for them.
    pub release_time: ReleaseTime,
    /// The pass's issuer key.
    pub kid: Kid,
    /// The pass's serial.
    pub serial: Serial,
}

const ROSTER: &str = "WITH here AS ( \
        SELECT DISTINCT level FROM access_level_grants \
            JOIN access_points USING (access_point_id) JOIN doors USING (door_id) \
        WHERE doors.gate_id = $1 \
    ), admitted AS ( \
        SELECT DISTINCT student_id FROM passes \
        WHERE school_id = (SELECT school_id FROM gates WHERE gate_id = $1) AND student_id IS NOT NULL \
            AND state <> 'revoked' AND expires_at > $2 AND levels && (SELECT array_agg(level) FROM here) \
    ) \
    SELECT holder_number, name, student_number, language, kid, serial, release_time \
    FROM admitted JOIN students USING (student_id) JOIN passes USING (student_id) \
    WHERE deleted_at IS NULL AND expires_at > $2 \
    ORDER BY passes.created_at DESC, kid, serial DESC";

/// All passes that have not expired, newest first, of the holders whom one of them may admit at
/// the gate.
///
/// # Errors
/// When the database fails.
pub async fn roster_rows(
    connection: &Connection,
    gate_id: GateId,
    now: UtcInstant,
) -> anyhow::Result<Vec<RosterRow>> {
    let rows = connection
        .query(ROSTER, &[&gate_id, &now])
        .await
        .with_context(|| format!("cannot read who may pass gate {gate_id}"))?;
    let row = |row: &Row| {
        let Word(release_time) = row.get(6);
        RosterRow {
            holder: HolderNumber(row.get::<_, i32>(0).unsigned_abs()),
            name: row.get(1),
            student_number: row.get(2),
            language: row.get(3),
            kid: row.get(4),
            serial: Serial(row.get::<_, i32>(5).unsigned_abs()),
            release_time,
        }
    };
    Ok(rows.iter().map(row).collect())
}
