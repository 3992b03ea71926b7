-- All cells and outputs of the notebook that was stored, in the place of those that there may have been.
, gone AS (
    DELETE FROM cells USING stored
    WHERE notebook_id = $1 AND NOT EXISTS (SELECT FROM unnest($11::text[]) AS kept (id) WHERE kept.id = cells.id)
), put_cells AS (
    INSERT INTO cells (
        notebook_id, id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest,
        output_count
    )
    SELECT
        $1, c.id, c.order_key, c.type, c.code, c.reads::text[], c.writes::text[], c.revision, c.extra::json, c.status,
        c.stdout, c.error, c.code_digest, c.output_count
    FROM stored, unnest(
        $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::bigint[], $18::text[],
        $19::text[], $20::text[], $21::text[], $22::text[], $23::integer[]
    ) AS c (
        id, order_key, type, code, reads, writes, revision, extra, status, stdout, error, code_digest, output_count
    )
    ON CONFLICT (notebook_id, id) DO UPDATE
    SET order_key = excluded.order_key, type = excluded.type, code = excluded.code, reads = excluded.reads,
        writes = excluded.writes, revision = excluded.revision, extra = excluded.extra, status = excluded.status,
        stdout = excluded.stdout, error = excluded.error, code_digest = excluded.code_digest,
        output_count = excluded.output_count
), trimmed AS (
    DELETE FROM cell_outputs
    USING stored, unnest($11::text[], $23::integer[]) AS c (id, output_count)
    WHERE notebook_id = $1 AND cell_id = c.id AND ordinal >= c.output_count
), put_outputs AS (
    INSERT INTO cell_outputs (notebook_id, cell_id, ordinal, mime_type, data, metadata)
    SELECT $1, o.cell_id, o.ordinal, o.mime_type, o.data::json, o.metadata::json
    FROM stored, unnest($24::text[], $25::integer[], $26::text[], $27::text[], $28::text[])
        AS o (cell_id, ordinal, mime_type, data, metadata)
    ON CONFLICT (notebook_id, cell_id, ordinal)
    DO UPDATE SET mime_type = excluded.mime_type, data = excluded.data, metadata = excluded.metadata
)
SELECT version FROM stored
