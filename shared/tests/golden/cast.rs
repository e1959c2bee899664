//! Who and what appears in the vectors: keys from fixed seeds, ids, times; and how bytes are
//! written for people.

use ed25519_dalek::{Signer as _, SigningKey};
use minicbor::{Decoder, data::Type};
use serde_json::{Value, json};
use shared::{
    document::Header,
    ids::{CentralEpoch, DocumentNumber, GateId, Kid, SchoolId},
    keys::{PublicKey, Sign, Signature},
    time::UtcSeconds,
};

/// 2027-01-15T08:00:00Z: when everything in the vectors was made.
pub(crate) const MADE_AT: UtcSeconds = UtcSeconds(1_800_000_000);
/// The gate.
pub(crate) const GATE: GateId = GateId([0x6a; 16]);
/// Its peer.
pub(crate) const PEER: GateId = GateId([0x6b; 16]);
/// The school.
pub(crate) const SCHOOL: SchoolId = SchoolId([0x5c; 16]);

/// A private key whose seed is one byte, 32 times.
pub(crate) struct Key {
    /// What it is called in the vectors.
    pub(crate) name: &'static str,
    seed: u8,
    signing: SigningKey,
}

impl Key {
    const fn named(name: &'static str, seed: u8) -> (&'static str, u8) {
        (name, seed)
    }

    fn new((name, seed): (&'static str, u8)) -> Self {
        Self {
            name,
            seed,
            signing: SigningKey::from_bytes(&[seed; 32]),
        }
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(self.signing.verifying_key().to_bytes())
    }
}

impl Sign for Key {
    fn kid(&self) -> Kid {
        self.public().kid()
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.signing.sign(message).to_bytes())
    }
}

const ALL: [(&str, u8); 12] = [
    Key::named("root_1", 0x11),
    Key::named("root_2", 0x12),
    Key::named("root_3", 0x13),
    Key::named("root_4", 0x14),
    Key::named("registrar", 0x21),
    Key::named("statement", 0x31),
    Key::named("issuer", 0x41),
    Key::named("standby", 0x42),
    Key::named("gate", 0x51),
    Key::named("peer", 0x52),
    Key::named("holder", 0x61),
    Key::named("stranger", 0x71),
];

/// The key of this name.
pub(crate) fn key(name: &str) -> Key {
    Key::new(
        ALL.into_iter()
            .find(|(of, _)| *of == name)
            .expect("a key of the cast"),
    )
}

/// All keys, as the vectors list them.
pub(crate) fn keys() -> Value {
    let entry = |key: Key| {
        json!({
            "name": key.name,
            "seed": hex(&[key.seed; 32]),
            "public_key": hex(&key.public().0),
            "cose_key": hex(&key.public().cose_key()),
            "kid": hex(&key.kid().0),
        })
    };
    json!({ "keys": ALL.map(Key::new).map(entry) })
}

/// A document's number in the first epoch.
pub(crate) fn number(n: u64) -> DocumentNumber {
    DocumentNumber {
        epoch: CentralEpoch(1),
        n,
    }
}

/// The header of a document that lasts for `days`.
pub(crate) fn header(n: u64, days: u64) -> Header {
    Header {
        number: number(n),
        made_at: MADE_AT,
        expires_at: MADE_AT.plus(days * Header::DAY_S),
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The diagnostic notation (RFC 8949 §8) of one CBOR item.
pub(crate) fn diagnostic(bytes: &[u8]) -> String {
    let mut decoder = Decoder::new(bytes);
    let text = item(&mut decoder);
    assert_eq!(decoder.position(), bytes.len(), "one item");
    text
}

fn item(decoder: &mut Decoder<'_>) -> String {
    let many = |count: u64, decoder: &mut Decoder<'_>| -> Vec<String> {
        (0..count).map(|_| item(decoder)).collect()
    };
    match decoder.datatype().expect("an item") {
        Type::Bytes => format!("h'{}'", hex(decoder.bytes().unwrap())),
        Type::String => format!("{:?}", decoder.str().unwrap()),
        Type::Array => {
            let count = decoder.array().unwrap().expect("definite length");
            format!("[{}]", many(count, decoder).join(", "))
        }
        Type::Map => {
            let count = decoder.map().unwrap().expect("definite length");
            let members = many(2 * count, decoder);
            let pairs = members.chunks(2).map(|pair| pair.join(": "));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Type::Null => {
            decoder.null().unwrap();
            "null".into()
        }
        _ => decoder.int().expect("an integer").to_string(),
    }
}
