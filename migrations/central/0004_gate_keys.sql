-- Why: a gate's earlier keys stay known, so that a replaced box is told that it was replaced,
-- the journals that it signed can still be checked, and no key ever belongs to two gates. And
-- what a gate's requests leave behind beside its journal.

CREATE TABLE gate_keys (
    kid bytea PRIMARY KEY CHECK (octet_length(kid) = 8),
    gate_id uuid NOT NULL REFERENCES gates,
    school_id uuid NOT NULL REFERENCES schools,
    public_key bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
    -- the journal that the gate began with this key
    journal_epoch integer NOT NULL CHECK (journal_epoch >= 1),
    enrolled_at timestamptz NOT NULL,
    -- when the gate got another key
    replaced_at timestamptz
);
CREATE UNIQUE INDEX gate_keys_one_in_force ON gate_keys (gate_id) WHERE replaced_at IS NULL;

-- A gate whose journal was full dropped records that had not arrived, behind a signed anchor.
CREATE TABLE journal_gaps (
    gate_id uuid NOT NULL REFERENCES gates,
    school_id uuid NOT NULL REFERENCES schools,
    journal_epoch integer NOT NULL,
    first_lost_seq bigint NOT NULL CHECK (first_lost_seq >= 1),
    last_lost_seq bigint NOT NULL CHECK (last_lost_seq >= first_lost_seq),
    anchor bytea NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (gate_id, journal_epoch, first_lost_seq)
);

ALTER TABLE gates
    -- SHA-256 of the signed root set that the claim in force pins
    ADD COLUMN claim_root_set bytea CHECK (octet_length(claim_root_set) = 32),
    -- SHA-256 of what the heads of number heads_n name, without their number and dates
    ADD COLUMN heads_content bytea CHECK (octet_length(heads_content) = 32),
    -- the newest signed head of the journal, and where it stands
    ADD COLUMN journal_head bytea,
    ADD COLUMN journal_head_seq bigint NOT NULL DEFAULT 0;

GRANT SELECT, INSERT, UPDATE, DELETE ON gate_keys, journal_gaps TO portcullis_app;

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['gate_keys', 'journal_gaps']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY %I ON %I USING (sees_school(school_id))',
            owned || '_scope', owned);
    END LOOP;
END
$$;
