-- The most frequent edit: one cell's code, type or place. NULL leaves a column as it is.
WITH bump AS (
    UPDATE notebooks
    SET revision = $3, version = nextval('notebook_versions'), updated_at = $4, content_digest = NULL,
        commit_ids = (ARRAY[$5::uuid] || commit_ids)[1:16], commit_versions = (version || commit_versions)[1:15]
    WHERE id = $1 AND revision = $2 AND life = $13 AND NOT $5 = ANY (commit_ids)
        AND EXISTS (SELECT FROM cells WHERE notebook_id = $1 AND id = $6)
    RETURNING version
), cell AS (
    UPDATE cells
    SET order_key = COALESCE($7, order_key), type = COALESCE($8, type), code = COALESCE($9, code),
        reads = COALESCE($10, reads), writes = COALESCE($11, writes), revision = $12
    FROM bump
    WHERE notebook_id = $1 AND id = $6
)
