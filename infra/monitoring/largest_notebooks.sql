-- The largest notebooks, by what they hold. Reads every cell and output: run it on a quiet hour, or on a restored copy.
--
-- To read it: the contract allows 10,000 cells of 256 KiB and 8 MB of outputs for each. Opening a notebook reads all of it.
-- To do: a notebook of hundreds of megabytes makes its server slow for all users; ask its owner to clear outputs.
SELECT
    n.id AS notebook_id,
    n.user_id,
    n.revision,
    c.cells,
    c.code_bytes,
    o.outputs,
    o.output_bytes,
    c.code_bytes + c.stdout_bytes + o.output_bytes AS total_bytes
FROM notebooks AS n
CROSS JOIN LATERAL (
    SELECT
        count(*) AS cells,
        coalesce(sum(octet_length(code)), 0) AS code_bytes,
        coalesce(sum(octet_length(stdout)), 0) AS stdout_bytes
    FROM cells WHERE notebook_id = n.id
) AS c
CROSS JOIN LATERAL (
    SELECT count(*) AS outputs, coalesce(sum(octet_length(data::text)), 0) AS output_bytes
    FROM cell_outputs WHERE notebook_id = n.id
) AS o
ORDER BY total_bytes DESC, n.id
LIMIT 20;
