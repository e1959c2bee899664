-- Why: of the two doors of a lock chamber one must be shut before the other opens, some doors stand
-- unlocked for everybody at certain hours, and some holders need a door to stay released for longer.

ALTER TABLE doors
    -- each of two doors names the other
    ADD COLUMN interlock_door_id integer REFERENCES doors ON DELETE SET NULL
        CHECK (interlock_door_id <> door_id),
    ADD CONSTRAINT doors_interlock_door_id_key UNIQUE (interlock_door_id)
        DEFERRABLE INITIALLY IMMEDIATE,
    ADD COLUMN hours_schedule_id integer REFERENCES schedules,
    ADD COLUMN hours_begin text CHECK (hours_begin IN ('with_schedule', 'with_first_person')),
    ADD CHECK ((hours_schedule_id IS NULL) = (hours_begin IS NULL));
CREATE INDEX doors_hours_schedule ON doors (hours_schedule_id) WHERE hours_schedule_id IS NOT NULL;

ALTER TABLE students
    ADD COLUMN release_time text NOT NULL DEFAULT 'usual'
        CHECK (release_time IN ('usual', 'extended'));
CREATE TRIGGER students_release_time AFTER UPDATE OF release_time ON students
    FOR EACH ROW EXECUTE FUNCTION count_roster_version();
