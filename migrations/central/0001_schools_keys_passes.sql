-- Why: the first schema. Everything a school owns carries its school_id and stands behind
-- row-level security: a query that forgets its scope sees nothing instead of everything.
-- Central's own rows (statement keys, signed documents of all schools) are seen with
-- portcullis.all_schools = 'on', which only code that serves no single school sets.

DO $$
BEGIN
    CREATE ROLE portcullis_app NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL; -- the role belongs to the whole cluster; another database made it
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT portcullis_app TO %I', current_user);
EXCEPTION WHEN unique_violation THEN
    NULL; -- another database of this cluster grants it at this very moment
END
$$;

-- One row. The epoch counts up when central starts over after a restore.
CREATE TABLE central_state (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    epoch integer NOT NULL CHECK (epoch >= 1),
    started_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO central_state (epoch) VALUES (1);

CREATE TABLE admin_tokens (
    admin_token_id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    token_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz
);

-- The answer to a write that carried an Idempotency-Key, so that a repeated request is
-- answered and not done again.
CREATE TABLE idempotency_keys (
    admin_token_id uuid NOT NULL REFERENCES admin_tokens,
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    request_sha256 bytea NOT NULL CHECK (octet_length(request_sha256) = 32),
    status smallint NOT NULL,
    content_type text NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (admin_token_id, idempotency_key)
);

CREATE TABLE schools (
    school_id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    time_zone text NOT NULL,
    created_at timestamptz NOT NULL,
    -- holder numbers of its students, dense
    next_holder_number integer NOT NULL DEFAULT 1
);

CREATE TABLE students (
    student_id uuid PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    holder_number integer NOT NULL CHECK (holder_number >= 1),
    student_number text NOT NULL CHECK (length(student_number) BETWEEN 1 AND 64),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    language text NOT NULL DEFAULT 'en' CHECK (length(language) BETWEEN 1 AND 35),
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    UNIQUE (school_id, holder_number)
);
CREATE UNIQUE INDEX students_number ON students (school_id, student_number)
    WHERE deleted_at IS NULL;
CREATE INDEX students_page ON students (school_id, student_id);

-- Issuer, standby and statement keys. Private halves are sealed (XChaCha20-Poly1305) under a
-- key-encryption key that never enters the database. Root and registrar keys are not here at all.
CREATE TABLE signing_keys (
    kid bytea PRIMARY KEY CHECK (octet_length(kid) = 8),
    purpose text NOT NULL CHECK (purpose IN ('issuer', 'standby', 'statement')),
    school_id uuid REFERENCES schools,
    public_key bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
    sealed_private bytea NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'closed', 'frozen', 'revoked')),
    signing_from timestamptz,
    signing_until timestamptz,
    verification_from timestamptz,
    verification_until timestamptz,
    standby_kid bytea CHECK (octet_length(standby_kid) = 8),
    -- serials below this were issued; the row is locked while passes are numbered
    next_serial integer NOT NULL DEFAULT 0 CHECK (next_serial BETWEEN 0 AND 16777216),
    -- h_count over the digests of all issued passes
    issued_chain bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
        CHECK (octet_length(issued_chain) = 32),
    -- counts up with every change of a pass's state; the published list names the last one it has
    status_version bigint NOT NULL DEFAULT 0,
    published_status_version bigint NOT NULL DEFAULT -1,
    created_at timestamptz NOT NULL,
    CHECK ((purpose = 'statement') = (school_id IS NULL)),
    CHECK (purpose <> 'issuer' OR (signing_from < signing_until
        AND verification_from < verification_until))
);
CREATE UNIQUE INDEX signing_keys_one_open_issuer ON signing_keys (school_id)
    WHERE purpose = 'issuer' AND state = 'open';

CREATE TABLE passes (
    kid bytea NOT NULL REFERENCES signing_keys,
    serial integer NOT NULL CHECK (serial BETWEEN 0 AND 16777215),
    school_id uuid NOT NULL REFERENCES schools,
    student_id uuid REFERENCES students,
    holder_kind smallint NOT NULL CHECK (holder_kind BETWEEN 0 AND 2),
    not_before timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    uses_max bigint NOT NULL CHECK (uses_max BETWEEN 0 AND 4294967295),
    levels smallint[] NOT NULL,
    holder_key bytea CHECK (octet_length(holder_key) = 32),
    -- the signed pass, and the first eight bytes of its SHA-256
    pass_bytes bytea NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 8),
    state text NOT NULL DEFAULT 'valid' CHECK (state IN ('valid', 'suspended', 'revoked')),
    state_changed_at timestamptz,
    state_reason text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (kid, serial)
);
CREATE INDEX passes_student ON passes (student_id);
CREATE INDEX passes_school ON passes (school_id, kid, serial);
CREATE INDEX passes_not_valid ON passes (kid, serial) WHERE state <> 'valid';

-- Every signed document that gates may ask for; the newest number per kind and subject is in
-- force. kind is the external data of the signature; subject is empty for root set and trust
-- list, the kid for status and issued lists, the gate for configuration, roster and orders.
CREATE TABLE signed_documents (
    kind text NOT NULL,
    subject bytea NOT NULL,
    epoch integer NOT NULL,
    n bigint NOT NULL CHECK (n >= 1),
    school_id uuid REFERENCES schools,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    document bytea NOT NULL,
    PRIMARY KEY (kind, subject, epoch, n)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON
    central_state, admin_tokens, idempotency_keys, schools, students, signing_keys, passes,
    signed_documents
    TO portcullis_app;
GRANT SELECT ON schema_migrations TO portcullis_app;

CREATE FUNCTION sees_school(row_school uuid) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('portcullis.all_schools', true) = 'on'
        OR row_school = NULLIF(current_setting('portcullis.school_id', true), '')::uuid
$$;

DO $$
DECLARE
    owned text;
BEGIN
    FOREACH owned IN ARRAY ARRAY['schools', 'students', 'signing_keys', 'passes',
        'signed_documents']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', owned);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', owned);
        EXECUTE format('CREATE POLICY %I ON %I USING (sees_school(school_id))',
            owned || '_scope', owned);
    END LOOP;
END
$$;
