DROP TABLE notebooks;
DROP SEQUENCE notebook_versions;
