-- Sessions that wait for a lock, each with the session that holds it. No row is good.
--
-- To read it: each row is a session that waits and one that it waits for; `blocker_in_transaction` is how long that one
-- has been in its transaction. Edits of one notebook wait for each other for milliseconds.
-- To do: a blocker that is `idle in transaction` forgot its transaction: SELECT pg_terminate_backend(blocker_pid). The migrator
-- never waits longer than 3 s for a lock, so that no session waits behind it for longer.
SELECT
    waiting.pid AS waiting_pid,
    waiting.application_name AS waiting_application,
    now() - waiting.query_start AS waiting_for,
    waiting.wait_event_type || '/' || waiting.wait_event AS waits_on,
    left(btrim(regexp_replace(regexp_replace(waiting.query, '--[^\n]*', '', 'g'), '\s+', ' ', 'g')), 120) AS waiting_statement,
    blocker.pid AS blocker_pid,
    blocker.application_name AS blocker_application,
    blocker.state AS blocker_state,
    now() - blocker.xact_start AS blocker_in_transaction,
    left(btrim(regexp_replace(regexp_replace(blocker.query, '--[^\n]*', '', 'g'), '\s+', ' ', 'g')), 120) AS blocker_last_statement
FROM pg_stat_activity AS waiting
CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocked_by (pid)
JOIN pg_stat_activity AS blocker ON blocker.pid = blocked_by.pid
ORDER BY waiting_for DESC;
