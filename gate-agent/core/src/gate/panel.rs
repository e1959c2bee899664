//! What the main screen shows.

use alloc::{string::String, vec::Vec};

use shared::{
    ids::AreaId,
    panel_api::{PANEL_API_VERSION, PanelAccessPoint, PanelArea, PanelState},
    time::Now,
};

use super::{Gate, Storage};

/// How long before its end an expiring trust list or configuration is told of: 60 days.
const EXPIRES_SOON_S: u64 = 60 * 86_400;

impl Gate {
    /// The state now. The shell fills in who is signed in, how many records wait for central,
    /// and what readers hint at.
    #[must_use]
    pub fn state(&self, now: Now) -> PanelState {
        let configuration = self.configuration();
        PanelState {
            version: PANEL_API_VERSION,
            gate_name: configuration.map_or_else(String::new, |it| it.name.clone()),
            link: self.link,
            freshness: self.freshness(now),
            heads_age_s: self.freshness.age_s(now, &self.clock),
            clock: self.clock.trust(),
            doors: self.doors.values().map(|door| door.panel()).collect(),
            areas: self.panel_areas(),
            staff: None,
            unacknowledged_records: 0,
            faults: self.panel_faults(now),
            access_points: configuration.map_or_else(Vec::new, |it| {
                it.access_points
                    .iter()
                    .map(|point| PanelAccessPoint {
                        access_point: point.id,
                        name: point.name.clone(),
                        door: point.door,
                        hint: None,
                    })
                    .collect()
            }),
            utc: now.utc,
        }
    }

    fn panel_areas(&self) -> Vec<PanelArea> {
        let areas = self.configuration().map_or(&[][..], |it| &it.areas);
        areas
            .iter()
            .filter(|area| area.id != AreaId::OUTSIDE)
            .map(|area| PanelArea {
                area: area.id,
                name: area.name.clone(),
                inside: self.memory.presences.inside(area.id),
                capacity: area.capacity,
            })
            .collect()
    }

    fn panel_faults(&self, now: Now) -> Vec<String> {
        let mut faults: Vec<String> = self
            .faults
            .iter()
            .map(|(part, problem)| alloc::format!("{part}: {problem}"))
            .collect();
        if let Storage::Failing { problem, .. } = &self.storage {
            faults.push(alloc::format!("storage: {problem}"));
        }
        faults.extend(self.trust_faults(now));
        faults
    }

    fn trust_faults(&self, now: Now) -> Vec<String> {
        let at_least = self.clock.at_least(now);
        let mut faults = Vec::new();
        match &self.documents.trust {
            None => faults.push("no trust list: connect this gate to central".into()),
            Some(trust) => {
                let expires_at = trust.list.document.header.expires_at;
                if expires_at.since(at_least) < EXPIRES_SOON_S {
                    faults.push(alloc::format!(
                        "the trust list ends {expires_at}: sign a new one"
                    ));
                }
            }
        }
        match &self.documents.configuration {
            None => faults.push("no configuration: connect this gate to central".into()),
            Some(held) if !self.documents.vouches_for(held.signed_by) => faults
                .push("the configuration's key was withdrawn: connect this gate to central".into()),
            Some(held) if held.document.header.expires_at <= at_least => {
                faults.push("the configuration has expired: connect this gate to central".into());
            }
            Some(_) => {}
        }
        faults
    }
}
