DROP TABLE cells;
