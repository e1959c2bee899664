//! The command against the agent's real socket, loop, core and store.

use std::sync::Arc;

use shared::{
    carry::{Direction, FileHeader, Item},
    gate_api::DocumentName,
    ids::DocumentNumber,
    time::UtcSeconds,
};
use tokio::sync::watch;

use super::*;
use crate::{
    carry::{Carrying, Line, listen, serve},
    configuration::SyncLimits,
    event_loop::tests::rig::{Authority, Rig},
    sync::{Sync, SyncAsk, WantedNow, source::Source},
};

/// A rotation of everything that vouches: roots, registrar, statement key.
fn rotate(authority: &mut Authority, n: u64, seed: u8) -> (DocumentNumber, Vec<u8>) {
    let former = std::mem::replace(&mut authority.roots, vec![key(seed)]);
    authority.registrar = key(seed + 1);
    authority.statement = key(seed + 2);
    let set = authority.root_set(n);
    let bytes = authority.sign_root_set(&set, &former);
    (set.header.number, bytes)
}

fn key(seed: u8) -> crate::event_loop::tests::rig::SeedKey {
    crate::event_loop::tests::rig::SeedKey::new(seed)
}

/// The file that central would make now, with these root sets.
fn file(authority: &mut Authority, root_sets: Vec<(DocumentNumber, Vec<u8>)>) -> Vec<u8> {
    let kid = authority.kid();
    let list = authority.trust_list();
    let trust_list = authority.sign_trust_list(&list);
    let configuration = authority.configuration();
    let configuration = authority.sign_configuration(&configuration);
    let status_list = authority.sign_status_list();
    let issued = authority.issued_list();
    let issued_list = authority.sign_issued_list(&issued);
    let heads = authority.heads();
    let signed = authority.sign_heads(&heads);
    let header = FileHeader::new(Direction::ToGate, authority.gate, UtcSeconds(1));
    let mut items = vec![Item::Header(header), Item::Heads(signed.into())];
    for (number, bytes) in root_sets {
        items.push(Item::Document(DocumentName::RootSet, number, bytes.into()));
    }
    for (name, bytes) in [
        (DocumentName::TrustList, trust_list),
        (DocumentName::Configuration, configuration),
        (DocumentName::StatusList(kid), status_list),
        (DocumentName::IssuedList(kid), issued_list),
    ] {
        let number = authority.newest_of(name).unwrap().number;
        items.push(Item::Document(name, number, bytes.into()));
    }
    items.push(Item::End(items.len() as u64));
    items.iter().flat_map(Item::to_bytes).collect()
}

/// Serves the agent's end at a socket.
async fn carrying(rig: &Rig, folder: &Path) -> PathBuf {
    let (nobody, _) = tokio::net::UnixStream::pair().unwrap();
    let sync = Sync {
        gate: rig.authority.gate,
        key: Arc::clone(&rig.key),
        source: Source::Stick(Arc::new(Line::new(nobody))),
        time: rig.time.clone(),
        to_loop: rig.to_loop.clone(),
        store: rig.store.clone(),
        intervals: rig.intervals.clone(),
        limits: SyncLimits::default(),
        pull: Arc::clone(&rig.pull),
        resend: watch::channel(None).0,
    };
    let socket = folder.join("carry.sock");
    let listener = listen(&socket).unwrap();
    let state = folder.to_owned();
    tokio::spawn(serve(listener, Carrying { sync, state }));
    socket
}

async fn carry(socket: &Path, stick: &Path) -> Way {
    let (socket, stick) = (socket.to_owned(), stick.to_owned());
    let carried = tokio::task::spawn_blocking(move || {
        let mut agent = Agent::meet(&socket).unwrap();
        take_in(&mut agent, &stick).unwrap()
    });
    carried.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stick_brings_a_gate_through_rotations_of_everything_that_vouches() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::start().await;
    rig.pull_everything().await;
    let socket = carrying(&rig, folder.path()).await;
    let mut authority = rig.authority.clone();
    let sets = [(2, 31), (3, 41), (4, 51)].map(|(n, seed)| rotate(&mut authority, n, seed));
    let whole = file(&mut authority, sets.to_vec());
    let newest = authority.newest_of(DocumentName::TrustList).unwrap();
    let path = folder.path().join(documents_file_name(authority.gate));

    // One in the middle is missing: the gate goes as far as each is vouched for, and no further.
    let held = rig.ask_core(SyncAsk::Heads).await;
    let gap = file(
        &mut authority.clone(),
        vec![sets[0].clone(), sets[2].clone()],
    );
    std::fs::write(&path, gap).unwrap();
    assert_eq!(carry(&socket, folder.path()).await, Way::NotAll);
    assert_eq!(rig.ask_core(SyncAsk::Heads).await, held);

    std::fs::write(&path, whole).unwrap();
    assert_eq!(carry(&socket, folder.path()).await, Way::Done);
    assert!(rig.ask_core(SyncAsk::Heads).await > held);
    assert_eq!(rig.ask_core(SyncAsk::Wanted).await, WantedNow::default());
    assert!(newest.number > held.unwrap());
}
