-- Replaces all cells and outputs of the notebook that replace.sql stored.
, gone AS (
    DELETE FROM cells USING stored
    WHERE notebook_id = :id AND NOT EXISTS (SELECT FROM unnest(:cell_ids::text[]) AS kept (id) WHERE kept.id = cells.id)
), put_cells AS (
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
    ON CONFLICT (notebook_id, id) DO UPDATE
    SET order_key = excluded.order_key, type = excluded.type, code = excluded.code, reads = excluded.reads,
        writes = excluded.writes, revision = excluded.revision, extra = excluded.extra, status = excluded.status,
        stdout = excluded.stdout, error = excluded.error, code_digest = excluded.code_digest,
        run_digest = excluded.run_digest, run_started_at = excluded.run_started_at, run_finished_at = excluded.run_finished_at,
        output_count = excluded.output_count
), trimmed AS (
    DELETE FROM cell_outputs
    USING stored, unnest(:cell_ids::text[], :cell_output_counts::integer[]) AS c (id, output_count)
    WHERE notebook_id = :id AND cell_id = c.id AND ordinal >= c.output_count
), put_outputs AS (
    INSERT INTO cell_outputs (notebook_id, cell_id, ordinal, mime_type, data, metadata)
    SELECT :id, o.cell_id, o.ordinal, o.mime_type, o.data::json, o.metadata::json
    FROM stored, unnest(:output_cell_ids::text[], :output_ordinals::integer[], :output_mime_types::text[],
        :output_data::text[], :output_metadata::text[])
        AS o (cell_id, ordinal, mime_type, data, metadata)
    ON CONFLICT (notebook_id, cell_id, ordinal)
    DO UPDATE SET mime_type = excluded.mime_type, data = excluded.data, metadata = excluded.metadata
)
SELECT version, previous FROM stored
