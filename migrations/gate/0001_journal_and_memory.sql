-- Why: the gate's one database. Whatever one decision changes lies in this file, so that a single
-- transaction holds the record, the memory and the documents behind it. Instants are whole UTC
-- seconds; members that are CBOR are named so.

-- Who this gate is. Its private key is never in here.
CREATE TABLE identity (
    identity_id INTEGER PRIMARY KEY CHECK (identity_id = 1),
    gate BLOB NOT NULL CHECK (length(gate) = 16),
    gate_key BLOB NOT NULL CHECK (length(gate_key) = 32),
    pinned_root_set BLOB NOT NULL CHECK (length(pinned_root_set) = 32),
    central_address TEXT NOT NULL,
    tls_key BLOB CHECK (length(tls_key) = 32),
    journal_epoch INTEGER NOT NULL CHECK (journal_epoch >= 0),
    enrolled_at INTEGER NOT NULL
) STRICT;

CREATE TABLE journal (
    journal_epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK (seq >= 1),
    public BLOB NOT NULL,
    commitment BLOB NOT NULL CHECK (length(commitment) = 32),
    salt BLOB CHECK (length(salt) = 16),
    personal BLOB,
    -- the chain's hash after this record
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (journal_epoch, seq),
    CHECK ((salt IS NULL) = (personal IS NULL))
) STRICT, WITHOUT ROWID;

-- The last record that pruning removed, signed by the gate.
CREATE TABLE journal_anchor (
    journal_anchor_id INTEGER PRIMARY KEY CHECK (journal_anchor_id = 1),
    journal_epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    signed BLOB NOT NULL
) STRICT;

-- What central acknowledged, and when by its own clock; the newest, and one an hour before it, so
-- that the age of an acknowledged record never rests on the gate's clock.
CREATE TABLE acknowledgements (
    made_at INTEGER PRIMARY KEY,
    journal_epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE gate_facts (
    gate_facts_id INTEGER PRIMARY KEY CHECK (gate_facts_id = 1),
    mark INTEGER NOT NULL,
    heads_made_at INTEGER,
    newest_order_epoch INTEGER,
    newest_order_n INTEGER,
    newest_clock_reset_epoch INTEGER,
    newest_clock_reset_n INTEGER,
    lockdown_since INTEGER,
    next_scan INTEGER NOT NULL,
    CHECK ((newest_order_epoch IS NULL) = (newest_order_n IS NULL)),
    CHECK ((newest_clock_reset_epoch IS NULL) = (newest_clock_reset_n IS NULL))
) STRICT;

CREATE TABLE presences (
    subject_cbor BLOB PRIMARY KEY NOT NULL,
    area INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pass_uses (
    kid BLOB NOT NULL CHECK (length(kid) = 8),
    serial INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    last_proof INTEGER,
    PRIMARY KEY (kid, serial)
) STRICT, WITHOUT ROWID;

-- By holder, where the roster knows one: card and phone are one person.
CREATE TABLE holder_uses (
    holder INTEGER PRIMARY KEY,
    uses INTEGER NOT NULL
) STRICT;

-- Grants that are not settled as taken or not taken.
CREATE TABLE reservations (
    scan INTEGER PRIMARY KEY,
    access_point INTEGER NOT NULL,
    subject_cbor BLOB NOT NULL,
    kid BLOB NOT NULL CHECK (length(kid) = 8),
    serial INTEGER NOT NULL,
    before_subject_cbor BLOB,
    before_area INTEGER,
    before_since INTEGER,
    -- to be given back when the grant is not taken
    uses INTEGER NOT NULL,
    granted_at INTEGER NOT NULL,
    CHECK ((before_subject_cbor IS NULL) = (before_area IS NULL)
        AND (before_area IS NULL) = (before_since IS NULL))
) STRICT;

CREATE TABLE door_modes (
    door INTEGER PRIMARY KEY,
    mode_cbor BLOB NOT NULL
) STRICT;

-- Signed documents, the newest of each name. A roster's bytes are sealed.
CREATE TABLE documents (
    kind INTEGER NOT NULL,
    -- the issuer key of a list; empty for the other kinds
    kid BLOB NOT NULL,
    central_epoch INTEGER NOT NULL,
    n INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (kind, kid)
) STRICT;

-- Digests of issued passes: 448 of eight bytes fill one page. The chain covers the first
-- `pulled` of them; what lies beyond the signed count of the issued list is not yet believed.
CREATE TABLE issued (
    issued_id INTEGER PRIMARY KEY,
    kid BLOB NOT NULL UNIQUE CHECK (length(kid) = 8),
    pulled INTEGER NOT NULL,
    chain BLOB NOT NULL CHECK (length(chain) = 32)
) STRICT;

CREATE TABLE issued_chunks (
    -- issued_id * 2^32 + serial / 448
    chunk_id INTEGER PRIMARY KEY,
    digests BLOB NOT NULL
) STRICT;

-- The roster by pass: found by a keyed digest of the pass id, sealed with everything else. A new
-- roster is written beside the old one in slices, and takes its place when it is whole.
CREATE TABLE roster_passes (
    generation INTEGER NOT NULL,
    pass_index BLOB NOT NULL CHECK (length(pass_index) = 16),
    sealed BLOB NOT NULL,
    PRIMARY KEY (generation, pass_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE roster_state (
    roster_state_id INTEGER PRIMARY KEY CHECK (roster_state_id = 1),
    -- the generation that is asked
    generation INTEGER NOT NULL,
    -- the roster that it was made from
    central_epoch INTEGER NOT NULL,
    n INTEGER NOT NULL
) STRICT;

-- The first value that was never handed out.
CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Wrong PINs in a row, so that a power cut gives no new tries.
CREATE TABLE pin_failures (
    staff INTEGER PRIMARY KEY,
    failures INTEGER NOT NULL
) STRICT;
