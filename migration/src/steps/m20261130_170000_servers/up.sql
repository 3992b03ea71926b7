-- The servers that use the database. Each renews its own row every few seconds; the column that this changes has no index, so that
-- the update stays HOT. Servers from before this step have no row.
CREATE TABLE servers (
    id uuid NOT NULL,
    mode text NOT NULL,
    address text NOT NULL,
    program_version text NOT NULL,
    mirror_dir text,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT servers_pkey PRIMARY KEY (id),
    CONSTRAINT servers_mode_known CHECK (mode IN ('one', 'many'))
);
