//! Stored documents at start: signature, kind and form are checked as they were when each came.

use shared::{
    configuration::Configuration,
    document::{self, DocumentRejected, SignedKind, Verified},
    gate_api::DocumentName,
    issued_list::IssuedList,
    order::Order,
    root_set::{RootSet, open_first_root_set},
    roster::Roster,
    status_list::StatusList,
};

use super::{
    DocumentProblem as Problem,
    check::Incoming,
    in_force::{Documents, NumberAndDigest},
};
use crate::action::{StoredDocument, StoredKind};

impl Documents {
    /// Puts a stored document in force again at start. Signature, kind and form are checked as
    /// they were when it came; numbers are what they are.
    pub(crate) fn restore(&mut self, stored: &StoredDocument) -> Result<(), Problem> {
        let restored = self.reopen(stored);
        if let Err(problem) = restored {
            self.set_aside.keep(stored, problem);
        }
        restored
    }

    fn reopen(&mut self, stored: &StoredDocument) -> Result<(), Problem> {
        let bytes = &stored.bytes;
        let incoming = match stored.kind {
            StoredKind::Heads => Incoming::Heads(self.open_statement(bytes)?),
            StoredKind::Order => {
                let order = self.open_statement::<Order>(bytes)?;
                self.order = Some(NumberAndDigest {
                    number: order.document().header.number,
                    digest: order.digest(),
                });
                return Ok(());
            }
            StoredKind::FormerTrustList | StoredKind::FormerRootSet => {
                return self.reopen_former(stored);
            }
            StoredKind::Named(name) => match name {
                DocumentName::RootSet => Incoming::RootSet(self.reopen_root_set(bytes)?),
                DocumentName::TrustList => Incoming::TrustList(self.reopen_trust_list(bytes)?),
                DocumentName::Configuration => {
                    let it = self.reopen_statement::<Configuration>(bytes)?;
                    self.for_this_gate(it.document().gate)?;
                    Incoming::Configuration(it)
                }
                DocumentName::Roster => {
                    let it = self.reopen_statement::<Roster>(bytes)?;
                    self.for_this_gate(it.document().gate)?;
                    Incoming::Roster(NumberAndDigest {
                        number: it.document().header.number,
                        digest: it.digest(),
                    })
                }
                DocumentName::StatusList(kid) => {
                    let it = self.reopen_statement::<StatusList>(bytes)?;
                    self.of_issuer(kid, it.document().kid)?;
                    Incoming::StatusList(it)
                }
                DocumentName::IssuedList(kid) => {
                    let it = self.reopen_statement::<IssuedList>(bytes)?;
                    self.of_issuer(kid, it.document().kid)?;
                    Incoming::IssuedList(it)
                }
            },
        };
        self.put_in_force(incoming);
        Ok(())
    }

    /// The first root set is pinned; a later one was signed by its predecessor when it came, and
    /// must still be whole.
    fn reopen_root_set(&self, bytes: &[u8]) -> Result<Verified<RootSet>, Problem> {
        Ok(open_first_root_set(bytes)?)
    }

    /// Opens a statement that was checked when it came. One whose key was withdrawn since is there,
    /// as it was before the restart, but not relied on (see [`Documents::vouches_for`]).
    fn reopen_statement<T: SignedKind>(&self, bytes: &[u8]) -> Result<Verified<T>, Problem> {
        let mut answer = self.open_statement(bytes);
        let not_vouching = self.trust.as_ref().map(|trust| &trust.statements);
        for keys in [not_vouching, self.former.statements()]
            .into_iter()
            .flatten()
        {
            match answer {
                Err(Problem::NoTrustList | Problem::Rejected(DocumentRejected::KeyUnknown(_))) => {
                    answer = document::open(bytes, keys).map_err(Problem::from);
                }
                Ok(_) | Err(_) => break,
            }
        }
        answer
    }
}
