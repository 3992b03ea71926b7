SELECT
    1 AS kind, id, user_id AS text_2, name AS text_3, db_conn_sealed AS text_4, extra::text AS text_5,
        life::text AS text_6,
    NULL::text AS text_7, NULL::text AS text_8, NULL::text AS text_9, NULL::text AS text_10,
    NULL::text[] AS reads, NULL::text[] AS writes,
    revision AS number_1, version AS number_2, created_at AS time_1, updated_at AS time_2, reactive
FROM notebooks
WHERE id = $1
UNION ALL
SELECT
    2, id, order_key, type, code, extra::text, status,
    stdout, error, code_digest, run_digest, reads, writes,
    revision, output_count, run_started_at, run_finished_at, NULL
FROM cells
WHERE notebook_id = $1
UNION ALL
SELECT
    3, cell_id, mime_type, data::text, metadata::text, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL,
    ordinal, NULL, NULL, NULL, NULL
FROM cell_outputs
WHERE notebook_id = $1
