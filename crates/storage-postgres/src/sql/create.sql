-- A new notebook and, if this is the first, its owner; nothing where there is one with this id. Goes on in new_cells.sql.
WITH owner AS (
    INSERT INTO users (id) VALUES ($2) ON CONFLICT (id) DO NOTHING
), stored AS (
    INSERT INTO notebooks (
        id, user_id, name, db_conn_sealed, revision, version, extra, content_digest, commit_ids, commit_versions,
        created_at, updated_at, life
    )
    VALUES ($1, $2, $3, $4, $5, nextval('notebook_versions'), $6::json, $7, ARRAY[$8::uuid], '{}', $9, $10, $29)
    ON CONFLICT (id) DO NOTHING
    RETURNING version
)
