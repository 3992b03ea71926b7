-- Replaces the notebook that is at the base. cells.sql follows.
WITH owner AS (
    INSERT INTO users (id) VALUES (:owner) ON CONFLICT (id) DO NOTHING
), stored AS (
    UPDATE notebooks
    SET user_id = :owner, name = :name, db_conn_sealed = :connection, revision = :revision,
        version = nextval('notebook_versions'),
        extra = :extra::json, content_digest = :digest,
        commit_ids = (ARRAY[:commit::uuid] || commit_ids)[1:16], commit_versions = (version || commit_versions)[1:15],
        created_at = :created_at, updated_at = :updated_at, life = :life, reactive = :reactive
    WHERE id = :id AND revision = :base_revision AND life = :base_life AND NOT :commit = ANY (commit_ids)
    RETURNING version, commit_versions[1] AS previous
)
