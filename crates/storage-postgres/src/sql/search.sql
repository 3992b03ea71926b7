-- $1 owner, $2 text for code, lower case and as it is stored, $3 the same for names (NULL where no name can have it),
-- $4 and $5 the place behind which to begin (or NULL), $6 notebooks at most, $7 cells of each at most.
-- Goes along the index of the owner's notebooks and stops when there are enough, so that what is read is the owner's own.
WITH found AS (
    SELECT n.id, n.user_id, n.name, n.revision, n.created_at, n.updated_at
    FROM notebooks n
    WHERE n.user_id = $1
      AND ($4::timestamptz IS NULL OR (n.created_at, n.id) > ($4, $5))
      AND (
          coalesce(strpos(lower(n.name COLLATE "C"), $3) > 0, false)
          OR EXISTS (
              SELECT FROM cells c WHERE c.notebook_id = n.id AND strpos(lower(c.code COLLATE "C"), $2) > 0
          )
      )
    ORDER BY n.created_at, n.id
    LIMIT $6
)
SELECT f.id, f.user_id, f.name, f.revision, f.created_at, f.updated_at, c.id AS cell_id, c.code
FROM found f
LEFT JOIN LATERAL (
    SELECT c.id, c.order_key, c.code
    FROM cells c
    WHERE c.notebook_id = f.id AND strpos(lower(c.code COLLATE "C"), $2) > 0
    ORDER BY c.order_key, c.id
    LIMIT $7
) c ON true
ORDER BY f.created_at, f.id, c.order_key, c.id
