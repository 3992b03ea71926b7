CREATE TABLE cell_outputs (
    notebook_id text COLLATE "C" NOT NULL,
    cell_id text COLLATE "C" NOT NULL,
    ordinal integer NOT NULL,
    mime_type text NOT NULL,
    data json NOT NULL,
    metadata json NOT NULL,
    CONSTRAINT cell_outputs_pkey PRIMARY KEY (notebook_id, cell_id, ordinal),
    CONSTRAINT cell_outputs_cell_fkey FOREIGN KEY (notebook_id, cell_id) REFERENCES cells (notebook_id, id) ON DELETE CASCADE,
    CONSTRAINT cell_outputs_ordinal_range CHECK (ordinal >= 0),
    CONSTRAINT cell_outputs_mime_type_length CHECK (char_length(mime_type) <= 100)
);
