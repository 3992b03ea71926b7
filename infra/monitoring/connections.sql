-- Connections by application and state, how many there may be, and the oldest transaction of each.
--
-- To read it: a server's application is `quire-server`, the migrator's `quire-migrate`, the importer's `quire-import`. A server
-- holds at most its pool and one for its health; `most` is what the database takes in all, and what is reserved for its
-- superusers is not for us.
-- To do: near `most`, look for an application that is not ours, or for more tasks than the formula allows
-- (docs/infrastructure.md). A transaction of minutes holds back vacuum of every table: end it with
-- pg_terminate_backend(pid); long_transactions.sql has the pid.
SELECT
    coalesce(nullif(application_name, ''), backend_type) AS application,
    usename AS role,
    coalesce(state, 'none') AS state,
    count(*) AS connections,
    max(now() - xact_start) AS oldest_transaction,
    max(now() - state_change) FILTER (WHERE state LIKE 'idle%') AS longest_idle,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS in_use,
    current_setting('max_connections')::integer AS most
FROM pg_stat_activity
WHERE backend_type = 'client backend'
GROUP BY 1, 2, 3
ORDER BY connections DESC, application;
