DROP TABLE cell_outputs;
