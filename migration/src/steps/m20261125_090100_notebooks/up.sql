CREATE SEQUENCE notebook_versions AS bigint;
CREATE TABLE notebooks (
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    name text,
    db_conn_sealed text,
    revision bigint NOT NULL,
    version bigint NOT NULL,
    extra json,
    content_digest bytea,
    commit_ids uuid[] NOT NULL,
    commit_versions bigint[] NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT notebooks_pkey PRIMARY KEY (id),
    CONSTRAINT notebooks_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT notebooks_id_length CHECK (char_length(id) BETWEEN 1 AND 200),
    CONSTRAINT notebooks_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT notebooks_db_conn_sealed_form CHECK (starts_with(db_conn_sealed, 'q1.') AND char_length(db_conn_sealed) <= 11264),
    CONSTRAINT notebooks_revision_range CHECK (revision BETWEEN 0 AND 9007199254740991),
    CONSTRAINT notebooks_version_range CHECK (version > 0)
) WITH (fillfactor = 80);
CREATE INDEX notebooks_listing ON notebooks (user_id, created_at, id);
