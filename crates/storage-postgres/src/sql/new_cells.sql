-- Inserts the cells and outputs of a new notebook. There are none to replace, so it is a sixth faster than cells.sql.
, put_cells AS (
    INSERT INTO cells (
        notebook_id, id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest,
        run_digest, run_started_at, run_finished_at, output_count
    )
    SELECT
        :id, c.id, c.order_key, c.type, c.code, c.reads::text[], c.writes::text[], c.revision,
        NULLIF(c.extra, :absent)::json, c.status, c.stdout, NULLIF(c.error, :absent), NULLIF(c.code_digest, :absent),
        NULLIF(c.run_digest, :absent), NULLIF(c.run_started_at, :absent_time), NULLIF(c.run_finished_at, :absent_time),
        c.output_count
    FROM stored, unnest(
        :cell_ids::text[], :cell_order_keys::text[], :cell_types::text[], :cell_codes::text[],
        :cell_reads::text[], :cell_writes::text[], :cell_revisions::bigint[], :cell_extras::text[],
        :cell_statuses::text[], :cell_stdouts::text[], :cell_errors::text[], :cell_code_digests::text[],
        :cell_run_digests::text[], :cell_run_starts::timestamptz[], :cell_run_ends::timestamptz[],
        :cell_output_counts::integer[]
    ) AS c (
        id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest, run_digest,
        run_started_at, run_finished_at, output_count
    )
), put_outputs AS (
    INSERT INTO cell_outputs (notebook_id, cell_id, ordinal, mime_type, data, metadata)
    SELECT :id, o.cell_id, o.ordinal, o.mime_type, o.data::json, o.metadata::json
    FROM stored, unnest(:output_cell_ids::text[], :output_ordinals::integer[], :output_mime_types::text[],
        :output_data::text[], :output_metadata::text[])
        AS o (cell_id, ordinal, mime_type, data, metadata)
)
