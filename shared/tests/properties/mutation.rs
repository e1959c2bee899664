//! Small changes to bytes, as a careless or hostile sender would make them.

use proptest::{collection::vec, prelude::*, sample::Index};

/// One change.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Flip(Index, u8),
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Truncate(Index),
    Repeat(Index, u8),
}

impl Mutation {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << (bit % 8),
            Mutation::Set(at, to) => bytes[at.index(length)] = *to,
            Mutation::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Mutation::Remove(at) => drop(bytes.remove(at.index(length))),
            Mutation::Truncate(at) => bytes.truncate(at.index(length)),
            Mutation::Repeat(at, count) => {
                let start = at.index(length);
                let end = length.min(start + usize::from(*count));
                bytes.extend_from_within(start..end);
            }
        }
    }
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        4 => (at(), any::<u8>()).prop_map(|(at, to)| Mutation::Set(at, to)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        2 => at().prop_map(Mutation::Remove),
        1 => at().prop_map(Mutation::Truncate),
        1 => (at(), any::<u8>()).prop_map(|(at, count)| Mutation::Repeat(at, count)),
    ]
}

/// One to three changes.
pub(crate) fn any_mutations() -> impl Strategy<Value = Vec<Mutation>> {
    vec(any_mutation(), 1..4)
}
