-- Why: where a pass admits, and the gates that decide it. Numbers of areas, doors, access points
-- and schedules are unique within a central because gates carry them as plain integers.

CREATE TABLE areas (
    area_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    capacity integer CHECK (capacity > 0),
    UNIQUE (school_id, name)
);

CREATE TABLE schedules (
    schedule_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    UNIQUE (school_id, name)
);

CREATE TABLE schedule_periods (
    schedule_id integer NOT NULL REFERENCES schedules ON DELETE CASCADE,
    school_id uuid NOT NULL REFERENCES schools,
    weekday smallint NOT NULL CHECK (weekday BETWEEN 0 AND 6), -- 0 is Monday
    from_min smallint NOT NULL CHECK (from_min BETWEEN 0 AND 1439),
    until_min smallint NOT NULL CHECK (until_min BETWEEN 1 AND 1440 AND until_min > from_min),
    PRIMARY KEY (schedule_id, weekday, from_min)
);

-- A date with no periods is closed all day.
CREATE TABLE special_days (
    schedule_id integer NOT NULL REFERENCES schedules ON DELETE CASCADE,
    school_id uuid NOT NULL REFERENCES schools,
    day date NOT NULL,
    PRIMARY KEY (schedule_id, day)
);

CREATE TABLE special_day_periods (
    schedule_id integer NOT NULL,
    school_id uuid NOT NULL REFERENCES schools,
    day date NOT NULL,
    from_min smallint NOT NULL CHECK (from_min BETWEEN 0 AND 1439),
    until_min smallint NOT NULL CHECK (until_min BETWEEN 1 AND 1440 AND until_min > from_min),
    PRIMARY KEY (schedule_id, day, from_min),
    FOREIGN KEY (schedule_id, day) REFERENCES special_days ON DELETE CASCADE
);

CREATE TABLE gates (
    gate_id uuid PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    state text NOT NULL CHECK (state IN ('created', 'enrolled', 'retired')),
    created_at timestamptz NOT NULL,
    -- claim in force: its secret is derived from a key outside the database
    claim_nonce bytea CHECK (octet_length(claim_nonce) = 16),
    claim_expires_at timestamptz,
    enrolled_at timestamptz,
    public_key bytea CHECK (octet_length(public_key) = 32),
    kid bytea UNIQUE CHECK (octet_length(kid) = 8),
    fingerprint text,
    agent_version text,
    -- counters of signed requests: none below the floor, a 64-wide window above it
    counter_floor bigint NOT NULL DEFAULT 0,
    counter_window bigint NOT NULL DEFAULT 0,
    -- policies and limits of the configuration that differ from the standard
    policies jsonb NOT NULL DEFAULT '{}',
    sync jsonb NOT NULL DEFAULT '{}',
    heads_n bigint NOT NULL DEFAULT 0,
    -- the journal's high-water mark; the row is locked while records are taken
    journal_epoch integer NOT NULL DEFAULT 0,
    journal_seq bigint NOT NULL DEFAULT 0,
    journal_hash bytea CHECK (octet_length(journal_hash) = 32),
    quarantined_at timestamptz,
    quarantine_reason text,
    last_seen_at timestamptz,
    health jsonb
);
CREATE INDEX gates_school ON gates (school_id);

CREATE TABLE doors (
    door_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    gate_id uuid NOT NULL REFERENCES gates,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind text NOT NULL CHECK (kind IN ('door', 'turnstile', 'speed_gate')),
    lock_type text NOT NULL CHECK (lock_type IN ('fail_secure', 'fail_safe')),
    has_contact boolean NOT NULL,
    passage text NOT NULL CHECK (passage IN ('none', 'door_contact', 'rotation')),
    release_time_ms integer NOT NULL CHECK (release_time_ms BETWEEN 100 AND 600000),
    extended_release_time_ms integer NOT NULL
        CHECK (extended_release_time_ms BETWEEN 100 AND 600000),
    open_time_ms integer NOT NULL CHECK (open_time_ms BETWEEN 100 AND 3600000),
    pre_alarm_ms integer NOT NULL CHECK (pre_alarm_ms BETWEEN 0 AND 3600000)
);
CREATE INDEX doors_gate ON doors (gate_id);

CREATE TABLE access_points (
    access_point_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    door_id integer NOT NULL REFERENCES doors,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- NULL is outside
    from_area_id integer REFERENCES areas,
    to_area_id integer REFERENCES areas,
    -- policies of `shared::configuration::AccessPoint`, in the form of the web API
    policies jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX access_points_door ON access_points (door_id);

CREATE TABLE access_levels (
    school_id uuid NOT NULL REFERENCES schools,
    level smallint NOT NULL CHECK (level BETWEEN 0 AND 255),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    PRIMARY KEY (school_id, level),
    UNIQUE (school_id, name)
);

CREATE TABLE access_level_grants (
    school_id uuid NOT NULL,
    level smallint NOT NULL,
    access_point_id integer NOT NULL REFERENCES access_points ON DELETE CASCADE,
    schedule_id integer NOT NULL REFERENCES schedules,
    PRIMARY KEY (school_id, level, access_point_id, schedule_id),
    FOREIGN KEY (school_id, level) REFERENCES access_levels ON DELETE CASCADE
);

CREATE TABLE gate_staff (
    staff_number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (role IN ('guard', 'supervisor', 'technician')),
    pin_verifier text NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);

GRANT SELECT, INSERT, UPDATE, DELETE ON
    areas, schedules, schedule_periods, special_days, special_day_periods, gates, doors,
    access_points, access_levels, access_level_grants, gate_staff
    TO portcullis_app;

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['areas', 'schedules', 'schedule_periods', 'special_days',
        'special_day_periods', 'gates', 'doors', 'access_points', 'access_levels',
        'access_level_grants', 'gate_staff']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY %I ON %I USING (sees_school(school_id))',
            owned || '_scope', owned);
    END LOOP;
END
$$;
