ALTER TABLE notebooks DROP COLUMN reactive;
