//! A notebook at a server that runs cells, and what a watcher of it is told.

use std::ffi::OsString;
use std::process::Command;

use quire_tests::neighbour::Wire;
use quire_tests::{Server, binary};
use serde_json::{Value, json};

/// A server on a directory, with a notebook of Python cells.
pub(super) struct Notebook {
    pub(super) server: Server,
    pub(super) directory: tempfile::TempDir,
    pub(super) path: String,
    pub(super) id: String,
    /// The cells' ids, in order.
    pub(super) cells: Vec<String>,
}

/// Returns the Python of the tests' environment.
pub(super) fn python() -> OsString {
    std::env::var_os("QUIRE_TEST_PYTHON")
        .expect("QUIRE_TEST_PYTHON names a Python with ipykernel; scripts/test sets it")
}

/// Starts a server that runs cells.
pub(super) fn server(directory: &std::path::Path, arguments: &[&str]) -> Server {
    let mut command = Command::new(binary("quire-server"));
    command
        .arg("--notebooks-dir")
        .arg(directory)
        .arg("--python")
        .arg(python())
        .args(["--warm-kernels", "0"])
        .args(arguments);
    Server::spawn(command)
}

impl Notebook {
    /// Makes a notebook of these cells.
    pub(super) fn of(codes: &[&str]) -> Self {
        Self::with(&[], codes)
    }

    /// Makes a notebook of these cells at a server with these arguments.
    pub(super) fn with(arguments: &[&str], codes: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = server(directory.path(), arguments);
        let id = server.ok("POST", "/api/notebooks", None)["notebook_id"].as_str().unwrap().to_owned();
        let path = format!("/api/notebooks/{id}");
        let first = server.ok("GET", &path, None)["cells"][0]["id"].as_str().unwrap().to_owned();
        server.ok("DELETE", &format!("{path}/cells/{first}"), None);
        let mut notebook = Self { server, directory, path, id, cells: Vec::new() };
        for code in codes {
            notebook.add(code);
        }
        notebook
    }

    /// Adds a cell at the end.
    pub(super) fn add(&mut self, code: &str) {
        let body = json!({"type": "python", "code": code});
        let made = self.server.ok("POST", &format!("{}/cells", self.path), Some(&body));
        self.cells.push(made["cell_id"].as_str().unwrap().to_owned());
    }

    /// Changes a cell's code.
    pub(super) fn edit(&self, cell: usize, code: &str) {
        self.server.ok("PUT", &format!("{}/cells/{}", self.path, self.cells[cell]), Some(&json!({ "code": code })));
    }

    /// Deletes a cell; the indexes of the others stay.
    pub(super) fn delete(&self, cell: usize) {
        self.server.ok("DELETE", &format!("{}/cells/{}", self.path, self.cells[cell]), None);
    }

    /// Runs cells and waits for the end. Returns how each cell of the run ended: its index and the word, in order.
    pub(super) fn run(&self, cells: &[usize]) -> Vec<(usize, String)> {
        let cells: Vec<_> = cells.iter().map(|&cell| &self.cells[cell]).collect();
        self.run_body(&json!({ "cells": cells }))
    }

    /// Runs what this body says, otherwise as [`Self::run`].
    pub(super) fn run_body(&self, body: &Value) -> Vec<(usize, String)> {
        let run = self.server.ok("POST", &format!("{}/run?wait=50", self.path), Some(body));
        assert_eq!(run["done"], true, "{run}");
        let ends = run["cells"].as_array().unwrap().iter();
        ends.map(|cell| (self.index(&cell["cell_id"]), cell["end"].as_str().unwrap().to_owned())).collect()
    }

    /// Reads a cell.
    pub(super) fn cell(&self, cell: usize) -> Value {
        let notebook = self.server.ok("GET", &self.path, None);
        let cells = notebook["cells"].as_array().unwrap().iter();
        let found = cells.clone().find(|shown| shown["id"] == self.cells[cell].as_str());
        found.unwrap_or_else(|| panic!("the notebook has cell {cell}: {notebook}")).clone()
    }

    /// Returns what a cell has printed.
    pub(super) fn stdout(&self, cell: usize) -> String {
        self.cell(cell)["stdout"].as_str().unwrap().to_owned()
    }

    /// Watches the notebook.
    pub(super) fn watch(&self) -> Wire {
        let mut wire = Wire::connect(self.server.address(), "any");
        wire.upgrade(&self.id);
        wire.authenticate();
        wire
    }

    /// Asks for a run over a socket, as the browser client does.
    pub(super) fn run_cell(&self, wire: &mut Wire, cell: usize) {
        wire.text(&json!({"type": "run_cell", "cellId": self.cells[cell]}));
    }

    /// Reads messages up to the last one of `last`, a cell and its final status; each with its cell's index, in short.
    pub(super) fn told(&self, wire: &mut Wire, last: (usize, &str)) -> Vec<String> {
        let mut told = Vec::new();
        let end = format!("{} {}", last.0, last.1);
        let mut is_over = false;
        loop {
            let message = wire.message();
            let text = self.brief(&message);
            if is_over && text.starts_with("mark") {
                return told;
            }
            is_over |= text == end;
            // Further messages of the same event may follow: a change that is made now comes after them.
            if text == end {
                self.server.ok(
                    "PUT",
                    &format!("{}/cells/{}", self.path, self.mark()),
                    Some(&json!({"code": "# mark"})),
                );
            }
            told.push(text);
        }
    }

    /// Returns the last cell's id, which [`Self::told`] edits.
    fn mark(&self) -> &str {
        self.cells.last().unwrap()
    }

    fn index(&self, id: &Value) -> usize {
        self.cells.iter().position(|cell| id == cell.as_str()).unwrap()
    }

    fn brief(&self, message: &Value) -> String {
        let kind = message["type"].as_str().unwrap();
        if kind == "cell_updated" && message["cell"]["code"] == "# mark" {
            return "mark".to_owned();
        }
        let cell = self.index(&message["cellId"]);
        match kind {
            "cell_status" => format!("{cell} {}", message["status"].as_str().unwrap()),
            "cell_stdout" => format!("{cell} prints {:?}", message["data"].as_str().unwrap()),
            "cell_output" => format!("{cell} shows {}", message["output"]["data"]),
            "cell_error" => format!("{cell} fails: {}", message["error"].as_str().unwrap().lines().last().unwrap()),
            "cell_stale" => format!("{cell} stale {}", message["stale"]),
            other => format!("{cell} {other}"),
        }
    }
}
