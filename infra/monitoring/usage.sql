-- Notebooks and cells for each user, those with the most first.
--
-- To read it: `output_bytes` is what results take as text, before PostgreSQL compresses them; `last_edit` tells who is still there.
-- To do: one user with most of everything is one to talk to, or a program that makes notebooks in a loop. Every user has
-- two notebooks from the first visit (`blank-…`, `demo-…`): a user with two and no edit came once.
SELECT
    u.id AS user_id,
    count(*) AS notebooks,
    sum(c.cells)::bigint AS cells,
    sum(c.code_bytes)::bigint AS code_bytes,
    sum(o.output_bytes)::bigint AS output_bytes,
    sum(n.revision)::bigint AS edits,
    max(n.updated_at) AS last_edit
FROM users AS u
JOIN notebooks AS n ON n.user_id = u.id
CROSS JOIN LATERAL (
    SELECT count(*) AS cells, coalesce(sum(octet_length(code)), 0) AS code_bytes FROM cells WHERE notebook_id = n.id
) AS c
CROSS JOIN LATERAL (
    SELECT coalesce(sum(octet_length(data::text)), 0) AS output_bytes FROM cell_outputs WHERE notebook_id = n.id
) AS o
GROUP BY u.id
ORDER BY cells DESC, u.id
LIMIT 100;
