//! An offer whose request left as a file, until central's answer comes back as one: kept beside the
//! gate's keys, for it holds two secrets.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use minicbor::{Decode, Encode};
use shared::{
    cbor,
    enrolment::{Claim, Proven},
};

use super::Offer;
use crate::{
    gate_key::{KeyProblem, read_secret, write_secret},
    store::StorePlaces,
};

/// The key that was offered.
const KEY_FILE: &str = "enrolling.key";
/// Claim and request.
const OFFER_FILE: &str = "enrolling";
/// A claim has some 200 characters, a request some 150 bytes.
const OFFER_LIMIT: usize = 4_096;

#[derive(Encode, Decode)]
struct Waiting {
    #[n(0)]
    claim: String,
    #[n(1)]
    request: Proven,
}

fn files(places: &StorePlaces) -> [PathBuf; 2] {
    [KEY_FILE, OFFER_FILE].map(|file| places.keys.join(file))
}

impl Offer {
    /// Keeps it until the answer comes; an earlier one that waits is given up.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn wait(&self, places: &StorePlaces) -> anyhow::Result<()> {
        let [key, offer] = files(places);
        forget(places)?;
        let waiting = Waiting {
            claim: self.claim.to_text(),
            request: self.request.clone(),
        };
        write_secret(&key, &self.secret)?;
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&offer)
            .and_then(|mut file| {
                file.write_all(&cbor::encode(&waiting))?;
                file.sync_all()
            });
        written.with_context(|| format!("cannot write {}", offer.display()))
    }

    /// The one that waits.
    ///
    /// # Errors
    /// When none does, or it cannot be read.
    pub fn waiting(places: &StorePlaces) -> anyhow::Result<Self> {
        let [key, offer] = files(places);
        let secret = match read_secret(&key) {
            Ok(secret) => secret,
            Err(KeyProblem::Missing { .. }) => bail!(
                "no request of this box waits for an answer: begin with `gate-agent enrol CLAIM --request FILE`"
            ),
            Err(problem) => return Err(problem.into()),
        };
        let cannot_read = || {
            format!(
                "cannot read {}: begin again with a new claim",
                offer.display()
            )
        };
        let bytes = fs::read(&offer).with_context(cannot_read)?;
        let Waiting { claim, request } =
            cbor::decode_strict(&bytes, OFFER_LIMIT).with_context(cannot_read)?;
        Ok(Self {
            claim: Claim::from_text(&claim).with_context(cannot_read)?,
            request,
            secret,
        })
    }
}

/// None waits any more.
///
/// # Errors
/// When a file cannot be removed.
pub fn forget(places: &StorePlaces) -> anyhow::Result<()> {
    for file in files(places) {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
