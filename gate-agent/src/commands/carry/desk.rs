//! A file that central made, as a desk that answers what central would: it finds things by the
//! numbers that stand beside them, and checks nothing but whose file it is.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use anyhow::Context as _;
use minicbor::Encode;
use shared::{
    carry::{Direction, Item, Place, Splitter, Unreadable},
    cbor,
    document::SignedKind as _,
    gate_api::{
        API_VERSION, DocumentAnswer, DocumentName, DocumentRequest, IssuedRangeRequest, Message,
        ORDERS_LIMIT, OrdersAnswer, OrdersRequest, path, read,
    },
    heads::{Acknowledgement, Heads},
    ids::{DocumentNumber, GateId, Kid, Serial},
    issued_list::IssuedRange,
    order::Order,
    time::UtcSeconds,
};

use super::stick;
use crate::carry::StickAnswer;

/// Items that are looked at: ten million issued passes are 153 of them, and ten orders a day for
/// twenty years 73,000.
const ITEMS_MAX: usize = 200_000;
const READ_AT_ONCE: usize = 1 << 20;

/// What a file holds, and where.
pub(super) struct Desk {
    file: File,
    pub(super) made_at: UtcSeconds,
    /// Why something of it cannot be used.
    pub(super) problem: Option<String>,
    /// What was found for the agent, since this was last emptied.
    pub(super) said: Vec<String>,
    heads: Option<Place>,
    documents: BTreeMap<DocumentName, BTreeMap<DocumentNumber, Place>>,
    orders: BTreeMap<DocumentNumber, Place>,
    /// By issuer key and first serial.
    ranges: BTreeMap<(Kid, Serial), Place>,
    acknowledgement: Option<Place>,
}

/// What came of opening a file.
pub(super) enum Opened {
    Desk(Box<Desk>),
    /// There is none.
    Missing,
    /// It is not to be used, and why.
    Refused(String),
}

impl Desk {
    /// Reads a file through once, and remembers what lies where.
    ///
    /// # Errors
    /// When the stick cannot be read.
    pub(super) fn open(path: &Path, gate: GateId) -> anyhow::Result<Opened> {
        let cannot_read = || format!("cannot read {}", path.display());
        let file = match stick::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Missing),
            opened => opened.with_context(cannot_read)?,
        };
        let mut reading = Reading {
            file: &file,
            splitter: Splitter::default(),
        };
        let first = match reading.next().with_context(cannot_read)? {
            Next::Item(_, bytes) => bytes,
            Next::End | Next::Damaged(_) => Vec::new(),
        };
        let header = match Item::read(&first) {
            Ok(Some(Item::Header(header))) => header,
            Ok(_) | Err(_) => return Ok(Opened::Refused(Unreadable::OtherFormat.to_string())),
        };
        if let Err(why) = header.check(Direction::ToGate, gate) {
            return Ok(Opened::Refused(format!("{why}; this is gate {gate}")));
        }
        let mut index = Index::default();
        let problem = index.read(&mut reading).with_context(cannot_read)?;
        Ok(Opened::Desk(Box::new(Self {
            file,
            made_at: header.made_at,
            problem,
            said: Vec::new(),
            heads: index.heads,
            documents: index.documents,
            orders: index.orders,
            ranges: index.ranges,
            acknowledgement: index.acknowledgement,
        })))
    }

    /// What central would answer to a request of the gate API.
    pub(super) fn answer(&mut self, asked: &str, body: &[u8]) -> StickAnswer {
        let answered = match asked {
            path::HEADS => {
                self.said.push("heads".into());
                self.signed(self.heads, "no heads")
            }
            path::DOCUMENT => self.with(body, Self::document),
            path::ORDERS => self.with(body, Self::orders),
            path::ISSUED_RANGE => self.with(body, Self::issued_range),
            _ => Err(Missing::Lacks(format!("no answer to {asked}"))),
        };
        to_answer(answered)
    }

    /// The acknowledgement of the gate's journal.
    pub(super) fn acknowledgement(&self) -> StickAnswer {
        to_answer(self.signed(self.acknowledgement, "no acknowledgement"))
    }

    fn with<Q: Message, A: Encode<()>>(
        &mut self,
        body: &[u8],
        answer: impl FnOnce(&mut Self, &Q) -> Result<A, Missing>,
    ) -> Result<Vec<u8>, Missing> {
        let question = read(body).map_err(|_| Missing::Lacks("no such question".into()))?;
        Ok(cbor::encode(&answer(self, &question)?))
    }

    /// The newest; of root sets the one that follows the gate's.
    fn document(&mut self, question: &DocumentRequest) -> Result<DocumentAnswer, Missing> {
        let DocumentRequest { name, have, .. } = question;
        let all = self.documents.get(name);
        let found = all.and_then(|all| match name {
            DocumentName::RootSet => all.iter().find(|(number, _)| Some(**number) > *have),
            DocumentName::TrustList
            | DocumentName::Configuration
            | DocumentName::Roster
            | DocumentName::StatusList(_)
            | DocumentName::IssuedList(_) => all.last_key_value(),
        });
        let what = in_words(*name);
        let Some((number, place)) = found else {
            return Err(Missing::Lacks(format!("no {what} that follows the gate's")));
        };
        if *have >= Some(*number) {
            return Ok(DocumentAnswer::NothingNewer);
        }
        let place = *place;
        self.said
            .push(format!("{what} {number}, {} bytes", place.length));
        match self.item(place)? {
            Item::Document(_, _, bytes) => Ok(DocumentAnswer::Whole(bytes)),
            _ => Err(changed()),
        }
    }

    fn orders(&mut self, question: &OrdersRequest) -> Result<OrdersAnswer, Missing> {
        let mut orders = Vec::new();
        for (number, place) in &self.orders {
            if Some(*number) > question.after && orders.len() < ORDERS_LIMIT {
                match self.item(*place)? {
                    Item::Order(_, bytes) => orders.push(bytes),
                    _ => return Err(changed()),
                }
            }
        }
        self.said.push(format!("{} orders", orders.len()));
        Ok(OrdersAnswer {
            version: API_VERSION,
            orders,
        })
    }

    /// As much of the range as lies in one item.
    fn issued_range(&mut self, question: &IssuedRangeRequest) -> Result<IssuedRange, Missing> {
        let IssuedRangeRequest {
            kid, first, count, ..
        } = *question;
        let lacks = || {
            Missing::Lacks(format!(
                "no digests of issuer key {kid} from serial {first} on"
            ))
        };
        let before = self.ranges.range(..=(kid, first)).next_back();
        let ((_, start), place) = before
            .filter(|((held, _), _)| *held == kid)
            .ok_or_else(lacks)?;
        let Item::IssuedRange(range) = self.item(*place)? else {
            return Err(changed());
        };
        let skipped = (first.0 - start.0) as usize * 8;
        let rest = range.digests.get(skipped..).unwrap_or_default();
        let digests = &rest[..rest.len().min(count as usize * 8)];
        if digests.is_empty() {
            return Err(lacks());
        }
        let last = first.0 as usize + digests.len() / 8;
        self.said
            .push(format!("digests of issuer key {kid}, up to {last}"));
        Ok(IssuedRange {
            kid,
            first,
            digests: digests.to_vec().into(),
        })
    }

    fn signed(&self, place: Option<Place>, lacks: &str) -> Result<Vec<u8>, Missing> {
        match self.item(place.ok_or_else(|| Missing::Lacks(lacks.into()))?)? {
            Item::Heads(bytes) | Item::Acknowledgement(bytes) => Ok(bytes.into()),
            _ => Err(changed()),
        }
    }

    fn item(&self, place: Place) -> Result<Item, Missing> {
        let mut bytes = vec![0; place.length];
        self.file
            .read_exact_at(&mut bytes, place.offset)
            .map_err(|error| {
                Missing::Broken(format!(
                    "the stick cannot be read any more: {error}; was it pulled out?"
                ))
            })?;
        match Item::read(&bytes) {
            Ok(Some(item)) => Ok(item),
            Ok(None) | Err(_) => Err(changed()),
        }
    }
}

/// Why there is no answer.
enum Missing {
    Lacks(String),
    Broken(String),
}

fn changed() -> Missing {
    Missing::Broken("the stick's file changed while it was read".into())
}

fn to_answer(answered: Result<Vec<u8>, Missing>) -> StickAnswer {
    match answered {
        Ok(bytes) => StickAnswer::Found(bytes.into()),
        Err(Missing::Lacks(what)) => StickAnswer::Lacks(what),
        Err(Missing::Broken(why)) => StickAnswer::Broken(why),
    }
}

fn in_words(name: DocumentName) -> String {
    match name {
        DocumentName::RootSet => "root set".into(),
        DocumentName::TrustList => "trust list".into(),
        DocumentName::Configuration => "configuration".into(),
        DocumentName::Roster => "roster".into(),
        DocumentName::StatusList(kid) => format!("status list of issuer key {kid}"),
        DocumentName::IssuedList(kid) => format!("issued list of issuer key {kid}"),
    }
}

/// What lies where.
#[derive(Default)]
struct Index {
    heads: Option<Place>,
    documents: BTreeMap<DocumentName, BTreeMap<DocumentNumber, Place>>,
    orders: BTreeMap<DocumentNumber, Place>,
    ranges: BTreeMap<(Kid, Serial), Place>,
    acknowledgement: Option<Place>,
}

impl Index {
    /// Reads to the end, or to where the file makes no sense any more, and says so.
    fn read(&mut self, reading: &mut Reading<'_>) -> io::Result<Option<String>> {
        let mut problem = None;
        for _ in 0..ITEMS_MAX {
            let (place, bytes) = match reading.next()? {
                Next::Item(place, bytes) => (place, bytes),
                Next::End => {
                    let cut =
                        "the file is cut off: copy it to the stick again, and unmount the stick";
                    return Ok(problem.or_else(|| Some(cut.into())));
                }
                Next::Damaged(why) => return Ok(Some(format!("the file is damaged: {why}"))),
            };
            match Item::read(&bytes) {
                Ok(Some(Item::End(_))) => return Ok(problem),
                Ok(Some(item)) if is_too_long(&item) => {
                    problem = Some("a part of the file is longer than any of its kind".into());
                }
                Ok(Some(item)) => self.note(&item, place),
                Ok(None) => {}
                Err(why) => problem = Some(format!("a part of the file is damaged: {why}")),
            }
        }
        Ok(Some(format!("the file has more than {ITEMS_MAX} parts")))
    }

    fn note(&mut self, item: &Item, place: Place) {
        match item {
            Item::Heads(_) => self.heads = Some(place),
            Item::Document(name, number, _) => {
                let all = self.documents.entry(*name).or_default();
                all.insert(*number, place);
            }
            Item::Order(number, _) => {
                self.orders.insert(*number, place);
            }
            Item::IssuedRange(range) => {
                self.ranges.insert((range.kid, range.first), place);
            }
            Item::Acknowledgement(_) => self.acknowledgement = Some(place),
            Item::Header(_) | Item::Batch(_) | Item::End(_) => {}
        }
    }
}

/// Is it longer than what the gate takes of its kind? Several of these are held at a time.
fn is_too_long(item: &Item) -> bool {
    match item {
        Item::Order(_, bytes) => bytes.len() > Order::LIMIT,
        Item::Heads(bytes) => bytes.len() > Heads::LIMIT,
        Item::Acknowledgement(bytes) => bytes.len() > Acknowledgement::LIMIT,
        Item::Header(_)
        | Item::Document(..)
        | Item::IssuedRange(_)
        | Item::Batch(_)
        | Item::End(_) => false,
    }
}

/// A file that is read from its beginning on.
pub(super) struct Reading<'a> {
    pub(super) file: &'a File,
    pub(super) splitter: Splitter,
}

/// What comes next.
pub(super) enum Next {
    Item(Place, Vec<u8>),
    /// Nothing whole.
    End,
    Damaged(cbor::Malformed),
}

impl Reading<'_> {
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let mut bytes = Vec::new();
        loop {
            match self.splitter.next_item() {
                Ok(Some((place, item))) => return Ok(Next::Item(place, item.to_vec())),
                Ok(None) => {}
                Err(why) => return Ok(Next::Damaged(why)),
            }
            bytes.resize(READ_AT_ONCE, 0);
            let mut file = self.file;
            let length = file.read(&mut bytes)?;
            if length == 0 {
                return Ok(Next::End);
            }
            self.splitter.push(&bytes[..length]);
        }
    }
}

#[cfg(test)]
mod tests;
