//! What is served, under the names by which gates ask for it.

use shared::{
    gate_api::DocumentName,
    heads::Newest,
    ids::DocumentNumber,
    issued_list::Growth,
    journal::{ChainState, Record},
};

use super::{Desk, desk::newest};

/// A signed document and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// Its number.
    pub number: DocumentNumber,
    /// The signed bytes.
    pub bytes: Vec<u8>,
}

/// Are heads signed anew for each gate that asks?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Yes, naming what the shelf holds.
    Honest,
    /// No: the same heads again and again, or whatever the test put there.
    Withheld,
}

/// To which request is a signed time bound?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeBinding {
    /// To the one that is answered.
    ThisRequest,
    /// To another one: a recorded answer, replayed.
    OtherRequest,
}

/// What batches of the journal are answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Acknowledging {
    /// An acknowledgement of what is held.
    #[default]
    Truly,
    /// One that was signed before, again and again.
    Replayed {
        /// Its bytes.
        bytes: Vec<u8>,
        /// How often it was the answer.
        times: u32,
    },
}

/// Everything a gate may ask for, and what it has sent.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// The root set.
    pub root_set: Filed,
    /// The trust list.
    pub trust_list: Filed,
    /// The configuration.
    pub configuration: Filed,
    /// The roster, when the gate has one.
    pub roster: Option<Filed>,
    /// The status list.
    pub status_list: Filed,
    /// The issued list.
    pub issued_list: Filed,
    /// Orders, oldest first.
    pub orders: Vec<Filed>,
    /// The heads.
    pub heads: Filed,
    /// Are they renewed?
    pub renewal: Renewal,
    /// To which request is a signed time bound?
    pub time: TimeBinding,
    /// How many requests were refused because of their date.
    pub dates_refused: u32,
    /// Which documents gates asked for, in order.
    pub asked: Vec<DocumentName>,
    /// The gate's journal as it arrived.
    pub received: Vec<Record>,
    /// Where it stands.
    pub chain: Option<ChainState>,
    /// What batches are answered with.
    pub acknowledging: Acknowledging,
    /// The newest acknowledgement that was signed.
    pub acknowledgement: Option<Vec<u8>>,
}

impl Shelf {
    /// One set of everything.
    pub(super) fn first(desk: &mut Desk) -> Self {
        let root_set = desk.root_set();
        let trust_list = desk.trust_list();
        let configuration = desk.configuration(trust_list.number);
        let status_list = desk.status_list();
        let issued_list = desk.issued_list(Growth::Open);
        let mut shelf = Self {
            root_set,
            trust_list,
            configuration,
            roster: None,
            status_list,
            issued_list,
            orders: Vec::new(),
            heads: Filed {
                number: DocumentNumber {
                    epoch: shared::ids::CentralEpoch(1),
                    n: 0,
                },
                bytes: Vec::new(),
            },
            renewal: Renewal::Honest,
            time: TimeBinding::ThisRequest,
            dates_refused: 0,
            asked: Vec::new(),
            received: Vec::new(),
            chain: None,
            acknowledging: Acknowledging::Truly,
            acknowledgement: None,
        };
        shelf.heads = desk.heads(&shelf);
        shelf
    }

    /// Names a filed document in heads.
    #[must_use]
    pub fn named_as(filed: &Filed) -> Newest {
        newest(filed)
    }

    /// The document of this name; there is one issuer key.
    pub(super) fn named(&self, name: DocumentName) -> Option<&Filed> {
        match name {
            DocumentName::RootSet => Some(&self.root_set),
            DocumentName::TrustList => Some(&self.trust_list),
            DocumentName::Configuration => Some(&self.configuration),
            DocumentName::Roster => self.roster.as_ref(),
            DocumentName::StatusList(_) => Some(&self.status_list),
            DocumentName::IssuedList(_) => Some(&self.issued_list),
        }
    }
}
