//! Notebooks inside another program, without HTTP: opens a directory, edits a notebook, watches the edits.
//!
//! `cargo run -p quire-service --example embed -- DIRECTORY`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quire_domain::{CellType, Place, UserId};
use quire_service::{EventKind, NotebookService, Options};
use quire_storage_json::JsonNotebookStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: embed DIRECTORY")?;
    run(&dir).await
}

async fn run(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let service = NotebookService::new(
        Arc::new(JsonNotebookStore::open(dir, quire_storage_json::Options::default())?),
        Options::default(),
    )?;

    let user = UserId::new("local")?;
    let notebook = service.create(&user).await?;
    let mut watch = service.watch(&user, &notebook).await?;
    if let Some(start) = watch.take_start() {
        println!("notebook {notebook} begins at revision {}", start.notebook.revision);
    }

    // Every edit is durable when its call returns.
    for code in ["x = 1", "y = x + 1", "print(y)"] {
        let source = (CellType::Python, Arc::from(code));
        service.insert_cell(&user, &notebook, None, source, Place::End).await?;
    }

    // The watcher gets the same changes, in the same order.
    for _ in 0..3 {
        let Some(event) = watch.next().await else { break };
        if let EventKind::Changed(change) = &event.kind {
            for cell in change.cells.iter().filter_map(|cell| cell.after.as_ref()) {
                let (reads, writes): (Vec<_>, Vec<_>) = (cell.reads().collect(), cell.writes().collect());
                println!("revision {}: {:?} reads {reads:?}, writes {writes:?}", change.revision.after, cell.code);
            }
        }
    }
    service.close().await;
    Ok(())
}

#[cfg(test)]
#[tokio::test]
async fn it_runs() -> Result<(), Box<dyn std::error::Error>> {
    run(tempfile::tempdir()?.path()).await
}
