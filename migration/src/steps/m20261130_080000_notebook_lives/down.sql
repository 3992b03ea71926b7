ALTER TABLE notebooks DROP COLUMN life;
