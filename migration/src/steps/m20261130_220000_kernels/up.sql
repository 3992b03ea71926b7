-- The server that has a notebook's kernel. The row goes with the server's and with the notebook's. There are as many rows as kernels, so
-- a deletion of a server reads them all, without an index.
CREATE TABLE kernels (
    notebook_id text COLLATE "C" NOT NULL,
    server_id uuid NOT NULL,
    epoch bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT kernels_pkey PRIMARY KEY (notebook_id),
    CONSTRAINT kernels_notebook_id_fkey FOREIGN KEY (notebook_id) REFERENCES notebooks (id) ON DELETE CASCADE,
    CONSTRAINT kernels_server_id_fkey FOREIGN KEY (server_id) REFERENCES servers (id) ON DELETE CASCADE
);
