//! Results live beside the notebooks: old files' results are moved there, and losing them loses no code.

use std::fs;
use std::path::Path;

use quire_storage::prelude::*;

use crate::support::{Served, commit, edit, id, insert, load, notebook, printed, update};

const OLD: &str = r#"{"id":"old","user_id":"ann","revision":5,"cells":[
 {"id":"a","type":"python","code":"1","stdout":"from the file","outputs":[{"mime_type":"text/plain","data":"1","metadata":{}}],"error":null},
 {"id":"b","type":"python","code":"2","stdout":"also from the file"}]}"#;

fn outputs(dir: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(dir.join(".quire/outputs")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn results_inside_a_file_are_moved_by_the_first_write() {
    for edits in [vec![update("a", "10")], vec![printed("b", "new")], vec![update("a", "10"), printed("b", "new")]] {
        let mut served = Served::with_files([("old.json", OLD)]);
        let mut view = load(&served, "old").await;
        assert_eq!((view.stdout("a"), view.stdout("b")), ("from the file", "also from the file"));
        commit(&served, &mut view, &edits).await.unwrap();
        let expected = view.stdout("b").to_owned();
        let text = served.read("old.json");
        assert!(!text.contains("stdout") && !text.contains("outputs"), "{text}");
        for _ in 0..2 {
            let again = load(&served, "old").await;
            assert_eq!((again.stdout("a"), again.stdout("b")), ("from the file", &*expected));
            assert_eq!(again.0.notebook().cells.get(0).unwrap().results.outputs.len(), 1);
            assert_eq!(again.revision(), view.revision());
            served.restart_after(|_| {});
        }
    }
}

/// The results are moved first, so a crash in between leaves them in both places, and loses none.
#[tokio::test]
async fn a_crash_while_results_are_moved_loses_none() {
    let mut served = Served::with_files([("old.json", OLD)]);
    edit(&served, "old", &[update("a", "10")]).await.unwrap();
    // As if the file had not been replaced yet.
    served.restart_after(|dir| fs::write(dir.join("old.json"), OLD).unwrap());
    let view = load(&served, "old").await;
    assert_eq!((view.code("a"), view.stdout("a"), view.stdout("b")), ("1", "from the file", "also from the file"));
    edit(&served, "old", &[insert("c", "3")]).await.unwrap();
    let view = load(&served, "old").await;
    assert_eq!((view.code("a"), view.stdout("a"), view.stdout("b")), ("1", "from the file", "also from the file"));
}

/// Results of a group whose file was not replaced before the crash are as if they had never been.
#[tokio::test]
async fn a_crash_between_results_and_file_shows_neither() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    edit(&served, "x", &[printed("a", "one")]).await.unwrap();
    let before = served.read("x.json");
    let index = fs::read(served.path(".quire/index.jsonl")).unwrap();
    edit(&served, "x", &[update("a", "2"), printed("a", "two")]).await.unwrap();
    let view = load(&served, "x").await;
    assert_eq!((view.code("a"), view.stdout("a")), ("2", "two"));
    served.restart_after(|dir| {
        fs::write(dir.join("x.json"), &before).unwrap();
        fs::write(dir.join(".quire/index.jsonl"), &index).unwrap();
    });
    let view = load(&served, "x").await;
    assert_eq!((view.code("a"), view.stdout("a"), view.revision()), ("1", "one", 1));
    // Nor does the next commit make them true.
    edit(&served, "x", &[update("a", "3")]).await.unwrap();
    let view = load(&served, "x").await;
    assert_eq!((view.code("a"), view.stdout("a"), view.revision()), ("3", "one", 2));
}

#[tokio::test]
async fn losing_results_loses_no_code() {
    for spoil in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, "").unwrap(),
        |path: &Path| fs::write(path, "quire-results 1 99999999999999999999 00\n{}").unwrap(),
        |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
        },
    ] {
        let mut served = Served::new();
        served.create(&notebook("x", "1"), None).await.unwrap();
        edit(&served, "x", &[printed("a", "one")]).await.unwrap();
        served.restart_after(|dir| outputs(dir).iter().for_each(|path| spoil(path)));
        let view = load(&served, "x").await;
        assert_eq!((view.code("a"), view.stdout("a"), view.revision()), ("1", "", 1));
        edit(&served, "x", &[printed("a", "again")]).await.unwrap();
        edit(&served, "x", &[update("a", "2")]).await.unwrap();
        served.restart_after(|_| {});
        assert_eq!(load(&served, "x").await.stdout("a"), "again");
    }
}

#[tokio::test]
async fn results_lost_while_serving_lose_no_later_ones() {
    for spoil in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, "").unwrap(),
        |path: &Path| fs::write(path, "quire").unwrap(),
    ] {
        let mut served = Served::new();
        served.create(&notebook("x", "1"), None).await.unwrap();
        edit(&served, "x", &[printed("a", "one")]).await.unwrap();
        for path in outputs(served.dir()) {
            spoil(&path);
        }
        edit(&served, "x", &[printed("a", "two")]).await.unwrap();
        assert_eq!(load(&served, "x").await.stdout("a"), "two");
        edit(&served, "x", &[insert("b", "2"), printed("b", "three")]).await.unwrap();
        for _ in 0..2 {
            let view = load(&served, "x").await;
            assert_eq!((view.stdout("a"), view.stdout("b")), ("two", "three"));
            served.restart_after(|_| {});
        }
    }
}

/// A file that another program has put back, as `rsync` does, is another file with the same name.
#[tokio::test]
async fn results_put_back_while_serving_stay_with_later_ones() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    edit(&served, "x", &[printed("a", "one"), insert("b", "2"), printed("b", "two")]).await.unwrap();
    for path in outputs(served.dir()) {
        let copy = served.dir().join("copy");
        fs::copy(&path, &copy).unwrap();
        fs::rename(&copy, &path).unwrap();
    }
    edit(&served, "x", &[printed("a", "three")]).await.unwrap();
    for _ in 0..2 {
        let view = load(&served, "x").await;
        assert_eq!((view.stdout("a"), view.stdout("b")), ("three", "two"));
        served.restart_after(|_| {});
    }
}

/// Results that were acknowledged stay, also those that came with revisions which the older file does not have yet.
#[tokio::test]
async fn an_older_file_from_a_backup_loses_no_results() {
    let mut served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let old = served.read("x.json");
    edit(&served, "x", &[update("a", "2"), printed("a", "kept")]).await.unwrap();
    edit(&served, "x", &[insert("b", "3"), printed("b", "of b")]).await.unwrap();
    served.restart_after(|dir| fs::write(dir.join("x.json"), &old).unwrap());
    assert_eq!(load(&served, "x").await.stdout("a"), "kept");
}

#[tokio::test]
async fn results_do_not_rewrite_the_file_and_do_not_pile_up() {
    let served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let before = fs::metadata(served.path("x.json")).unwrap();
    let large = "x".repeat(500_000);
    for number in 0..40 {
        edit(&served, "x", &[printed("a", &format!("{number}{large}"))]).await.unwrap();
    }
    assert_eq!(load(&served, "x").await.stdout("a"), format!("39{large}"));
    let after = fs::metadata(served.path("x.json")).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    let size: u64 = outputs(served.dir()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(size < 4_000_000, "{size} bytes for results of 500,000");
    let text = served.read("x.json").len();
    edit(&served, "x", &[update("a", "2")]).await.unwrap();
    assert_eq!(served.read("x.json").len(), text, "a keystroke does not write output");
}

/// No change of ours says that these cells are gone.
#[tokio::test]
async fn results_of_cells_removed_from_outside_do_not_pile_up() {
    let served = Served::new();
    served.create(&notebook("x", "1"), None).await.unwrap();
    let large = "x".repeat(900_000);
    let mut cell = "a".to_owned();
    for number in 0..12 {
        let next = format!("cell {number}");
        let text = served.read("x.json").replace(&format!("\"id\": \"{cell}\""), &format!("\"id\": \"{next}\""));
        served.write("x.json", &text);
        edit(&served, "x", &[printed(&next, &large)]).await.unwrap();
        assert_eq!(load(&served, "x").await.stdout(&next).len(), large.len());
        cell = next;
    }
    let size: u64 = outputs(served.dir()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(size < 2_000_000, "{size} bytes for results of 900,000");
}

#[tokio::test]
async fn deleting_removes_results_and_starting_removes_orphans() {
    let mut served = Served::new();
    for name in ["x", "y"] {
        served.create(&notebook(name, "1"), None).await.unwrap();
        edit(&served, name, &[printed("a", name)]).await.unwrap();
    }
    assert_eq!(outputs(served.dir()).len(), 2);
    served.delete_current(&id("x"), None).await.unwrap();
    assert_eq!(outputs(served.dir()).len(), 1);
    // As long as a file does not tell which notebook it is, it may be that of any results.
    served.restart_after(|dir| fs::rename(dir.join("y.json"), dir.join("=y.json")).unwrap());
    served.restart_after(|dir| {
        let text = fs::read_to_string(dir.join("=y.json")).unwrap();
        fs::write(dir.join("=y.json"), "{").unwrap();
        fs::write(dir.join("keep.txt"), text).unwrap();
        fs::remove_dir_all(dir.join(".quire")).unwrap_or_default();
    });
    let results = tempfile_results(served.dir());
    served.restart_after(|dir| fs::write(dir.join(".quire/outputs/orphan.results"), &results).unwrap());
    assert_eq!(outputs(served.dir()).len(), 1, "kept while a file is nameless");
    served.restart_after(|dir| fs::rename(dir.join("keep.txt"), dir.join("=y.json")).unwrap());
    assert_eq!(outputs(served.dir()).len(), 0);
}

fn tempfile_results(_dir: &Path) -> Vec<u8> {
    b"quire-results 1 2 00\n{}\n".to_vec()
}
