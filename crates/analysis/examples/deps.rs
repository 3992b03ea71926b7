//! The dependency rules as a command: it reads JSON lines and writes one JSON line for each, in the same order.
//!
//! ```text
//! $ echo '{"id": 1, "type": "python", "code": "y = x"}' | cargo run -q -p quire-analysis --example deps
//! {"builtins":[],"changes_data":false,"deferred":[],"deletes":[],"diagnostics":[],"dynamic":false,"error":null,"id":1,…
//! ```
//!
//! A line that is no such object is answered by a line with `error`, and the program goes on with the next line.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufWriter, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use quire_analysis::{Analysis, CellType, Diagnostic, Pool, Read, Severity};
use serde_json::{Value, json};

/// Maximum number of outstanding answers, so that memory stays bounded however long the input is.
const AHEAD: usize = 1024;

/// Answer to one line, which may still be in the pool.
enum Answer {
    Soon { id: Value, analysis: Receiver<Arc<Analysis>> },
    Refused { id: Value, message: String },
}

fn main() -> io::Result<()> {
    let pool = Pool::new(thread::available_parallelism().map_or(2, usize::from))?;
    let mut output = BufWriter::new(io::stdout().lock());
    let mut outstanding = VecDeque::new();
    for line in io::stdin().lock().split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        outstanding.push_back(submit(&pool, &line));
        if outstanding.len() >= AHEAD
            && let Some(answer) = outstanding.pop_front()
        {
            write_answer(&mut output, answer)?;
        }
    }
    for answer in outstanding {
        write_answer(&mut output, answer)?;
    }
    output.flush()
}

fn submit(pool: &Pool, line: &[u8]) -> Answer {
    let request: Value = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => {
            return Answer::Refused { id: Value::Null, message: format!("not a JSON line: {error}") };
        }
    };
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let cell_type = match request.get("type").and_then(Value::as_str) {
        Some("python") => CellType::Python,
        Some("sql") => CellType::Sql,
        _ => {
            return Answer::Refused { id, message: "`type` must be \"python\" or \"sql\"".to_owned() };
        }
    };
    let Some(code) = request.get("code").and_then(Value::as_str) else {
        return Answer::Refused { id, message: "`code` must be a string".to_owned() };
    };
    let (sender, analysis) = mpsc::channel();
    pool.submit(cell_type, code.into(), move |analysis| {
        // The receiver is dropped only when the output could not be written; the answer is of no use then.
        let _ = sender.send(analysis);
    });
    Answer::Soon { id, analysis }
}

fn write_answer(output: &mut impl Write, answer: Answer) -> io::Result<()> {
    let line = match answer {
        Answer::Refused { id, message } => to_json(&id, &Analysis::default(), Some(&message)),
        Answer::Soon { id, analysis } => match analysis.recv() {
            Ok(analysis) => to_json(&id, &analysis, None),
            Err(_) => to_json(&id, &Analysis::default(), Some("no answer")),
        },
    };
    writeln!(output, "{line}")
}

fn to_json(id: &Value, analysis: &Analysis, refused: Option<&str>) -> Value {
    let names = |reads: &[Read]| reads.iter().map(|read| read.name.clone()).collect::<Vec<_>>();
    let deferred = analysis.reads.iter().filter(|read| read.deferred);
    let error = match refused {
        Some(message) => json!({"message": message, "line": null, "column": null}),
        None => analysis.error().map_or(Value::Null, diagnostic_to_json),
    };
    json!({
        "id": id,
        "reads": names(&analysis.reads),
        "writes": analysis.writes,
        "deferred": deferred.map(|read| read.name.clone()).collect::<Vec<_>>(),
        "builtins": names(&analysis.builtins_read),
        "deletes": analysis.deletes,
        "tables_read": analysis.tables_read,
        "tables_written": analysis.tables_written,
        "changes_data": analysis.changes_data,
        "star": analysis.star,
        "dynamic": analysis.dynamic,
        "error": error,
        "diagnostics": analysis.diagnostics.iter().map(diagnostic_to_json).collect::<Vec<_>>(),
    })
}

fn diagnostic_to_json(diagnostic: &Diagnostic) -> Value {
    json!({
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": diagnostic.message,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "offset": diagnostic.offset,
    })
}
