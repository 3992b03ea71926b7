//! How long a search takes for a user with 1,000 notebooks among 100,000, each of 20 cells of 600 bytes:
//! `cargo bench -p quire-storage-postgres --bench search`; needs some 4 GB of disk and a few minutes.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::time::Instant;

use quire_domain::UserId;
use quire_storage::prelude::*;
use quire_storage::{PageRequest, SearchRequest, SearchText};
use quire_storage_postgres::{DatabaseUrl, Options, PostgresNotebookStore};
use quire_test_postgres::{Database, Server, Settings};
use tokio::runtime::Runtime;

const SAMPLES: usize = 100;

/// The user's notebooks lie among the others', as when all are made over time.
const FILL: &str = "
    INSERT INTO users (id) SELECT 'user' || n FROM generate_series(0, 99) n;
    INSERT INTO notebooks (id, user_id, name, revision, version, commit_ids, commit_versions, created_at, updated_at)
    SELECT 'notebook' || n, 'user' || n % 100, 'Notebook ' || n, 0, nextval('notebook_versions'),
        ARRAY[gen_random_uuid()], ARRAY[]::bigint[], now() + n * interval '1 ms', now()
    FROM generate_series(0, 99999) n;
    INSERT INTO cells (notebook_id, id, order_key, type, code, reads, writes, revision)
    SELECT 'notebook' || n, gen_random_uuid(), 'a' || chr(ascii('A') + c), 'python',
        left('value_' || c || ' = value + ' || c || E'\\n' || repeat(md5(n::text || c::text), 19), 600),
        ARRAY['value'], ARRAY['value_' || c], 0
    FROM generate_series(0, 99999) n, generate_series(0, 19) c";

fn main() {
    let conf = vec!["shared_buffers = 256MB".to_owned(), "max_wal_size = 4GB".to_owned()];
    let server = Server::start(&Settings { fsync: false, conf, ..Settings::default() });
    Runtime::new().unwrap().block_on(async {
        let database = Database::on(&server).await;
        let mut connection = database.connect().await;
        for work in [FILL, "VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"] {
            sqlx::raw_sql(work).execute(&mut connection).await.unwrap();
        }
        let url = DatabaseUrl::parse(database.url()).unwrap();
        let store = PostgresNotebookStore::new(url, Options::default()).unwrap();
        let page = PageRequest { limit: Some(50), after: None };
        for (what, text) in [
            ("text that is nowhere", "no such text"),
            ("text in the last notebook alone", "Notebook 99907"),
            ("text in every notebook", "VALUE_7"),
        ] {
            let text = SearchText::new(text).unwrap();
            let mut times = Vec::new();
            let mut found = 0;
            for sample in 0..SAMPLES {
                // One user again and again; that others' are in the way is what the first search of each shows.
                let owner = UserId::new(format!("user{}", if sample < 50 { 7 } else { sample })).unwrap();
                let start = Instant::now();
                let search = SearchRequest { owner: &owner, text: &text, page: &page };
                found = found.max(store.search(search).await.unwrap().hits.len());
                times.push(start.elapsed());
            }
            let (again, first) = times.split_at_mut(50);
            again.sort();
            first.sort();
            println!(
                "{what} ({found} found): again and again median {:?}, longest {:?}; each user's first median {:?}, longest {:?}",
                again[25], again[49], first[25], first[49]
            );
        }
    });
}
