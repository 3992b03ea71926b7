-- Another notebook in the place of the one at revision $30 of the life $31. Goes on in cells.sql.
WITH owner AS (
    INSERT INTO users (id) VALUES ($2) ON CONFLICT (id) DO NOTHING
), stored AS (
    UPDATE notebooks
    SET user_id = $2, name = $3, db_conn_sealed = $4, revision = $5, version = nextval('notebook_versions'),
        extra = $6::json, content_digest = $7,
        commit_ids = (ARRAY[$8::uuid] || commit_ids)[1:16], commit_versions = (version || commit_versions)[1:15],
        created_at = $9, updated_at = $10, life = $29
    WHERE id = $1 AND revision = $30 AND life = $31 AND NOT $8 = ANY (commit_ids)
    RETURNING version
)
