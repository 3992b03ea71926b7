-- Any group of edits and results. Cells come as arrays, one element for each; each cell is in one of them at most, since
-- a statement may write a row only once. Whether anything happens is decided by the first part alone: it finds the row
-- as it is when its lock is had, while the other parts see the moment at which the statement began.
WITH bump AS (
    UPDATE notebooks
    SET revision = $3, version = nextval('notebook_versions'), updated_at = $4, content_digest = NULL,
        commit_ids = (ARRAY[$5::uuid] || commit_ids)[1:16], commit_versions = (version || commit_versions)[1:15],
        name = CASE WHEN $6::boolean THEN $7 ELSE name END,
        db_conn_sealed = CASE WHEN $8::boolean THEN $9 ELSE db_conn_sealed END
    WHERE id = $1 AND revision = $2 AND life = $44 AND NOT $5 = ANY (commit_ids)
        -- The cells to change are there: what the writer knows and what is stored are the same.
        AND (SELECT count(*) FROM cells WHERE notebook_id = $1 AND id = ANY ($10::text[] || $11::text[]))
            = cardinality($10) + cardinality($11)
    RETURNING version
), deleted AS (
    DELETE FROM cells USING bump WHERE notebook_id = $1 AND id = ANY ($11)
), updated AS (
    -- NULL leaves a column as it is; where a cell was deleted and made anew, everything is new.
    UPDATE cells
    SET order_key = COALESCE(u.order_key, cells.order_key), type = COALESCE(u.type, cells.type),
        code = COALESCE(u.code, cells.code), reads = COALESCE(u.reads::text[], cells.reads),
        writes = COALESCE(u.writes::text[], cells.writes), revision = u.revision,
        extra = CASE WHEN u.anew THEN u.extra::json ELSE cells.extra END,
        status = CASE WHEN u.ran THEN u.status ELSE cells.status END,
        stdout = CASE WHEN u.ran THEN u.stdout ELSE cells.stdout END,
        error = CASE WHEN u.ran THEN u.error ELSE cells.error END,
        code_digest = CASE WHEN u.ran THEN u.code_digest ELSE cells.code_digest END,
        output_count = CASE WHEN u.ran THEN u.output_count ELSE cells.output_count END
    FROM bump, unnest(
        $10::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::boolean[],
        $19::text[], $20::boolean[], $21::text[], $22::text[], $23::text[], $24::text[], $25::integer[]
    ) AS u (
        id, order_key, type, code, reads, writes, revision, anew, extra, ran, status, stdout, error, code_digest,
        output_count
    )
    WHERE cells.notebook_id = $1 AND cells.id = u.id
), inserted AS (
    INSERT INTO cells (
        notebook_id, id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest,
        output_count
    )
    SELECT
        $1, i.id, i.order_key, i.type, i.code, i.reads::text[], i.writes::text[], i.revision, i.extra::json, i.status,
        i.stdout, i.error, i.code_digest, i.output_count
    FROM bump, unnest(
        $26::text[], $27::text[], $28::text[], $29::text[], $30::text[], $31::text[], $32::bigint[], $33::text[],
        $34::text[], $35::text[], $36::text[], $37::text[], $38::integer[]
    ) AS i (
        id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest, output_count
    )
), trimmed AS (
    -- Rows beyond the count are never shown; those that a run at the same time left are removed by the next one.
    DELETE FROM cell_outputs
    USING bump, unnest($10::text[], $20::boolean[], $25::integer[]) AS u (id, ran, output_count)
    WHERE notebook_id = $1 AND cell_id = u.id AND u.ran AND ordinal >= u.output_count
), put AS (
    INSERT INTO cell_outputs (notebook_id, cell_id, ordinal, mime_type, data, metadata)
    SELECT $1, o.cell_id, o.ordinal, o.mime_type, o.data::json, o.metadata::json
    FROM bump, unnest($39::text[], $40::integer[], $41::text[], $42::text[], $43::text[])
        AS o (cell_id, ordinal, mime_type, data, metadata)
    ON CONFLICT (notebook_id, cell_id, ordinal)
    DO UPDATE SET mime_type = excluded.mime_type, data = excluded.data, metadata = excluded.metadata
)
