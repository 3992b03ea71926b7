//! Tests of the library by itself, with a source that is not a directory and a store of files.
#![expect(clippy::unwrap_used, reason = "helpers of tests are not covered by allow-unwrap-in-tests")]

use std::io;
use std::path::Path;
use std::sync::Arc;

use quire_domain::{Notebook, NotebookId, Timestamp, UserId};
use quire_storage::NotebookStore;
use quire_storage_json::{JsonNotebookStore, Options};
use quire_transfer::{
    Candidate, Fault, FaultKind, Found, Import, Line, OnConflict, Outcome, ProgressObserver, Source, Verify,
};

/// A source of empty notebooks by their names. Some make their reader panic, some cannot be read.
#[derive(Debug)]
struct Names(&'static [&'static str]);

impl Source for Names {
    fn candidates(&self) -> Result<Vec<Candidate>, String> {
        let candidate =
            |name: &&str| Candidate { file: format!("{name}.x"), id: NotebookId::new(*name).ok(), fault: None };
        Ok(self.0.iter().map(candidate).collect())
    }

    fn read(&self, candidate: &Candidate) -> Result<Found, Fault> {
        let id = candidate.id.clone().unwrap();
        assert!(!id.as_str().starts_with("panics"), "with the secret content of {id}");
        if id.as_str() == "unreadable" {
            let reason = "the disk says no".to_owned();
            return Err(Fault { kind: FaultKind::Failed, id: Some(id), reason, offset: Some(7) });
        }
        let notebook =
            Notebook::new(id, quire_domain::Life::UNRECORDED, UserId::new("ann").unwrap(), Timestamp::default());
        Ok(Found { notebook, notice: None })
    }

    fn is_whole(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct Lines(Vec<Line>);

impl ProgressObserver for Lines {
    fn begin(&mut self, _: usize) {}

    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.0.push(line.clone());
        Ok(())
    }
}

impl Lines {
    fn outcomes(&self) -> Vec<(&str, Outcome)> {
        self.0.iter().map(|line| (line.file.as_deref().unwrap(), line.outcome)).collect()
    }
}

fn store(dir: &Path) -> Arc<dyn NotebookStore> {
    Arc::new(JsonNotebookStore::open(dir, Options { scan_every: None, ..Options::default() }).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_panics_fails_alone_and_its_words_are_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let source = Arc::new(Names(&["a", "panics", "b", "unreadable", "panics-too", "c"]));
    let import = Import {
        store: Arc::clone(&store),
        source: Arc::clone(&source) as Arc<dyn Source>,
        keys: None,
        on_conflict: OnConflict::Fail,
        dry_run: false,
        jobs: 2,
    };
    let mut lines = Lines::default();
    let summary = import.run(&mut lines).await.unwrap();
    let expected = [
        ("a.x", Outcome::Imported),
        ("panics.x", Outcome::Failed),
        ("b.x", Outcome::Imported),
        ("unreadable.x", Outcome::Failed),
        ("panics-too.x", Outcome::Failed),
        ("c.x", Outcome::Imported),
    ];
    assert_eq!(lines.outcomes(), expected);
    assert_eq!((summary.count(Outcome::Imported), summary.count(Outcome::Failed)), (3, 3));
    assert_eq!((lines.0[3].reason.as_deref(), lines.0[3].offset), (Some("the disk says no"), Some(7)));
    let said = lines.0[1].reason.as_deref().unwrap();
    assert!(said.contains("please report") && !said.contains("secret"), "{said}");

    let mut lines = Lines::default();
    let verify = Verify { store, source, keys: None, jobs: 2 };
    verify.run(&mut lines).await.unwrap();
    let verified =
        expected.map(|(file, outcome)| (file, if outcome == Outcome::Imported { Outcome::Same } else { outcome }));
    assert_eq!(lines.outcomes(), verified);
}
