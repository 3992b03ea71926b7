-- Inserts the lease of a notebook's kernel, or takes it over if it is this server's own or its holder is not alive, and returns it; of
-- another holder's lease its address. A row of nulls means that this server is not registered; no row, that another server was quicker.
WITH own AS (
    SELECT id FROM servers WHERE id = :server
), held AS (
    INSERT INTO kernels (notebook_id, server_id, epoch)
    SELECT :notebook, id, nextval('notebook_versions') FROM own
    ON CONFLICT (notebook_id) DO UPDATE
    SET server_id = excluded.server_id, epoch = excluded.epoch, started_at = excluded.started_at
    WHERE kernels.server_id = excluded.server_id
        OR NOT EXISTS (
            SELECT FROM servers WHERE servers.id = kernels.server_id AND servers.seen_at >= now() - interval '30 s'
        )
    RETURNING server_id, epoch, started_at
)
SELECT server_id, epoch, NULL AS address, started_at FROM held
UNION ALL
SELECT kernels.server_id, kernels.epoch, servers.address, kernels.started_at
FROM kernels
JOIN servers ON servers.id = kernels.server_id
WHERE kernels.notebook_id = :notebook AND kernels.server_id <> :server
    AND EXISTS (SELECT FROM own) AND NOT EXISTS (SELECT FROM held)
UNION ALL
SELECT NULL, NULL, NULL, NULL
WHERE NOT EXISTS (SELECT FROM own)
