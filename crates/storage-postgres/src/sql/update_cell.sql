-- Stores the most frequent edit: one cell's code, type or place. NULL leaves a column unchanged.
WITH bump AS (
    UPDATE notebooks
    SET revision = :revision, version = nextval('notebook_versions'), updated_at = :updated_at, content_digest = NULL,
        commit_ids = (ARRAY[:commit::uuid] || commit_ids)[1:16], commit_versions = (version || commit_versions)[1:15]
    WHERE id = :id AND revision = :base_revision AND life = :base_life AND NOT :commit = ANY (commit_ids)
        AND EXISTS (SELECT FROM cells WHERE notebook_id = :id AND id = :cell)
    RETURNING version, commit_versions[1] AS previous
), cell AS (
    UPDATE cells
    SET order_key = COALESCE(:order_key, order_key), type = COALESCE(:type, type), code = COALESCE(:code, code),
        reads = COALESCE(:reads, reads), writes = COALESCE(:writes, writes), revision = :cell_revision
    FROM bump
    WHERE notebook_id = :id AND id = :cell
)
