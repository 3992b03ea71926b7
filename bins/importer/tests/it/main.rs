//! The real importer on real files and a real PostgreSQL.

mod conflicts;
mod exports;
mod files;
mod killed;
mod oddities;
mod reports;
mod roundtrip;
mod secrets;
mod support;
mod together;
mod verifies;
