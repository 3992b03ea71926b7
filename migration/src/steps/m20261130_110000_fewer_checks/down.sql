ALTER TABLE notebooks
    ADD CONSTRAINT notebooks_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    ADD CONSTRAINT notebooks_revision_range CHECK (revision BETWEEN 0 AND 9007199254740991),
    ADD CONSTRAINT notebooks_version_range CHECK (version > 0);
ALTER TABLE cells
    ADD CONSTRAINT cells_order_key_length CHECK (octet_length(order_key) > 0),
    ADD CONSTRAINT cells_type_known CHECK (type IN ('python', 'sql')),
    ADD CONSTRAINT cells_code_length CHECK (octet_length(code) <= 1048576),
    ADD CONSTRAINT cells_revision_range CHECK (revision BETWEEN 0 AND 9007199254740991),
    ADD CONSTRAINT cells_status_known CHECK (status IN ('idle', 'success', 'error', 'blocked')),
    ADD CONSTRAINT cells_output_count_range CHECK (output_count >= 0);
