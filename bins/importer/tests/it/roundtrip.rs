//! Round trip of any notebook: database, files, database.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quire_domain::{
    Cell, CellId, CellStatus, CellType, Extra, Json, Notebook, NotebookId, OrderKey, Output, Results, Revision,
    SecretKey, SecretKeys, StoredConnection, Timestamp, UserId,
};

use crate::support::{KEY, Move, runtime};

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-0".to_owned()),
        Just("1e2".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        Just(r#""\u0000\ud800""#.to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(" ,"))),
            vec(inner, 0..3).prop_map(|items| format!(
                "{{{}}}",
                items.iter().map(|it| format!("\"k\": {it}")).collect::<Vec<_>>().join(",")
            )),
        ]
    });
    value.prop_map(|text| Json::parse(&text).unwrap())
}

fn extra() -> impl Strategy<Value = Extra> {
    vec(("x[a-zäé]{0,5}", json()), 0..3).prop_map(|fields| {
        Extra::new(
            fields.into_iter().enumerate().map(|(n, (name, json))| (format!("{name}{n}").into(), json)).collect(),
        )
    })
}

fn results() -> impl Strategy<Value = Results> {
    let status = prop_oneof![Just(CellStatus::Success), Just(CellStatus::Error), Just(CellStatus::Running)];
    let output = ("[a-z/]{1,20}", json(), json()).prop_map(|(mime_type, data, metadata)| {
        let metadata = Json::parse(&format!("{{\"m\":{}}}", metadata.as_str())).unwrap();
        Output { mime_type, data, metadata }
    });
    let time = (-62_000_000_000_000_000_i64..253_000_000_000_000_000)
        .prop_map(|micros| Timestamp::from_timestamp_micros(micros).unwrap());
    let output = (any::<String>(), option::of(any::<String>()), vec(output, 0..3));
    let digests = (option::of("[0-9a-f]{64}"), option::of("[0-9a-f]{32}"));
    (status, output, digests, option::of(time.clone()), option::of(time)).prop_map(
        |(status, (stdout, error, outputs), (code_digest, run_digest), started_at, finished_at)| {
            let run_digest = run_digest.map(|digest| digest.parse().unwrap());
            Results { status, stdout, error, outputs, code_digest, run_digest, started_at, finished_at }
        },
    )
}

fn cell() -> impl Strategy<Value = Cell> {
    let code = prop_oneof![any::<String>(), "[a-z]{1,3} = [a-z]{1,3}\n", Just("a\0b\r\n\u{FDD0}".to_owned())];
    let cell_type = prop_oneof![Just(CellType::Python), Just(CellType::Sql)];
    (cell_type, code, option::of(results()), extra(), 0..50_i64).prop_map(
        |(cell_type, code, results, extra, revision)| Cell {
            id: CellId::new("later").unwrap(),
            order: OrderKey::at(0),
            cell_type,
            analysis: Arc::new(quire_domain::analyse(cell_type, &code)),
            code: code.into(),
            revision: Revision(revision),
            broken: None,
            results: Arc::new(results.unwrap_or_default()),
            extra,
            run_digest: quire_domain::RunDigest::default(),
        },
    )
}

fn notebook() -> impl Strategy<Value = Notebook> {
    let id = prop_oneof!["[a-zA-Z0-9_-]{1,20}", "[^\0]{1,20}"];
    let head = (id, "[^\0]{1,20}", option::of("[^\0]{0,30}"), option::of("postgres://u:[a-z@/é]{0,9}@h/d"));
    (head, 0..100_i64, 0..2_000_000_000_000_000_i64, extra(), vec(cell(), 0..6)).prop_map(
        |((id, owner, name, string), revision, time, extra, cells)| {
            let mut notebook = Notebook::new(
                NotebookId::new(id).unwrap(),
                quire_domain::Life::UNRECORDED,
                UserId::new(owner).unwrap(),
                Timestamp::from_timestamp_micros(time).unwrap(),
            );
            notebook.name = name.and_then(|name| Notebook::name_from(&name).unwrap());
            notebook.connection = string.and_then(|string| {
                let plain = quire_domain::ConnectionString::new(&string).unwrap()?;
                let keys = SecretKeys { current: SecretKey::parse(KEY).unwrap(), old: None };
                let sealed: StoredConnection = keys.seal(&plain, &notebook.id, &notebook.owner, [7; 24]).unwrap();
                Some(sealed)
            });
            notebook.revision = Revision(revision);
            notebook.extra = extra;
            let numbered = cells.into_iter().enumerate();
            notebook.cells = numbered
                .map(|(n, cell)| Cell { id: CellId::new(format!("c{n}")).unwrap(), order: OrderKey::at(n), ..cell })
                .collect();
            notebook
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, max_shrink_iters: 30, ..ProptestConfig::default() })]

    #[test]
    fn what_is_exported_and_imported_is_what_was_there(notebooks in vec(notebook(), 1..25)) {
        let this = Move::new();
        let store = this.store();
        for notebook in &notebooks {
            let _ = runtime().block_on(store.create(notebook, None)); // an id may occur twice
        }
        let files = this.dir.path().join("files");
        let run = |this: &Move, arguments: &[&str]| {
            let output = this.command(arguments).env("QUIRE_SECRET_KEY", KEY).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        run(&this, &["export", "--to", files.to_str().unwrap()]);
        let other = Move::new();
        run(&other, &["run", "--verify", "--notebooks-dir", files.to_str().unwrap()]);
        let comparable = |this: &Move| this.state().into_iter().map(|mut notebook| {
            let digest = notebook.content_digest();
            // Unknown fields may return with other escapes of their characters, which the digest ignores; names read
            // and written are derived.
            let cell = |cell: &Arc<Cell>| Cell {
                order: OrderKey::at(0), analysis: Arc::default(), extra: Extra::default(), ..Cell::clone(cell)
            };
            notebook.cells = notebook.cells.iter().map(cell).collect();
            notebook.extra = Extra::default();
            (digest, notebook)
        }).collect::<Vec<_>>();
        prop_assert_eq!(comparable(&this), comparable(&other));
    }
}
