use shared::{
    cbor,
    gate_api::API_VERSION,
    ids::{Digest, JournalEpoch},
    journal::Record,
};

use super::*;

const GATE: GateId = GateId([7; 16]);

struct Stick {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Stick {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portcullis.journal");
        Self { folder, path }
    }

    /// Writes records of an epoch, three to a batch.
    fn carry(&self, epoch: u32, from: u64, to: u64) -> Kept {
        self.begin(epoch, from, to).finish().unwrap()
    }

    fn begin(&self, epoch: u32, from: u64, to: u64) -> JournalFile {
        let mut file = JournalFile::new(&self.path, GATE);
        for first in (from..=to).step_by(3) {
            let last = to.min(first + 2);
            let batch = cbor::encode(&batch(epoch, first, last));
            file.write(at(epoch, last), &batch).unwrap();
        }
        file
    }

    fn span(&self) -> (u64, u64) {
        let held = held(&self.path, GATE).unwrap().unwrap();
        assert!(held.is_whole);
        (held.span.from.seq, held.span.to.seq)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn at(epoch: u32, seq: u64) -> JournalPosition {
    JournalPosition {
        epoch: JournalEpoch(epoch),
        seq,
    }
}

fn batch(epoch: u32, first: u64, last: u64) -> JournalBatch {
    let record = Record {
        public: vec![1; 100].into(),
        commitment: Digest([0; 32]),
        personal: None,
    };
    JournalBatch {
        version: API_VERSION,
        first: at(epoch, first),
        records: (first..=last).map(|_| record.clone()).collect(),
        head: vec![2; 10].into(),
        anchor: None,
    }
}

fn written(from: u64) -> Kept {
    Kept::Written {
        from: at(1, from),
        notes: vec![],
    }
}

#[test]
fn a_journal_is_whole_in_its_place_and_its_owners_alone() {
    let stick = Stick::new();
    assert_eq!(stick.carry(1, 5, 12), written(5));
    assert_eq!(stick.span(), (5, 12));
    let mode = fs::metadata(&stick.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(stick.names(), ["portcullis.journal"]);
}

#[test]
fn with_nothing_to_give_out_nothing_is_written() {
    let stick = Stick::new();
    let kept = JournalFile::new(&stick.path, GATE).finish().unwrap();
    assert_eq!(kept, Kept::Nothing);
    assert_eq!(stick.names(), Vec::<String>::new());
}

#[test]
fn only_a_file_that_holds_more_takes_the_place_of_another() {
    let stick = Stick::new();
    stick.carry(1, 5, 12);
    assert_eq!(stick.carry(1, 5, 12), Kept::AlreadyThere);
    assert_eq!(stick.carry(1, 7, 12), Kept::AlreadyThere);
    assert_eq!(stick.carry(1, 5, 13), written(5));
    // A central that was restored acknowledges less than before.
    assert_eq!(stick.carry(1, 2, 13), written(2));
    // What is no longer there was acknowledged.
    assert_eq!(stick.carry(1, 9, 14), written(9));
    assert_eq!(stick.span(), (9, 14));
    let less = Kept::OtherHoldsMore { held: at(1, 14) };
    assert_eq!(stick.carry(1, 1, 13), less);
    assert_eq!(stick.span(), (9, 14));
    assert_eq!(stick.names(), ["portcullis.journal"]);
}

#[test]
fn the_journal_of_an_earlier_identity_is_kept_aside() {
    let stick = Stick::new();
    stick.carry(1, 1, 9);
    let kept = stick.carry(2, 1, 2);
    assert!(
        matches!(&kept, Kept::Written { notes, .. } if notes.len() == 1),
        "{kept:?}"
    );
    assert_eq!(stick.span(), (1, 2));
    assert_eq!(
        stick.names(),
        ["portcullis.1.journal", "portcullis.journal"]
    );
}

#[test]
fn a_file_that_was_cut_off_gives_way_to_one_of_the_same_records() {
    let stick = Stick::new();
    stick.carry(1, 1, 6);
    let whole = fs::read(&stick.path).unwrap();
    fs::write(&stick.path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(stick.carry(1, 1, 6), written(1));
    assert_eq!(fs::read(&stick.path).unwrap().len(), whole.len());
    // Nothing whole but its header: nothing can be lost.
    fs::write(&stick.path, &whole[..60]).unwrap();
    assert_eq!(stick.carry(1, 4, 6), written(4));
}

#[test]
fn what_is_no_journal_of_this_gate_is_not_touched() {
    let stick = Stick::new();
    let mut of_other = JournalFile::new(&stick.path, GateId([8; 16]));
    let batch = cbor::encode(&batch(1, 1, 1));
    of_other.write(at(1, 1), &batch).unwrap();
    of_other.finish().unwrap();
    let others = fs::read(&stick.path).unwrap();
    for there in [others, b"holiday pictures".to_vec()] {
        fs::write(&stick.path, &there).unwrap();
        let error = stick.begin(1, 1, 6).finish().unwrap_err().to_string();
        assert!(error.contains("move it away"), "{error}");
        assert_eq!(fs::read(&stick.path).unwrap(), there);
        assert_eq!(stick.names(), ["portcullis.journal"]);
    }
}

#[test]
fn a_stick_that_is_pulled_out_in_mid_write_is_told_and_what_was_left_behind_is_no_hindrance() {
    let stick = Stick::new();
    stick.carry(1, 1, 3);
    let before = fs::read(&stick.path).unwrap();
    // The command was killed: its unfinished file stays.
    std::mem::forget(stick.begin(1, 1, 6));
    assert_eq!(fs::read(&stick.path).unwrap(), before);
    assert_eq!(stick.names().len(), 2);
    assert_eq!(stick.carry(1, 1, 6), written(1));
    assert_eq!(stick.names(), ["portcullis.journal"]);

    let file = stick.begin(1, 1, 9);
    fs::remove_dir_all(stick.folder.path()).unwrap();
    let error = file.finish().unwrap_err().to_string();
    assert!(error.contains("the gate keeps its records"), "{error}");
}
