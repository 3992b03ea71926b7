-- Whether a run of a cell also runs the cells that depend on it. One constant for all notebooks that are there, which PostgreSQL keeps
-- beside the table: no row is written.
ALTER TABLE notebooks ADD COLUMN reactive boolean NOT NULL DEFAULT true;
