-- Why: two centrals that need a month's partition in the same moment both tried to make it. The
-- advisory lock made the second one wait, but it then looked into its own cache, where the table
-- was still missing. CREATE TABLE IF NOT EXISTS looks at what is there.

CREATE OR REPLACE FUNCTION ensure_journal_partition(at timestamptz) RETURNS void
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
    IF EXISTS (SELECT FROM journal_records_default
        WHERE recorded_at >= first AND recorded_at < next) THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %I PARTITION OF journal_records FOR VALUES FROM (%L) TO (%L)',
        partition, first, next);
END
$$;
