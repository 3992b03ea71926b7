SELECT servers.address, kernels.started_at
FROM kernels
JOIN servers ON servers.id = kernels.server_id
WHERE kernels.notebook_id = :notebook AND kernels.server_id <> :server
    AND servers.seen_at >= now() - interval '30 s'
