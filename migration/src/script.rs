//! The steps as one script, to be run by hand.

use std::fmt::Write as _;

use crate::history;
use crate::lock::KEY;
use crate::step::Step;

/// Returns everything that [`up`](crate::up()) would send to an empty database, as a script. Running it leaves the same
/// schema and the same record. Needs no database.
///
/// ```
/// assert!(quire_migration::sql(quire_migration::STEPS).contains("CREATE TABLE notebooks"));
/// ```
#[must_use]
pub fn sql(steps: &[Step]) -> String {
    let mut text = format!(
        "-- The schema of an empty database, with the record that `quire-migrate` and the server read.\n\
         -- Run it as its owner: psql --no-psqlrc --set ON_ERROR_STOP=1 --file THIS_FILE\n\n{}\n",
        history::CREATE
    );
    for step in steps {
        let (name, kind) = (step.name, step.kind);
        let _ = writeln!(text, "\n-- {name} ({kind})");
        if step.transactional {
            let _ = writeln!(text, "BEGIN;\nSELECT pg_advisory_xact_lock({KEY});");
            let _ = writeln!(text, "{}\n{};\nCOMMIT;", step.up.trim_end(), record(step));
        } else {
            let _ = writeln!(text, "{};\n{}", history::begun(step), step.up.trim_end());
            let _ = writeln!(text, "{};", history::finished(name));
        }
    }
    text
}

/// Returns the SQL that records a step applied in the same transaction.
pub(crate) fn record(step: &Step) -> String {
    format!(
        "INSERT INTO quire_migrations (name, checksum, kind, started_at, finished_at) \
         VALUES ({}, {}, {}, now(), clock_timestamp())",
        history::quoted(step.name),
        history::quoted(&step.checksum()),
        history::quoted(step.kind.as_str()),
    )
}
