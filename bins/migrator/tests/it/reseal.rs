//! Tests of changing the secret key.

use quire_domain::{ConnectionString, Notebook, NotebookId, SecretKey, SecretKeys, Timestamp, UserId};
use quire_migration::STEPS;
use quire_storage::prelude::*;
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};

use crate::support::{Ended, execute, migrated, migrator};

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PASSWORD: &str = "tr0ub4dor-and-3";
/// Number of notebooks; enough to show that all are found.
const NOTEBOOKS: u8 = 200;

fn keys(current: &str) -> SecretKeys {
    SecretKeys { current: SecretKey::parse(current).unwrap(), old: None }
}

fn plain(number: u8) -> ConnectionString {
    ConnectionString::new(&format!("postgres://reader:{PASSWORD}@db/{number}")).unwrap().unwrap()
}

fn notebook(number: u8) -> Notebook {
    let (id, owner) = (NotebookId::new(format!("n{number:03}")).unwrap(), UserId::new("ann").unwrap());
    let mut notebook = Notebook::new(id, quire_domain::Life::UNRECORDED, owner, Timestamp::default());
    if !number.is_multiple_of(10) {
        let sealed = keys(OLD).seal(&plain(number), &notebook.id, &notebook.owner, [number; 24]);
        notebook.connection = Some(sealed.unwrap());
    }
    notebook
}

#[tokio::test]
async fn every_connection_string_is_under_the_new_key_afterwards() {
    let database = migrated(STEPS).await;
    let store = PostgresNotebookStore::new(DatabaseUrl::parse(database.url()).unwrap(), Options::default()).unwrap();
    for number in 0..NOTEBOOKS {
        store.create(&notebook(number), None).await.unwrap();
    }
    // A string that was sealed for another notebook, and cannot be opened in this one.
    let moved = "UPDATE notebooks SET db_conn_sealed = (SELECT db_conn_sealed FROM notebooks WHERE id = 'n001')
        WHERE id = 'n002'";
    execute(&mut database.connect().await, moved).await;
    let before = store.load(&notebook(3).id).await.unwrap().unwrap();

    let reseal = |new: &str, old: &str| -> Ended {
        let mut command = migrator(&["reseal"]);
        command.env("DATABASE_URL", database.url()).env("QUIRE_SECRET_KEY", new).env("QUIRE_SECRET_KEY_OLD", old);
        command.output().unwrap().into()
    };
    let told = |ended: &Ended| {
        let all = format!("{}{}", ended.out, ended.err);
        assert!(!all.contains(PASSWORD) && !all.contains(&NEW[..20]) && !all.contains(&OLD[..20]), "{all}");
        all
    };
    assert_eq!(reseal("", "").code, Some(2), "without a key");
    let first = reseal(NEW, OLD);
    let said = told(&first);
    assert_eq!(first.code, Some(1), "{said}");
    assert!(said.contains("notebook n002: the connection string cannot be opened"), "{said}");
    assert!(said.contains("179 connection strings sealed anew, 0 were under the current key, 1 cannot"), "{said}");
    let second = reseal(NEW, OLD);
    assert!(told(&second).contains("0 connection strings sealed anew, 179 were"), "{second:?}");

    for number in 0..NOTEBOOKS {
        let loaded = store.load(&notebook(number).id).await.unwrap().unwrap().notebook;
        assert_eq!(loaded.revision, notebook(number).revision);
        let Some(stored) = &loaded.connection else { continue };
        let opened = keys(NEW).open(stored, &loaded.id, &loaded.owner).ok();
        assert_eq!(opened, (number != 2).then(|| plain(number)), "{number}");
    }
    let after = store.load(&notebook(3).id).await.unwrap().unwrap();
    assert!(after.version > before.version, "whoever has the notebook in memory is not told");
}
