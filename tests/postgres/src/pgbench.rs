//! `pgbench` as the yardstick of benchmarks: the best that the server can do.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::Database;

/// Number of notebooks, and of cells of each, that are updated.
const NOTEBOOKS: usize = 1_000;
const CELLS: usize = 20;

/// `pgbench` with one prepared `UPDATE` of a row like those of `cells`, chosen at random among 20,000.
#[derive(Debug)]
pub struct Pgbench<'a> {
    database: &'a Database,
    code_bytes: usize,
}

impl<'a> Pgbench<'a> {
    /// Creates the rows, in a table of their own with all columns of `cells`; `code` of each has so many bytes.
    pub async fn prepare(database: &'a Database, code_bytes: usize) -> Self {
        let fill = format!(
            "CREATE TABLE equal_rows (LIKE cells INCLUDING ALL) WITH (fillfactor = 80);
             INSERT INTO equal_rows (notebook_id, id, order_key, type, code, reads, writes, revision)
             SELECT 'notebook' || n, 'cell' || c, 'a0', 'python', repeat('x', {code_bytes}), '{{}}', '{{}}', 0
             FROM generate_series(1, {NOTEBOOKS}) n, generate_series(1, {CELLS}) c;
             VACUUM ANALYZE equal_rows"
        );
        let mut connection = database.connect().await;
        for statement in fill.split(';') {
            let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
            done.expect("the rows are made");
        }
        Self { database, code_bytes }
    }

    /// Returns the updates per second, by so many clients.
    ///
    /// # Panics
    /// If `pgbench`, which comes with the server, is missing or fails.
    #[must_use]
    pub fn rate(&self, clients: usize, duration: Duration) -> f64 {
        let script = tempfile::NamedTempFile::new().expect("there is room for a script");
        let mut text = String::new();
        let _ = write!(
            text,
            "\\set n random(1, {NOTEBOOKS})\n\\set c random(1, {CELLS})\nUPDATE equal_rows SET code = :code, \
             revision = revision + 1 WHERE notebook_id = 'notebook' || :n::text AND id = 'cell' || :c::text;\n"
        );
        std::fs::write(script.path(), text).expect("the script is written");
        let options = self.database.options();
        let password = self.database.url().split_once("//").and_then(|(_, rest)| rest.split_once('@'));
        let password = password.and_then(|(user, _)| user.split_once(':')).map_or("", |(_, password)| password);
        let output = Command::new("pgbench")
            .args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string()])
            .args(["-T", &duration.as_secs().max(1).to_string()])
            .arg("-D")
            .arg(format!("code={}", "y".repeat(self.code_bytes)))
            .arg("-f")
            .arg(script.path())
            .args(["-h", options.get_host(), "-p", &options.get_port().to_string(), "-U", options.get_username()])
            .arg(self.database.name())
            .env("PGPASSWORD", password)
            .output()
            .expect("pgbench runs: it comes with PostgreSQL's server");
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}
