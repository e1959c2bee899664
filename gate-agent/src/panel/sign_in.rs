//! Signing in by PIN: checked off the event loop, locked out with growing delays. Wrong PINs in a
//! row outlive a restart, so that a power cut gives no new tries.

use std::collections::BTreeMap;

use argon2::{Argon2, PasswordVerifier as _};
use shared::{ids::StaffNumber, time::Uptime};
use zeroize::Zeroizing;

use super::PanelId;

/// Wrong PINs in a row that cost no wait.
const FREE_TRIES: u32 = 5;
/// The wait behind the next wrong one, in ms; it doubles with each more.
const FIRST_DELAY_MS: u64 = 30_000;
/// The longest wait, in ms.
const LONGEST_DELAY_MS: u64 = 3_600_000;
/// Longest PIN that is looked at, in bytes.
const PIN_LIMIT: usize = 64;
/// Whoever is not staff of this gate counts as this one.
const NOBODY: StaffNumber = StaffNumber(0);

/// Was the PIN right?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Right,
    /// No.
    Wrong,
}

/// A PIN that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinChecked {
    /// Where it was given.
    pub panel: PanelId,
    /// The request to answer.
    pub request: u32,
    /// Whose it should be.
    pub staff: StaffNumber,
    /// Was it right?
    pub verdict: Verdict,
}

/// A PIN to be checked on a thread that may block.
pub struct PinCheck {
    panel: PanelId,
    request: u32,
    staff: StaffNumber,
    pin: Zeroizing<String>,
    /// None: nobody of that number may act here; it takes as long all the same.
    verifier: Option<String>,
}

/// What becomes of an attempt.
pub enum PinAnswer {
    /// Check it.
    Check(PinCheck),
    /// Not now, with what to do.
    Refused(String),
}

/// Attempts so far.
#[derive(Debug, Default)]
pub struct SignIns {
    failures: BTreeMap<StaffNumber, u32>,
    locked_until: BTreeMap<StaffNumber, Uptime>,
    is_checking: bool,
}

/// A verifier of no PIN, with the cost of central's: an unknown number takes as long as a known one.
const DUMMY_VERIFIER: &str = "$argon2id$v=19$m=19456,t=2,p=1$cG9ydGN1bGxpcy1ub2JvZHk$kRZ0h1uq1pAPe9BkZ7mzUQW6KqFpmyK1XBXH1k1TqX4";

impl SignIns {
    /// Goes on with what was stored; delays begin anew.
    #[must_use]
    pub fn new(now: Uptime, stored: &[(StaffNumber, u32)]) -> Self {
        let mut sign_ins = Self::default();
        for (staff, failures) in stored {
            sign_ins.failures.insert(*staff, *failures);
            sign_ins.lock_out(now, *staff, *failures);
        }
        sign_ins
    }

    /// Somebody gives a PIN. `verifier` is theirs, when they may act at this gate.
    pub fn begin(
        &mut self,
        now: Uptime,
        (panel, request): (PanelId, u32),
        (staff, pin): (StaffNumber, String),
        verifier: Option<&str>,
    ) -> PinAnswer {
        let pin = Zeroizing::new(pin);
        let counted = counted_as(staff, verifier);
        if let Some(until) = self.locked_until.get(&counted)
            && *until > now
        {
            let left_s = until.since_ms(now).div_ceil(1_000);
            return PinAnswer::Refused(format!(
                "too many wrong PINs: try again in {left_s} seconds, or ask a supervisor"
            ));
        }
        if pin.is_empty() || pin.len() > PIN_LIMIT {
            return PinAnswer::Refused(format!("a PIN has 1 to {PIN_LIMIT} characters"));
        }
        if self.is_checking {
            return PinAnswer::Refused("somebody else is signing in: try again".into());
        }
        self.is_checking = true;
        PinAnswer::Check(PinCheck {
            panel,
            request,
            staff: counted,
            pin,
            verifier: verifier.map(ToOwned::to_owned),
        })
    }

    /// A PIN was checked; gives how often in a row it was wrong, to be stored.
    pub fn finish(&mut self, now: Uptime, checked: &PinChecked) -> u32 {
        self.is_checking = false;
        match checked.verdict {
            Verdict::Right => {
                self.failures.remove(&checked.staff);
                self.locked_until.remove(&checked.staff);
                0
            }
            Verdict::Wrong => {
                let failures = self.failures.entry(checked.staff).or_insert(0);
                *failures = failures.saturating_add(1);
                let failures = *failures;
                self.lock_out(now, checked.staff, failures);
                failures
            }
        }
    }

    fn lock_out(&mut self, now: Uptime, staff: StaffNumber, failures: u32) {
        if failures >= FREE_TRIES {
            let until = now.plus_ms(delay_ms(failures));
            self.locked_until.insert(staff, until);
        }
    }
}

impl PinCheck {
    /// Checks the PIN; takes a good part of a second, by design.
    #[must_use]
    pub fn run(self) -> PinChecked {
        let verifier = self.verifier.as_deref().unwrap_or(DUMMY_VERIFIER);
        let holds = Argon2::default()
            .verify_password(self.pin.as_bytes(), verifier)
            .is_ok();
        let verdict = if holds && self.verifier.is_some() {
            Verdict::Right
        } else {
            Verdict::Wrong
        };
        PinChecked {
            panel: self.panel,
            request: self.request,
            staff: self.staff,
            verdict,
        }
    }
}

fn counted_as(staff: StaffNumber, verifier: Option<&str>) -> StaffNumber {
    if verifier.is_some() { staff } else { NOBODY }
}

fn delay_ms(failures: u32) -> u64 {
    let doublings = failures.saturating_sub(FREE_TRIES).min(20);
    (FIRST_DELAY_MS << doublings).min(LONGEST_DELAY_MS)
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHasher as _;

    use super::*;

    const PANEL: PanelId = PanelId(1);
    const STAFF: StaffNumber = StaffNumber(7);

    fn verifier(pin: &str) -> String {
        let cheap = argon2::Params::new(8, 1, 1, None).unwrap();
        let argon2 = Argon2::from(cheap);
        let salt = b"0123456789abcdef";
        argon2
            .hash_password_with_salt(pin.as_bytes(), salt)
            .unwrap()
            .to_string()
    }

    fn attempt(sign_ins: &mut SignIns, at: u64, pin: &str) -> Result<Verdict, String> {
        let verifier = verifier("4711");
        let who = (STAFF, pin.to_owned());
        match sign_ins.begin(Uptime(at), (PANEL, 1), who, Some(&verifier)) {
            PinAnswer::Refused(why) => Err(why),
            PinAnswer::Check(check) => {
                let checked = check.run();
                sign_ins.finish(Uptime(at), &checked);
                Ok(checked.verdict)
            }
        }
    }

    #[test]
    fn the_sixth_try_waits_longer_each_time_and_a_right_pin_ends_it() {
        let mut sign_ins = SignIns::default();
        for _ in 0..5 {
            assert_eq!(attempt(&mut sign_ins, 0, "1"), Ok(Verdict::Wrong));
        }
        assert!(
            attempt(&mut sign_ins, 0, "4711")
                .unwrap_err()
                .contains("30 seconds")
        );
        assert!(attempt(&mut sign_ins, 29_999, "4711").is_err());
        assert_eq!(attempt(&mut sign_ins, 30_000, "1"), Ok(Verdict::Wrong));
        assert!(attempt(&mut sign_ins, 30_000 + 59_999, "4711").is_err());
        assert_eq!(attempt(&mut sign_ins, 90_000, "4711"), Ok(Verdict::Right));
        assert_eq!(attempt(&mut sign_ins, 90_001, "1"), Ok(Verdict::Wrong));
        assert_eq!(attempt(&mut sign_ins, 90_002, "4711"), Ok(Verdict::Right));
    }

    #[test]
    fn wrong_pins_outlive_a_restart() {
        let mut sign_ins = SignIns::new(Uptime(1_000), &[(STAFF, 7)]);
        assert!(attempt(&mut sign_ins, 1_000 + 119_999, "4711").is_err());
        assert_eq!(
            attempt(&mut sign_ins, 1_000 + 120_000, "4711"),
            Ok(Verdict::Right)
        );
        let mut fresh = SignIns::new(Uptime(1_000), &[(STAFF, 4)]);
        assert_eq!(attempt(&mut fresh, 1_000, "4711"), Ok(Verdict::Right));
        assert_eq!(delay_ms(u32::MAX), LONGEST_DELAY_MS);
    }

    #[test]
    fn nobody_is_signed_in_by_an_unknown_number_or_a_strange_verifier() {
        let mut sign_ins = SignIns::default();
        for verifier in [None, Some("garbage"), Some("")] {
            let who = (STAFF, "4711".to_owned());
            let PinAnswer::Check(check) = sign_ins.begin(Uptime(0), (PANEL, 1), who, verifier)
            else {
                panic!("it is checked");
            };
            let checked = check.run();
            sign_ins.finish(Uptime(0), &checked);
            assert_eq!(checked.verdict, Verdict::Wrong);
        }
        assert_eq!(sign_ins.failures.get(&NOBODY), Some(&1));
        assert!(attempt(&mut sign_ins, 0, "").is_err());
        assert!(attempt(&mut sign_ins, 0, &"1".repeat(65)).is_err());
        assert_eq!(attempt(&mut sign_ins, 0, "4711"), Ok(Verdict::Right));
    }

    #[test]
    fn one_pin_is_checked_at_a_time() {
        let mut sign_ins = SignIns::default();
        let mut begin = || sign_ins.begin(Uptime(0), (PANEL, 1), (STAFF, "1".to_owned()), None);
        assert!(matches!(begin(), PinAnswer::Check(_)));
        assert!(matches!(begin(), PinAnswer::Refused(_)));
    }
}
