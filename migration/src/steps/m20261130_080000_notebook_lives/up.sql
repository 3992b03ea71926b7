-- One constant for all notebooks that are there, which PostgreSQL keeps beside the table: no row is written. New ones get a
-- number of their own, also from servers that do not know the column.
ALTER TABLE notebooks ADD COLUMN life uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';
ALTER TABLE notebooks ALTER COLUMN life SET DEFAULT gen_random_uuid();
