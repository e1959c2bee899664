-- Why: a change and its publication are two transactions, so that a change stands even when a
-- signer is down. What is behind must then be found, also after a crash: every change counts a
-- version up, and what was published remembers the version that it holds.

-- The first trust list that names the key; before it, nobody believes what the key signs.
ALTER TABLE signing_keys ADD COLUMN trusted_at timestamptz;

-- One row for each school: counts up with everything that its gates' configurations and rosters
-- are made of.
CREATE TABLE access_versions (
    school_id uuid PRIMARY KEY REFERENCES schools ON DELETE CASCADE,
    configuration_version bigint NOT NULL DEFAULT 1,
    roster_version bigint NOT NULL DEFAULT 1
);
INSERT INTO access_versions (school_id) SELECT school_id FROM schools;

ALTER TABLE gates
    ADD COLUMN published_configuration_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN published_roster_version bigint NOT NULL DEFAULT 0;

GRANT SELECT, INSERT, UPDATE, DELETE ON access_versions TO portcullis_app;
ALTER TABLE access_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY access_versions_scope ON access_versions USING (sees_school(school_id));

CREATE FUNCTION count_configuration_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_versions SET configuration_version = configuration_version + 1
        WHERE school_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.school_id ELSE NEW.school_id END;
    RETURN NULL;
END
$$;

-- Which access points a level admits at also decides who stands in a roster.
CREATE FUNCTION count_both_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_versions SET configuration_version = configuration_version + 1,
            roster_version = roster_version + 1
        WHERE school_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.school_id ELSE NEW.school_id END;
    RETURN NULL;
END
$$;

CREATE FUNCTION count_roster_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE access_versions SET roster_version = roster_version + 1
        WHERE school_id = NEW.school_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION begin_access_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO access_versions (school_id) VALUES (NEW.school_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER schools_begin AFTER INSERT ON schools
    FOR EACH ROW EXECUTE FUNCTION begin_access_versions();
CREATE TRIGGER schools_configuration AFTER UPDATE OF name, time_zone ON schools
    FOR EACH ROW EXECUTE FUNCTION count_configuration_version();
CREATE TRIGGER students_roster
    AFTER UPDATE OF holder_number, student_number, name, language, deleted_at ON students
    FOR EACH ROW EXECUTE FUNCTION count_roster_version();
-- Not the columns that change with each request of the gate.
CREATE TRIGGER gates_configuration
    AFTER INSERT OR UPDATE OF name, state, public_key, policies, sync ON gates
    FOR EACH ROW EXECUTE FUNCTION count_configuration_version();

DO $$
DECLARE
    part text;
BEGIN
    FOREACH part IN ARRAY ARRAY['areas', 'doors', 'schedules', 'schedule_periods', 'special_days',
        'special_day_periods', 'gate_staff']
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION count_configuration_version()',
            part || '_configuration', part);
    END LOOP;
    FOREACH part IN ARRAY ARRAY['access_points', 'access_levels', 'access_level_grants']
    LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION count_both_versions()',
            part || '_configuration', part);
    END LOOP;
END
$$;

-- How many passes of an issuer key are listed, so that what is behind is found without opening
-- the list.
ALTER TABLE signing_keys
    ADD COLUMN published_serial integer NOT NULL DEFAULT -1,
    ADD COLUMN published_frozen boolean NOT NULL DEFAULT false;
