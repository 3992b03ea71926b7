-- Sessions of this database that have been in a transaction for a second or more, whether or not a session waits for them.
-- No row is good.
--
-- To read it: `idle in transaction` is a session whose program forgot its transaction; `idle_for` is how long it has sent
-- nothing. It holds its locks, and its snapshot keeps vacuum from clearing away what died since. `waiting_for_it` is the number of sessions that it blocks.
-- A dump (`pg_dump`), an export and CREATE INDEX CONCURRENTLY are meant to take long.
-- To do: SELECT pg_terminate_backend(pid) ends the session and undoes its transaction; pg_cancel_backend(pid) ends only the
-- statement that it runs.
SELECT
    a.pid,
    a.usename AS role,
    a.application_name AS application,
    a.client_addr AS client,
    a.state,
    now() - a.xact_start AS in_transaction,
    CASE WHEN a.state LIKE 'idle%' THEN now() - a.state_change END AS idle_for,
    (SELECT count(*) FROM pg_stat_activity AS w WHERE a.pid = ANY (pg_blocking_pids(w.pid))) AS waiting_for_it,
    a.wait_event_type || '/' || a.wait_event AS waits_on,
    left(btrim(regexp_replace(regexp_replace(a.query, '--[^\n]*', '', 'g'), '\s+', ' ', 'g')), 120) AS last_statement
FROM pg_stat_activity AS a
WHERE a.datname = current_database()
    AND a.backend_type = 'client backend'
    AND a.pid <> pg_backend_pid()
    AND a.xact_start < now() - interval '1 second'
ORDER BY a.xact_start;
