//! A small school at a real central, made through the web API as an administrator would.

use anyhow::{Context, bail};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use shared::{
    ids::{AccessPointId, DoorId, Kid, Serial},
    keys::PublicKey,
    time::UtcSeconds,
};

use crate::{
    admin::{self, Admin},
    central::Central,
    clock, program,
};

/// Where the school is.
const TIME_ZONE: &str = "Europe/Berlin";
/// Students in one request would be an import; one by one is what the API has.
const STUDENTS_AT_ONCE: usize = 8;

/// The school.
#[derive(Clone, Debug)]
pub struct School {
    /// Its administrator.
    pub admin: Admin,
    /// `/api/v1/schools/…`.
    pub path: String,
}

/// A gate that central knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateRow {
    /// Its id as the web API writes it.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A pass that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedPass {
    /// The issuer key.
    pub kid: Kid,
    /// Its number.
    pub serial: Serial,
    /// `/api/v1/schools/…/passes/…`.
    pub path: String,
}

/// A door of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorSort {
    /// A turnstile that turns for one person.
    Turnstile,
    /// A leaf with a contact.
    Leaf,
}

/// What a pass shall say.
#[derive(Clone, Copy, Debug)]
pub struct PassWish<'a> {
    /// Where and when it admits.
    pub levels: &'a [i64],
    /// From when on; now when not said.
    pub not_before: Option<UtcSeconds>,
    /// Until when.
    pub expires_at: UtcSeconds,
    /// The key of the holder's phone.
    pub holder_key: Option<PublicKey>,
    /// The holder.
    pub student: Option<&'a str>,
}

impl<'a> PassWish<'a> {
    /// A card for a year.
    #[must_use]
    pub fn card(levels: &'a [i64]) -> Self {
        Self {
            levels,
            not_before: None,
            expires_at: clock::utc().plus(300 * 86_400),
            holder_key: None,
            student: None,
        }
    }
}

impl School {
    /// Makes a school with an issuer key that gates believe.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn found(central: &Central, name: &str) -> anyhow::Result<Self> {
        let admin = central.admin();
        let body = json!({"name": name, "time_zone": TIME_ZONE});
        let made = admin.post("/api/v1/schools", &body).await?;
        let path = format!("/api/v1/schools/{}", admin::text(&made, "school_id")?);
        let school = Self { admin, path };
        school.make("issuer-keys", &json!({})).await?;
        program::output(&mut central.command(&["keys", "trust-list", "publish"])?)
            .context("central cannot publish a trust list")?;
        Ok(school)
    }

    /// `POST` below the school.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn make(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.admin
            .post(&format!("{}/{path}", self.path), body)
            .await
    }

    /// An area behind doors.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn area(&self, name: &str) -> anyhow::Result<i64> {
        let made = self.make("areas", &json!({"name": name})).await?;
        admin::number(&made, "area_id")
    }

    /// A schedule that admits every minute of the week.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn always(&self) -> anyhow::Result<i64> {
        self.schedule("Always", &[]).await
    }

    /// A schedule that admits every minute but yesterday, today and tomorrow: whoever is let in by
    /// it alone is outside of it now, at whatever hour this runs.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn closed_these_days(&self, name: &str) -> anyhow::Result<i64> {
        let today = today()?;
        let days = [today.yesterday()?, today, today.tomorrow()?];
        self.schedule(name, &days).await
    }

    async fn schedule(&self, name: &str, closed: &[Date]) -> anyhow::Result<i64> {
        let days = [
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
        ];
        let weekly = days.map(|day| json!({"weekday": day, "from": "00:00", "until": "24:00"}));
        let special: Vec<Value> = closed
            .iter()
            .map(|date| json!({"date": date.to_string(), "periods": []}))
            .collect();
        let body = json!({"name": name, "weekly": weekly, "special_days": special});
        let made = self.make("schedules", &body).await?;
        admin::number(&made, "schedule_id")
    }

    /// An access level that admits at these access points by this schedule.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn level(
        &self,
        name: &str,
        access_points: &[AccessPointId],
        schedule: i64,
    ) -> anyhow::Result<i64> {
        let grants: Vec<Value> = access_points
            .iter()
            .map(|point| json!({"access_point_id": point.0, "schedule_id": schedule}))
            .collect();
        let body = json!({"name": name, "grants": grants});
        let made = self.make("access-levels", &body).await?;
        admin::number(&made, "level")
    }

    /// A gate with policies and intervals that differ from the standard.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn gate(&self, name: &str, policies: Value, sync: Value) -> anyhow::Result<GateRow> {
        let body = json!({"name": name, "policies": policies, "sync": sync});
        let made = self.make("gates", &body).await?;
        Ok(GateRow {
            id: admin::text(&made, "gate_id")?,
            name: name.to_owned(),
        })
    }

    /// A door of a gate.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn door(&self, gate: &GateRow, name: &str, sort: DoorSort) -> anyhow::Result<DoorId> {
        let (kind, contact, passage) = match sort {
            DoorSort::Turnstile => ("turnstile", "absent", "rotation"),
            DoorSort::Leaf => ("door", "present", "door_contact"),
        };
        let body = json!({
            "gate_id": gate.id, "name": name, "kind": kind, "lock_type": "fail_secure",
            "contact": contact, "passage": passage, "release_time_ms": 1_000,
            "extended_release_time_ms": 1_000,
        });
        let made = self.make("doors", &body).await?;
        Ok(DoorId(number(&made, "door_id")?))
    }

    /// One direction through a door; no area is outside.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn access_point(
        &self,
        door: DoorId,
        name: &str,
        (from, to): (Option<i64>, Option<i64>),
        policies: Value,
    ) -> anyhow::Result<AccessPointId> {
        let body = json!({
            "door_id": door.0, "name": name, "from_area_id": from, "to_area_id": to,
            "policies": policies,
        });
        let made = self.make("access-points", &body).await?;
        Ok(AccessPointId(number(&made, "access_point_id")?))
    }

    /// Somebody with a PIN who may act at the school's gates; gives their number.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn staff(&self, name: &str, role: &str, pin: &str) -> anyhow::Result<u32> {
        let body = json!({"name": name, "role": role, "pin": pin});
        let made = self.make("gate-staff", &body).await?;
        number(&made, "staff_number")
    }

    /// The text of a claim for a gate.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn claim(&self, gate: &GateRow) -> anyhow::Result<String> {
        let made = self
            .make(&format!("gates/{}/claim", gate.id), &json!({}))
            .await?;
        admin::text(&made, "text")
    }

    /// So many students; gives their ids in order.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn students(&self, names: &[String]) -> anyhow::Result<Vec<String>> {
        let mut ids = Vec::new();
        for (chunk, names) in (0..).zip(names.chunks(STUDENTS_AT_ONCE)) {
            let mut tasks = Vec::new();
            for (index, name) in names.iter().enumerate() {
                let number = chunk * STUDENTS_AT_ONCE + index + 1;
                let body = json!({"student_number": format!("S-{number:04}"), "name": name});
                let school = self.clone();
                tasks.push(tokio::spawn(
                    async move { school.make("students", &body).await },
                ));
            }
            for task in tasks {
                ids.push(admin::text(&task.await??, "student_id")?);
            }
        }
        Ok(ids)
    }

    /// A pass of its own for each student, alike in all else.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn issue_to(
        &self,
        students: &[String],
        levels: &[i64],
    ) -> anyhow::Result<Vec<IssuedPass>> {
        let holders: Vec<Value> = students
            .iter()
            .map(|id| json!({"student_id": id}))
            .collect();
        let expires_at = written(clock::utc().plus(300 * 86_400))?;
        let template = json!({"expires_at": expires_at, "levels": levels});
        let body = json!({"holders": holders, "template": template});
        let made = self.make("passes/batch", &body).await?;
        let kid = admin::text(&made, "kid")?;
        let Some(passes) = made["passes"].as_array() else {
            bail!("no passes in {made}");
        };
        passes
            .iter()
            .map(|pass| self.issued(&kid, number(pass, "serial")?))
            .collect()
    }

    /// One pass.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn issue(&self, wish: PassWish<'_>) -> anyhow::Result<IssuedPass> {
        let mut body = json!({"expires_at": written(wish.expires_at)?, "levels": wish.levels});
        if let Some(not_before) = wish.not_before {
            body["not_before"] = written(not_before)?.into();
        }
        if let Some(key) = wish.holder_key {
            body["holder_key"] = shared::ids::Digest(key.0).to_string().into();
        }
        if let Some(student) = wish.student {
            body["student_id"] = student.into();
        }
        let made = self.make("passes", &body).await?;
        self.issued(&admin::text(&made, "kid")?, number(&made, "serial")?)
    }

    fn issued(&self, kid: &str, serial: u32) -> anyhow::Result<IssuedPass> {
        Ok(IssuedPass {
            kid: Kid::from_hex(kid).with_context(|| format!("{kid:?} is no kid"))?,
            serial: Serial(serial),
            path: format!("{}/passes/{kid}/{serial}", self.path),
        })
    }

    /// The text of a pass's QR code.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn text(&self, pass: &IssuedPass) -> anyhow::Result<String> {
        let bytes = self.admin.get_bytes(&format!("{}/text", pass.path)).await?;
        String::from_utf8(bytes).context("the text of a pass is text")
    }

    /// A pass's QR code as central draws it, a PNG file.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn qr_png(&self, pass: &IssuedPass) -> anyhow::Result<Vec<u8>> {
        self.admin.get_bytes(&format!("{}/qr.png", pass.path)).await
    }

    /// Changes the state of a pass: `revoke`, `suspend` or `reinstate`.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn change(&self, pass: &IssuedPass, verb: &str) -> anyhow::Result<()> {
        self.admin
            .post(&format!("{}/{verb}", pass.path), &json!({}))
            .await?;
        Ok(())
    }

    /// Orders a gate to do something.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn order(&self, gate: &GateRow, action: &Value) -> anyhow::Result<()> {
        self.make(&format!("gates/{}/orders", gate.id), action)
            .await?;
        Ok(())
    }

    /// A gate's journal as it arrived.
    ///
    /// # Errors
    /// When central refuses.
    pub async fn journal(&self, gate: &GateRow) -> anyhow::Result<Vec<Value>> {
        let path = format!("{}/gates/{}/journal?limit=500", self.path, gate.id);
        self.admin.list(&path).await
    }
}

fn number(object: &Value, name: &str) -> anyhow::Result<u32> {
    u32::try_from(admin::number(object, name)?).with_context(|| format!("{name} in {object}"))
}

/// An instant as the web API writes it (RFC 3339).
///
/// # Errors
/// When it is beyond the year 9999.
pub fn written(at: UtcSeconds) -> anyhow::Result<String> {
    let at = i64::try_from(at.0).context("an instant fits")?;
    Ok(Timestamp::from_second(at)
        .context("an instant has a date")?
        .to_string())
}

fn today() -> anyhow::Result<Date> {
    let now = i64::try_from(clock::utc().0).context("now fits")?;
    let zone = TimeZone::get(TIME_ZONE).context("the school's zone is known")?;
    Ok(zone.to_datetime(Timestamp::from_second(now)?).date())
}
