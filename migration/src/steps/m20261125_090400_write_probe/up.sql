CREATE TABLE write_probe (
    id integer NOT NULL,
    written_at timestamptz NOT NULL,
    CONSTRAINT write_probe_pkey PRIMARY KEY (id),
    CONSTRAINT write_probe_one_row CHECK (id = 1)
);
