-- One statement, so that the notebook and its cells are of one moment: the first row is the notebook's, the others are
-- its cells', with the outputs of each as arrays.
SELECT
    n.id, n.user_id, n.name, n.db_conn_sealed, n.revision, n.version, n.extra::text AS extra, n.created_at, n.updated_at,
    NULL::text AS cell_id, NULL::text AS order_key, NULL::text AS type, NULL::text AS code, NULL::text[] AS reads,
    NULL::text[] AS writes, NULL::text AS status, NULL::text AS stdout, NULL::text AS error, NULL::text AS code_digest,
    NULL::integer AS output_count, NULL::text[] AS mime_types, NULL::text[] AS data, NULL::text[] AS metadata
FROM notebooks n
WHERE n.id = $1
UNION ALL
SELECT
    NULL, NULL, NULL, NULL, c.revision, NULL, c.extra::text, NULL, NULL,
    c.id, c.order_key, c.type, c.code, c.reads,
    c.writes, c.status, c.stdout, c.error, c.code_digest,
    c.output_count, o.mime_types, o.data, o.metadata
FROM cells c
LEFT JOIN LATERAL (
    SELECT
        array_agg(sorted.mime_type) AS mime_types,
        array_agg(sorted.data::text) AS data,
        array_agg(sorted.metadata::text) AS metadata
    FROM (
        SELECT mime_type, data, metadata
        FROM cell_outputs
        WHERE c.output_count > 0 AND notebook_id = c.notebook_id AND cell_id = c.id AND ordinal < c.output_count
        ORDER BY ordinal
    ) sorted
) o ON true
WHERE c.notebook_id = $1
