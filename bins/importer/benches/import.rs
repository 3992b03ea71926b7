//! Benchmark of an import relative to `COPY` of the same rows into the same tables on the same server, in one run:
//! `cargo bench -p quire-import`. `QUIRE_BENCH_NOTEBOOKS` sets the number of notebooks, 10,000 by default. Prints
//! times, ratios and memory.
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark may panic, and rounds")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use quire_test_postgres::{Database, Server, Settings};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgPoolCopyExt as _};
use tokio::runtime::Runtime;

const CELLS: usize = 20;
const TABLES: [&str; 4] = ["users", "notebooks", "cells", "cell_outputs"];

fn main() {
    let notebooks = std::env::var("QUIRE_BENCH_NOTEBOOKS").map_or(10_000, |text| text.parse().unwrap());
    let runtime = Runtime::new().unwrap();
    let server = Server::start(&Settings { fsync: true, ..Settings::default() });
    let files = tempfile::tempdir().unwrap();
    let bytes: usize = (0..notebooks).map(|number| write_notebook(files.path(), number)).sum();
    println!("{notebooks} notebooks, {} cells, {} MB of files", notebooks * CELLS, bytes / 1_000_000);

    let database = runtime.block_on(Database::on(&server));
    let import = |what: &[&str]| run(&database, files.path(), what);
    let first = import(&["run"]);
    first.print("import", notebooks);
    let second = import(&["run"]);
    second.print("the same again, unchanged", notebooks);
    import(&["verify"]).print("verification", notebooks);
    import(&["run", "--dry-run"]).print("dry run", notebooks);
    let target = files.path().join("exported");
    import(&["export", "--to", target.to_str().unwrap()]).print("export", notebooks);

    let copied = runtime.block_on(async {
        let other = Database::on(&server).await;
        copy(&database, &other).await
    });
    println!("COPY of the same rows: {:.2} s", copied.as_secs_f64());
    println!("import beside COPY: {:.2} x its rate", copied.as_secs_f64() / first.took.as_secs_f64());
    println!("unchanged beside the first: {:.1} x as fast", first.took.as_secs_f64() / second.took.as_secs_f64());
}

/// Time and memory of a run of the importer.
struct Took {
    took: Duration,
    /// Peak memory of the process.
    peak_kb: u64,
}

impl Took {
    fn print(&self, what: &str, notebooks: usize) {
        let seconds = self.took.as_secs_f64();
        println!("{what}: {seconds:.2} s, {:.0} notebooks/s, {} MB", notebooks as f64 / seconds, self.peak_kb / 1_000);
    }
}

fn run(database: &Database, files: &Path, arguments: &[&str]) -> Took {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire-import"));
    command.args(arguments).arg("--quiet").env("DATABASE_URL", database.url()).env("QUIRE_NOTEBOOKS_DIR", files);
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kb = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak_kb = peak_kb.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success(), "{arguments:?}");
    Took { took: started.elapsed(), peak_kb }
}

/// Writes a notebook as older servers did; every fourth cell has an output.
fn write_notebook(dir: &Path, number: usize) -> usize {
    let id = format!("{number:08x}-77b1-4a58-9c83-0d1f5be6a210");
    let mut cells = String::new();
    for cell in 0..CELLS {
        let comma = if cell == 0 { "" } else { "," };
        let outputs = if cell % 4 == 0 {
            let text = "0.123456789 ".repeat(24);
            format!(r#""outputs": [{{"mime_type": "text/plain", "data": "{text}", "metadata": {{}}}}],"#)
        } else {
            String::new()
        };
        let before = cell.saturating_sub(1);
        let code = format!(
            "# Step {cell} of notebook {number}\\nx{cell} = [x{before} * {number} for i in range(10)]\\nprint(len(x{cell}))\\n"
        );
        let _ = write!(
            cells,
            r#"{comma}{{"id": "{cell:08x}-1111-4222-8333-944445555666", "type": "python", "code": "{code}", {outputs} "reads": ["x{before}", "print"], "writes": ["x{cell}"]}}"#
        );
    }
    let owner = number / 10;
    let text = format!(
        r#"{{"id": "{id}", "user_id": "user_{owner:06}", "name": "Notebook {number}", "db_conn_string": null, "revision": 7, "cells": [{cells}]}}"#
    );
    fs::write(dir.join(format!("{id}.json")), &text).unwrap();
    text.len()
}

/// Copies all rows of one database into the other, in one transaction, and returns the time of the copying in.
async fn copy(from: &Database, to: &Database) -> Duration {
    let (source, mut target): (_, PgConnection) = (from.pool(1).await, to.connect().await);
    let mut tables = Vec::new();
    for table in TABLES {
        let rows = source.copy_out_raw(&format!("COPY {table} TO STDOUT (FORMAT binary)")).await.unwrap();
        let rows: Vec<u8> = rows
            .try_fold(Vec::new(), |mut all, part| async move {
                all.extend_from_slice(&part);
                Ok(all)
            })
            .await
            .unwrap();
        tables.push((table, rows));
    }
    let started = Instant::now();
    sqlx::raw_sql("BEGIN").execute(&mut target).await.unwrap();
    for (table, rows) in &tables {
        let statement = format!("COPY {table} FROM STDIN (FORMAT binary)");
        let mut copy = target.copy_in_raw(&statement).await.unwrap();
        for part in rows.chunks(1 << 16) {
            copy.send(part).await.unwrap();
        }
        copy.finish().await.unwrap();
    }
    sqlx::raw_sql("COMMIT").execute(&mut target).await.unwrap();
    let took = started.elapsed();
    target.close().await.unwrap();
    took
}
