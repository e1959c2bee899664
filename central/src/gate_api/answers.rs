//! Answers that many gates get alike: a document whole, or the delta between two status lists.
//! Kept in memory, so that a thousand gates that ask for one list cost one read and one delta.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use axum::body::Bytes;
use shared::ids::DocumentNumber;

use crate::db::signed_documents::Subject;

/// Most bytes that are kept: six of the largest documents, or some hundred of the usual size.
const SIZE_MAX: usize = 64 << 20;

/// Which answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// External data of the document's kind.
    pub kind: &'static str,
    /// Whose document.
    pub subject: Subject,
    /// Where a delta starts; `None`: the document is whole.
    pub from: Option<DocumentNumber>,
    /// The document.
    pub to: DocumentNumber,
}

/// The answers that are kept.
#[derive(Debug, Default)]
pub struct Answers {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Key, Bytes>,
    /// The oldest first.
    order: VecDeque<Key>,
    size: usize,
}

impl Answers {
    /// The answer, if it is kept.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.answers.get(key).cloned()
    }

    /// Keeps an answer; the oldest make room.
    pub fn keep(&self, key: Key, answer: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.len() > SIZE_MAX || kept.answers.contains_key(&key) {
            return;
        }
        kept.size += answer.len();
        kept.answers.insert(key, answer);
        kept.order.push_back(key);
        while kept.size > SIZE_MAX {
            let Some(oldest) = kept.order.pop_front() else {
                return;
            };
            if let Some(answer) = kept.answers.remove(&oldest) {
                kept.size -= answer.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::ids::CentralEpoch;

    use super::*;

    fn key(n: u64) -> Key {
        Key {
            kind: "k",
            subject: Subject::Central,
            from: None,
            to: DocumentNumber {
                epoch: CentralEpoch(1),
                n,
            },
        }
    }

    #[test]
    fn the_oldest_answers_make_room_for_new_ones() {
        let answers = Answers::default();
        let large = Bytes::from(vec![0; SIZE_MAX / 3]);
        for n in 0..4 {
            answers.keep(key(n), large.clone());
            answers.keep(key(n), large.clone());
        }
        assert_eq!(answers.get(&key(0)), None);
        assert_eq!(answers.get(&key(1)), Some(large.clone()));
        assert_eq!(answers.get(&key(3)), Some(large));
    }
}
