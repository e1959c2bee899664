-- Why: the gates' journals as they arrived, each record exactly once. Partitioned by the month
-- of the gate's clock, with a default partition for clocks that are far off. What a report
-- needs stands in columns beside the signed bytes.

CREATE TABLE journal_records (
    gate_id uuid NOT NULL,
    school_id uuid NOT NULL,
    journal_epoch integer NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    public_part bytea NOT NULL,
    commitment bytea NOT NULL,
    salt bytea,
    personal_part bytea,
    -- the chain's hash after this record
    hash bytea NOT NULL,
    -- index of `shared::journal::Event`
    event_kind smallint NOT NULL,
    access_point_id integer,
    scan bigint,
    -- NULL: no decision; -1: granted; else the number of the deny reason
    decision smallint,
    kid bytea,
    serial integer,
    holder_number integer,
    PRIMARY KEY (gate_id, journal_epoch, seq, recorded_at)
) PARTITION BY RANGE (recorded_at);

CREATE TABLE journal_records_default PARTITION OF journal_records DEFAULT;
CREATE INDEX journal_records_school ON journal_records (school_id, recorded_at);
CREATE INDEX journal_records_pass ON journal_records (kid, serial, recorded_at)
    WHERE kid IS NOT NULL;

-- Makes the partition of a month when it is missing and none of its rows lie in the default one.
CREATE FUNCTION ensure_journal_partition(at timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    next timestamptz := (date_trunc('month', at AT TIME ZONE 'UTC') + interval '1 month')
        AT TIME ZONE 'UTC';
    partition text := 'journal_records_' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF at < now() - interval '13 months' OR at > now() + interval '3 months' THEN
        RETURN; -- a clock that is far off gets no partition of its own
    END IF;
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext(partition));
    IF to_regclass(partition) IS NOT NULL THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM journal_records_default
        WHERE recorded_at >= first AND recorded_at < next) THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I PARTITION OF journal_records FOR VALUES FROM (%L) TO (%L)',
        partition, first, next);
END
$$;

-- Same number, another hash: kept for the inquiry, never written over what was there.
CREATE TABLE journal_forks (
    journal_fork_id uuid PRIMARY KEY,
    gate_id uuid NOT NULL REFERENCES gates,
    school_id uuid NOT NULL REFERENCES schools,
    journal_epoch integer NOT NULL,
    seq bigint NOT NULL,
    held_hash bytea NOT NULL,
    offered_hash bytea NOT NULL,
    offered_batch bytea NOT NULL,
    seen_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON journal_records, journal_forks TO portcullis_app;
REVOKE ALL ON FUNCTION ensure_journal_partition(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_journal_partition(timestamptz) TO portcullis_app;

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['journal_records', 'journal_forks']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY %I ON %I USING (sees_school(school_id))',
            owned || '_scope', owned);
    END LOOP;
END
$$;
