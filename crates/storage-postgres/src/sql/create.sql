-- A new notebook and, if this is the first, its owner; nothing where there is one with this id. Goes on in new_cells.sql.
WITH owner AS (
    INSERT INTO users (id) VALUES (:owner) ON CONFLICT (id) DO NOTHING
), stored AS (
    INSERT INTO notebooks (
        id, user_id, name, db_conn_sealed, revision, version, extra, content_digest, commit_ids, commit_versions,
        created_at, updated_at, life
    )
    VALUES (
        :id, :owner, :name, :connection, :revision, nextval('notebook_versions'), :extra::json, :digest,
        ARRAY[:commit::uuid], '{}', :created_at, :updated_at, :life
    )
    ON CONFLICT (id) DO NOTHING
    RETURNING version
)
