//! Tests of imports concurrent with other activity.

use std::io::{BufRead as _, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quire_domain::{CellId, CellType, Edit, NotebookId, Place, UserId};
use quire_service::{NotebookService, Options};
use quire_test_postgres::{Cut, Database, Proxy, Server, Settings};

use crate::support::{Ended, Move, notebook, runtime};

#[test]
fn two_imports_at_once_do_what_one_does() {
    let reference = many();
    let run = reference.expect(0, &["run"]);
    assert!(run.results().iter().all(|(_, result)| result == "imported"));
    let this = many();
    let start = || this.command(&["run", "--jobs", "4", "--json"]).spawn().unwrap();
    let both = [start(), start()].map(|process| Ended::from(process.wait_with_output().unwrap()));
    for ended in &both {
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.results().iter().all(|(_, result)| result == "imported" || result == "unchanged"), "{ended:?}");
    }
    let imported = |ended: &Ended| ended.results().iter().filter(|(_, result)| result == "imported").count();
    assert_eq!(both.iter().map(imported).sum::<usize>(), 100, "each notebook by one of them");
    this.expect(0, &["verify"]);
    let contents = |this: &Move| this.state().iter().map(|it| (it.content_digest(), it.revision)).collect::<Vec<_>>();
    assert_eq!(contents(&this), contents(&reference));
}

fn many() -> Move {
    let this = Move::new();
    for number in 0..100 {
        this.notebook(&format!("n{number:03}"), 1, &["x = 1", "y = x"]);
    }
    this
}

/// A service edits one of the notebooks while repeated imports overwrite them.
#[test]
fn an_import_beside_a_serving_instance_loses_nothing_that_was_acknowledged_after_it() {
    let this = many();
    this.expect(0, &["run"]);
    let _context = runtime().enter();
    let service = NotebookService::new(this.store(), Options::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (user, id) = (UserId::new("user_ann").unwrap(), NotebookId::new("n050").unwrap());
    let editing = runtime().spawn({
        let (service, stop, user, id) = (service.clone(), Arc::clone(&stop), user.clone(), id.clone());
        async move {
            let mut revisions = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let code = (CellType::Python, Arc::from("edited = True"));
                let created = service.insert_cell(&user, &id, None, code, Place::End).await.unwrap();
                revisions.push(created.edited.revision);
                // The pause is shorter than between a person's edits, but long enough for the import to get a turn.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            revisions
        }
    });
    for round in 0..4 {
        let code = format!("x = {round}");
        this.write("n050.json", notebook("n050", 1, &[&code]).to_string());
        let run = this.expect(0, &["run", "--on-conflict", "overwrite"]);
        assert_eq!(run.line("n050.json")["result"], "updated", "{run:?}");
        assert!(run.results().iter().filter(|(file, _)| file != "n050.json").all(|(_, result)| result == "unchanged"));
    }
    stop.store(true, Ordering::Relaxed);
    let revisions = runtime().block_on(editing).unwrap();
    assert!(revisions.is_sorted_by(|a, b| a < b), "no revision is given out twice");
    // The instance continues from the imported state.
    let edit = Edit::UpdateCell { id: CellId::new("cell0").unwrap(), code: Arc::from("after = 1") };
    let edited = runtime().block_on(service.edit(&user, &id, None, edit)).unwrap();
    let stored = this.load("n050").unwrap();
    assert_eq!(stored.revision, edited.revision);
    assert_eq!(&*stored.cells.get(0).unwrap().code, "after = 1");
    runtime().block_on(service.close());
}

#[test]
fn a_file_that_changes_or_vanishes_while_it_is_read_is_read_whole_or_named() {
    let this = many();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, dir) = (Arc::clone(&stop), this.dir.path().to_owned());
        move || {
            let long = |text: &str| vec![text.to_owned(); 400];
            while !stop.load(Ordering::Relaxed) {
                for text in ["aaaaaaaaaa", "bb"] {
                    let cells = long(text);
                    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                    // The write is not atomic, like that of a very simple editor.
                    std::fs::write(dir.join("n000.json"), notebook("n000", 1, &cells).to_string()).unwrap();
                    std::fs::write(dir.join("n001.json"), "{}").unwrap();
                    std::fs::remove_file(dir.join("n001.json")).unwrap();
                }
            }
        }
    });
    for _ in 0..6 {
        let run = this.run(&["run", "--on-conflict", "overwrite", "--json"]);
        for (file, result) in run.results() {
            assert!(
                ["n000.json", "n001.json"].contains(&&*file) || ["imported", "unchanged"].contains(&&*result),
                "{run:?}"
            );
        }
        if let Some(notebook) = this.load("n000") {
            let codes: Vec<_> = notebook.cells.iter().map(|cell| cell.code.to_string()).collect();
            assert!(
                codes.len() == 400 && codes.iter().all(|code| *code == codes[0]),
                "never a mixture: {}",
                codes.len()
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

/// Tests a lost answer, an unknown outcome, and the end of all connections.
#[test]
fn an_import_whose_connections_are_cut_finds_out_what_happened_and_goes_on() {
    let this = many();
    let proxy = Proxy::start(Server::shared());
    let through = |proxy: &Proxy| {
        let mut command = this.command(&["run", "--jobs", "2", "--json"]);
        command.env("DATABASE_URL", this.database.url_at(proxy.port()));
        command
    };
    for cut in [Cut::BeforeSending, Cut::AfterSending, Cut::AfterAnswer] {
        this.sql("DELETE FROM notebooks");
        let before = proxy.cuts();
        proxy.cut_next_with(cut, "INSERT INTO notebooks");
        let run = Ended::from(through(&proxy).output().unwrap());
        assert_eq!(proxy.cuts(), before + 1, "{cut:?}");
        assert_eq!(run.code, Some(0), "{cut:?}: {run:?}");
        assert!(run.results().iter().all(|(_, result)| result == "imported"), "{cut:?}: {run:?}");
        this.expect(0, &["verify"]);
        assert!(this.state().iter().all(|notebook| notebook.revision.0 == 1), "{cut:?}");
    }
}

#[test]
fn a_database_that_is_gone_ends_the_import_and_the_next_goes_on() {
    let server = Server::start(&Settings::default());
    let this = Move { database: runtime().block_on(Database::on(&server)), ..many() };
    let mut command = this.command(&["run", "--jobs", "1"]);
    let mut process = command.arg("--json").spawn().unwrap();
    // The first printed line shows that the run is in the middle of its work.
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    server.kill();
    let told = 1 + lines.map(Result::unwrap).filter(|line| line.contains("imported")).count();
    let ended = Ended::from(process.wait_with_output().unwrap());
    server.restart();
    let there = this.state().len();
    if told < 100 {
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.err.contains("quire-import: "), "{ended:?}");
    }
    assert!(told <= there, "{told} were told to be imported, and {there} are there");
    this.expect(0, &["run", "--verify"]);
    assert_eq!(this.state().len(), 100);
}
