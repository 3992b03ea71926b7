-- Stores any group of edits and results. Cells are arrays with an element for each cell. Each cell is in at most one
-- group of arrays, because a statement may write a row only once. The first part alone decides whether the statement
-- changes anything: it reads the row after it has locked it, while the other parts see the state when the statement
-- began.
WITH bump AS (
    UPDATE notebooks
    SET revision = :revision, version = nextval('notebook_versions'), updated_at = :updated_at, content_digest = NULL,
        commit_ids = (ARRAY[:commit::uuid] || commit_ids)[1:16], commit_versions = (version || commit_versions)[1:15],
        name = CASE WHEN :renames::boolean THEN :name ELSE name END,
        db_conn_sealed = CASE WHEN :connects::boolean THEN :connection ELSE db_conn_sealed END,
        reactive = COALESCE(:reactive::boolean, reactive)
    WHERE id = :id AND revision = :base_revision AND life = :base_life AND NOT :commit = ANY (commit_ids)
        -- The cells to change exist, so the writer task's state is the stored one.
        AND (
            SELECT count(*) FROM cells WHERE notebook_id = :id AND id = ANY (:updated_ids::text[] || :deleted_ids::text[])
        ) = cardinality(:updated_ids) + cardinality(:deleted_ids)
    RETURNING version, commit_versions[1] AS previous
), deleted AS (
    DELETE FROM cells USING bump WHERE notebook_id = :id AND id = ANY (:deleted_ids)
), updated AS (
    -- An absent value leaves its column unchanged; a cell that was deleted and created again has all values.
    UPDATE cells
    SET order_key = COALESCE(NULLIF(u.order_key, :absent), cells.order_key),
        type = COALESCE(NULLIF(u.type, :absent), cells.type), code = COALESCE(NULLIF(u.code, :absent), cells.code),
        reads = COALESCE(NULLIF(u.reads, :absent)::text[], cells.reads),
        writes = COALESCE(NULLIF(u.writes, :absent)::text[], cells.writes), revision = u.revision,
        extra = CASE WHEN u.is_recreated THEN NULLIF(u.extra, :absent)::json ELSE cells.extra END,
        status = CASE WHEN u.has_results THEN u.status ELSE cells.status END,
        stdout = CASE WHEN u.has_results THEN u.stdout ELSE cells.stdout END,
        error = CASE WHEN u.has_results THEN NULLIF(u.error, :absent) ELSE cells.error END,
        code_digest = CASE WHEN u.has_results THEN NULLIF(u.code_digest, :absent) ELSE cells.code_digest END,
        run_digest = CASE WHEN u.has_results THEN NULLIF(u.run_digest, :absent) ELSE cells.run_digest END,
        run_started_at = CASE WHEN u.has_results THEN NULLIF(u.run_started_at, :absent_time) ELSE cells.run_started_at END,
        run_finished_at = CASE WHEN u.has_results THEN NULLIF(u.run_finished_at, :absent_time) ELSE cells.run_finished_at END,
        output_count = CASE WHEN u.has_results THEN u.output_count ELSE cells.output_count END
    FROM bump, unnest(
        :updated_ids::text[], :updated_order_keys::text[], :updated_types::text[], :updated_codes::text[],
        :updated_reads::text[], :updated_writes::text[], :updated_revisions::bigint[],
        :updated_are_recreated::boolean[],
        :updated_extras::text[], :updated_have_results::boolean[], :updated_statuses::text[],
        :updated_stdouts::text[], :updated_errors::text[], :updated_code_digests::text[],
        :updated_run_digests::text[], :updated_run_starts::timestamptz[], :updated_run_ends::timestamptz[],
        :updated_output_counts::integer[]
    ) AS u (
        id, order_key, type, code, reads, writes, revision, is_recreated, extra, has_results, status, stdout, error,
        code_digest, run_digest, run_started_at, run_finished_at, output_count
    )
    WHERE cells.notebook_id = :id AND cells.id = u.id
), inserted AS (
    INSERT INTO cells (
        notebook_id, id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest,
        run_digest, run_started_at, run_finished_at, output_count
    )
    SELECT
        :id, i.id, i.order_key, i.type, i.code, i.reads::text[], i.writes::text[], i.revision,
        NULLIF(i.extra, :absent)::json, i.status, i.stdout, NULLIF(i.error, :absent), NULLIF(i.code_digest, :absent),
        NULLIF(i.run_digest, :absent), NULLIF(i.run_started_at, :absent_time), NULLIF(i.run_finished_at, :absent_time),
        i.output_count
    FROM bump, unnest(
        :cell_ids::text[], :cell_order_keys::text[], :cell_types::text[], :cell_codes::text[],
        :cell_reads::text[], :cell_writes::text[], :cell_revisions::bigint[], :cell_extras::text[],
        :cell_statuses::text[], :cell_stdouts::text[], :cell_errors::text[], :cell_code_digests::text[],
        :cell_run_digests::text[], :cell_run_starts::timestamptz[], :cell_run_ends::timestamptz[],
        :cell_output_counts::integer[]
    ) AS i (
        id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest, run_digest,
        run_started_at, run_finished_at, output_count
    )
), trimmed AS (
    -- Rows beyond the count are never returned; the next run deletes those that a concurrent run left.
    DELETE FROM cell_outputs
    USING bump, unnest(:updated_ids::text[], :updated_have_results::boolean[], :updated_output_counts::integer[])
        AS u (id, has_results, output_count)
    WHERE notebook_id = :id AND cell_id = u.id AND u.has_results AND ordinal >= u.output_count
), put AS (
    INSERT INTO cell_outputs (notebook_id, cell_id, ordinal, mime_type, data, metadata)
    SELECT :id, o.cell_id, o.ordinal, o.mime_type, o.data::json, o.metadata::json
    FROM bump, unnest(:output_cell_ids::text[], :output_ordinals::integer[], :output_mime_types::text[],
        :output_data::text[], :output_metadata::text[])
        AS o (cell_id, ordinal, mime_type, data, metadata)
    ON CONFLICT (notebook_id, cell_id, ordinal)
    DO UPDATE SET mime_type = excluded.mime_type, data = excluded.data, metadata = excluded.metadata
)
