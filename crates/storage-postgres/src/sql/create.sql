-- Creates a notebook and, with the owner's first one, the owner; does nothing if the id exists. new_cells.sql follows.
WITH owner AS (
    INSERT INTO users (id) VALUES (:owner) ON CONFLICT (id) DO NOTHING
), stored AS (
    INSERT INTO notebooks (
        id, user_id, name, db_conn_sealed, revision, version, extra, content_digest, commit_ids, commit_versions,
        created_at, updated_at, life, reactive
    )
    VALUES (
        :id, :owner, :name, :connection, :revision, nextval('notebook_versions'), :extra::json, :digest,
        ARRAY[:commit::uuid], '{}', :created_at, :updated_at, :life, :reactive
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING version, NULL::bigint AS previous
)
