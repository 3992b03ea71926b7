//! Helpers that the tests share.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use quire_domain::{Notebook, NotebookId, Revision, SecretKey, SecretKeys};
use quire_storage::{ListFilter, NotebookStore, PageRequest};
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};
use quire_test_postgres::Database;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const OTHER_KEY: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Returns the runtime that all tests of the process share.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// Exit code and output of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ended {
    /// Returns the lines that `--json` prints, without the summary.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line.get("summary").is_none()).collect()
    }

    /// Returns the result of each file.
    pub(crate) fn results(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = |line: &Value| text(if line["file"].is_null() { &line["id"] } else { &line["file"] });
        self.lines().iter().map(|line| (name(line), text(&line["result"]))).collect()
    }

    /// Returns the line of one file.
    pub(crate) fn line(&self, file: &str) -> Value {
        let found = self.lines().into_iter().find(|line| line["file"] == file || line["id"] == file);
        found.unwrap_or_else(|| panic!("no line of {file}: {self:?}"))
    }
}

/// Returns the importer with an empty environment except what the test sets.
pub(crate) fn importer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quire-import"));
    command.args(arguments).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A directory of files and a database.
pub(crate) struct Move {
    pub(crate) dir: TempDir,
    pub(crate) database: Database,
}

impl Move {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap(), database: runtime().block_on(Database::fresh()) }
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a notebook of some cells, `<id>.json`.
    pub(crate) fn notebook(&self, id: &str, revision: i64, cells: &[&str]) {
        self.write(&format!("{id}.json"), notebook(id, revision, cells).to_string());
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = importer(arguments);
        command.env("DATABASE_URL", self.database.url()).env("QUIRE_NOTEBOOKS_DIR", self.dir.path());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs a command with `--json`, which must end with this code.
    pub(crate) fn expect(&self, code: i32, arguments: &[&str]) -> Ended {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        ended
    }

    pub(crate) fn store(&self) -> Arc<dyn NotebookStore> {
        store(self.database.url())
    }

    pub(crate) fn load(&self, id: &str) -> Option<Notebook> {
        let loaded = runtime().block_on(self.store().load(&NotebookId::new(id).unwrap())).unwrap();
        loaded.map(|loaded| loaded.notebook)
    }

    pub(crate) fn revision(&self, id: &str) -> Revision {
        self.load(id).unwrap().revision
    }

    pub(crate) fn sql(&self, sql: &str) {
        runtime().block_on(async {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.database.connect().await).await.unwrap();
        });
    }

    /// Returns every notebook of the database.
    pub(crate) fn state(&self) -> Vec<Notebook> {
        state(self.database.url())
    }
}

/// Returns a notebook in the format of older servers.
pub(crate) fn notebook(id: &str, revision: i64, cells: &[&str]) -> Value {
    let cell = |(number, code): (usize, &&str)| json!({"id": format!("cell{number}"), "type": "python", "code": code, "reads": ["print"], "writes": []});
    let cells: Vec<Value> = cells.iter().enumerate().map(cell).collect();
    json!({"id": id, "user_id": "user_ann", "name": null, "db_conn_string": null, "revision": revision, "cells": cells})
}

/// Returns a store in this database.
pub(crate) fn store(url: &str) -> Arc<dyn NotebookStore> {
    let _context = runtime().enter();
    Arc::new(PostgresNotebookStore::new(DatabaseUrl::parse(url).unwrap(), Options::default()).unwrap())
}

/// Returns every notebook of a database, by id, with connection strings opened with [`KEY`] where possible.
pub(crate) fn state(url: &str) -> Vec<Notebook> {
    let store = store(url);
    let keys = SecretKeys { current: SecretKey::parse(KEY).unwrap(), old: None };
    let all = async {
        let page = store.list(&ListFilter::default(), &PageRequest::default()).await.unwrap();
        let mut all = Vec::new();
        for listed in page.notebooks {
            let mut notebook = store.load(&listed.id).await.unwrap().unwrap().notebook;
            let opened = notebook.connection.as_ref().and_then(|it| keys.open(it, &notebook.id, &notebook.owner).ok());
            if let Some(opened) = opened {
                notebook.connection = quire_domain::StoredConnection::new(opened.expose()).unwrap();
            }
            all.push(notebook);
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    };
    runtime().block_on(all)
}

/// Returns names and contents of all files below a directory.
pub(crate) fn snapshot(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
        }
    }
    files.sort();
    files
}
