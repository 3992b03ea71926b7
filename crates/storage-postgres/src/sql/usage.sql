-- $1: the owner. Sizes are those of the stored form, compressed where PostgreSQL compresses, so that no long value is
-- fetched for them; what rows and indexes take beyond their values is left out.
WITH own AS MATERIALIZED (SELECT id, coalesce(pg_column_size(extra), 0) AS bytes FROM notebooks WHERE user_id = $1)
SELECT
  (SELECT count(*) FROM own) AS notebooks,
  (
    coalesce((SELECT sum(bytes) FROM own), 0)
    + coalesce((
      SELECT sum(pg_column_size(c.code) + pg_column_size(c.stdout) + coalesce(pg_column_size(c.error), 0)
        + coalesce(pg_column_size(c.extra), 0))
      FROM own JOIN cells c ON c.notebook_id = own.id
    ), 0)
    + coalesce((
      SELECT sum(pg_column_size(o.data) + pg_column_size(o.metadata))
      FROM own JOIN cell_outputs o ON o.notebook_id = own.id
    ), 0)
  )::bigint AS bytes
