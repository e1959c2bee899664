//! What must hold of every format for any value and any bytes: values come back, changed bytes
//! are refused or are their own one encoding, garbage never panics.
#![allow(missing_docs)]

#[path = "golden/cast.rs"]
#[allow(dead_code, reason = "only part of the cast is needed")]
mod cast;
#[path = "golden/configuration.rs"]
mod configuration;
#[path = "../../fuzz/src/decoders.rs"]
mod decoders;
#[path = "golden/documents.rs"]
#[allow(dead_code, reason = "only part of the documents is needed")]
mod documents;
#[path = "golden/journal.rs"]
#[allow(dead_code, reason = "only part of the journal is needed")]
mod journal;
#[path = "golden/messages.rs"]
#[allow(dead_code, reason = "only part of the messages is needed")]
mod messages;
#[path = "properties/mutation.rs"]
mod mutation;
#[path = "golden/passes.rs"]
#[allow(dead_code, reason = "only part of the passes is needed")]
mod passes;
#[path = "properties/values.rs"]
mod values;

use mutation::{Mutation, any_mutations};
use proptest::{collection::vec, prelude::*};
use shared::{
    cbor,
    document::{self, SignedKind},
    gate_api,
    journal::Record,
    keys::KeyRing,
    panel_api,
};

/// Encodings of at least one value of every format.
fn seeds() -> Vec<Vec<u8>> {
    let statements = documents::orders()
        .into_iter()
        .map(|order| cbor::encode(&order));
    let mut seeds: Vec<Vec<u8>> = statements.collect();
    seeds.extend(passes::issued());
    seeds.push(passes::live().into_bytes());
    seeds.push(messages::claim().to_text().into_bytes());
    seeds.extend([
        cbor::encode(&documents::root_set(1, ["root_1", "root_2", "root_3"])),
        cbor::encode(&documents::trust_list()),
        cbor::encode(&configuration::configuration()),
        cbor::encode(&documents::roster()),
        cbor::encode(&documents::newer_status()),
        cbor::encode(&documents::delta()),
        cbor::encode(&documents::range(1, 3)),
        cbor::encode(&documents::heads()),
        cbor::encode(&documents::time()),
        cbor::encode(&documents::acknowledgement()),
        cbor::encode(&journal::head()),
        cbor::encode(&journal::anchor(5)),
        cbor::encode(&messages::batch()),
        cbor::encode(&messages::heartbeat()),
        cbor::encode(&messages::refusal()),
    ]);
    seeds.extend(documents::movements().iter().map(cbor::encode));
    seeds.extend(journal::records().iter().map(cbor::encode));
    seeds.extend(
        journal::records()
            .iter()
            .map(|record| record.public.to_vec()),
    );
    seeds.extend(messages::exchange().iter().map(cbor::encode));
    seeds.extend(
        messages::panel_messages()
            .iter()
            .map(|m| panel_api::to_frame(m).unwrap()),
    );
    seeds.extend(messages::asks().into_iter().map(|ask| {
        panel_api::to_frame(&panel_api::PanelRequest {
            version: 1,
            request: 7,
            ask,
        })
        .unwrap()
    }));
    seeds
}

fn every_decoder(input: &[u8]) {
    for (_, target) in decoders::TARGETS {
        target(input);
    }
}

#[test]
fn every_decoder_takes_the_seed_of_every_other() {
    for seed in seeds() {
        every_decoder(&seed);
    }
}

fn opens_again<T: SignedKind + PartialEq + core::fmt::Debug>(value: &T) {
    let key = cast::key("statement");
    let ring = KeyRing::new(&[key.public()]).unwrap();
    let bytes = document::sign(value, &key).expect("a value of the strategy is sound");
    let opened = document::open::<T>(&bytes, &ring).expect("what was signed opens");
    assert_eq!(opened.document(), value);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn garbage_never_panics(input in vec(any::<u8>(), 0..300)) {
        every_decoder(&input);
    }

    #[test]
    fn changed_bytes_are_refused_or_their_own_one_encoding(
        seed in any::<prop::sample::Index>(), mutations in any_mutations(),
    ) {
        let mut input = seed.get(&seeds()).clone();
        mutations.iter().for_each(|mutation: &Mutation| mutation.apply(&mut input));
        every_decoder(&input);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_trust_list_comes_back(value in values::trust_list()) {
        opens_again(&value);
    }

    #[test]
    fn any_configuration_comes_back(value in values::configuration()) {
        opens_again(&value);
    }

    #[test]
    fn any_roster_comes_back(value in values::roster()) {
        opens_again(&value);
    }

    #[test]
    fn any_status_list_comes_back(value in values::status_list()) {
        opens_again(&value);
    }

    #[test]
    fn any_issued_list_comes_back(value in values::issued_list()) {
        opens_again(&value);
    }

    #[test]
    fn any_order_comes_back(value in values::order()) {
        opens_again(&value);
    }

    #[test]
    fn any_heads_come_back(value in values::heads()) {
        opens_again(&value);
    }

    #[test]
    fn any_time_acknowledgement_and_movement_come_back(
        time in values::time(), ack in values::acknowledgement(), movement in values::movement(),
    ) {
        opens_again(&time);
        opens_again(&ack);
        opens_again(&movement);
    }

    #[test]
    fn any_record_comes_back(
        public in values::public_part(), personal in values::personal_part(), salt in any::<[u8; 16]>(),
    ) {
        let record = Record::new(&public, Some((&personal, salt)));
        let bytes = cbor::encode(&record);
        let again: Record = cbor::decode_strict(&bytes, 4_096).unwrap();
        prop_assert_eq!(again.public_part().unwrap(), public);
        prop_assert_eq!(again.personal_part().unwrap(), Some(personal));
        prop_assert_eq!(again, record);
    }

    #[test]
    fn any_batch_comes_back(value in values::batch()) {
        prop_assert_eq!(gate_api::read(&cbor::encode(&value)), Ok(value));
    }

    #[test]
    fn any_heartbeat_and_refusal_come_back(
        heartbeat in values::heartbeat(), refusal in values::refusal(),
    ) {
        prop_assert_eq!(gate_api::read(&cbor::encode(&heartbeat)), Ok(heartbeat));
        prop_assert_eq!(gate_api::read(&cbor::encode(&refusal)), Ok(refusal));
    }

    #[test]
    fn any_panel_request_comes_back(value in values::panel_request()) {
        let frame = panel_api::to_frame(&value).unwrap();
        let split = panel_api::split_frame(&frame).unwrap().unwrap();
        prop_assert_eq!(panel_api::read(split.message), Ok(value));
        prop_assert!(split.rest.is_empty());
    }
}
