//! Any notebook survives the way through its file.

use std::sync::Arc;

use proptest::prelude::*;
use quire_domain::{
    Cell, CellId, CellStatus, CellType, Extra, Json, Life, Notebook, NotebookId, OrderKey, Output, Results, Revision,
    StoredConnection, Timestamp, UserId,
};
use quire_storage::prelude::*;
use uuid::Uuid;

use crate::support::Served;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z \n\\\\\"{}\\[\\]\u{0}\u{7f}é\u{FDD0}😀]{0,40}"]
}

fn text_without_nul() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace('\0', "").chars().take(200).collect())
}

fn id_text() -> impl Strategy<Value = String> {
    text_without_nul().prop_map(|text| if text.is_empty() { "_".to_owned() } else { text })
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|number| format!("{number:e}")),
        text().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let nested = leaf.prop_recursive(4, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| format!("[{}]", values.join(", "))),
            prop::collection::vec((text(), inner), 0..4).prop_map(|fields| {
                let fields: Vec<_> =
                    fields.into_iter().map(|(k, v)| format!("{}:{v}", serde_json::to_string(&k).unwrap())).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    });
    nested.prop_map(|text| Json::parse(&text).unwrap())
}

fn extra() -> impl Strategy<Value = Extra> {
    let fields = prop::collection::vec(json(), 0..3);
    // ASCII, since elsewhere the spelling may change.
    fields.prop_map(|values| {
        let ascii = |json: &Json| json.as_str().chars().filter(char::is_ascii).collect::<String>();
        let field = |(i, json)| (format!("field {i}").into_boxed_str(), Json::parse(&ascii(&json)).unwrap());
        Extra::new(values.into_iter().enumerate().map(field).collect())
    })
}

/// Years 0 to 9999, to the microsecond.
fn time() -> impl Strategy<Value = Timestamp> {
    let micros = -62_000_000_000_000_000_i64..253_000_000_000_000_000;
    micros.prop_map(|micros| Timestamp::from_timestamp_micros(micros).unwrap())
}

prop_compose! {
    fn results()(
        status in prop_oneof![Just(CellStatus::Idle), Just(CellStatus::Success), Just(CellStatus::Error), Just(CellStatus::Running)],
        stdout in text(),
        error in prop::option::of(text()),
        data in prop::collection::vec(json(), 0..3),
        code_digest in prop::option::of("[0-9a-f]{64}"),
        run_digest in prop::option::of("[0-9a-f]{32}".prop_map(|digest| digest.parse().unwrap())),
        times in prop::array::uniform2(prop::option::of(time())),
    ) -> Results {
        let metadata = Json::parse("{\"k\": 1e0}").unwrap();
        let output = |data| Output { mime_type: "application/json".into(), data, metadata: metadata.clone() };
        Results { status, stdout, error, outputs: data.into_iter().map(output).collect(), code_digest, run_digest, started_at: times[0], finished_at: times[1] }
    }
}

prop_compose! {
    fn cell()(
        id in id_text(),
        sql in any::<bool>(),
        code in text(),
        names in prop::collection::vec(text(), 0..4),
        revision in 0..Revision::MAX.0,
        results in results(),
        extra in extra(),
    ) -> Cell {
        Cell {
            id: CellId::new(id).unwrap(),
            order: OrderKey::at(0),
            cell_type: if sql { CellType::Sql } else { CellType::Python },
            code: code.into(),
            revision: Revision(revision),
            analysis: Cell::stored_names(names.clone(), names),
            broken: None,
            results: Arc::new(results),
            extra,
            run_digest: quire_domain::RunDigest::default(),
        }
    }
}

prop_compose! {
    fn notebook()(
        id in id_text(),
        life in any::<u128>(),
        owner in id_text(),
        name in text_without_nul(),
        connection in text_without_nul(),
        revision in 0..Revision::MAX.0,
        at in time(),
        reactive in any::<bool>(),
        cells in prop::collection::vec(cell(), 0..5),
        extra in extra(),
    ) -> Notebook {
        let (id, owner) = (NotebookId::new(id).unwrap(), UserId::new(owner).unwrap());
        let mut notebook = Notebook::new(id, Life::new(Uuid::from_u128(life)), owner, at);
        notebook.name = Notebook::name_from(&name).unwrap();
        notebook.connection = StoredConnection::new(&connection).unwrap();
        notebook.revision = Revision(revision);
        notebook.extra = extra;
        notebook.reactive = reactive;
        let mut seen = std::collections::HashSet::new();
        let cells = cells.into_iter().filter(|cell| seen.insert(cell.id.clone())).enumerate();
        notebook.cells = cells.map(|(index, cell)| Cell { order: OrderKey::at(index), ..cell }).collect();
        notebook
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_notebook_survives_its_file(notebook in notebook()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut served = Served::new();
        runtime.block_on(async { served.create(&notebook, None).await }).unwrap();
        let names = served.names();
        prop_assert_eq!(names.len(), 1);
        let text = served.read(&names[0]);
        prop_assert!(text.is_ascii());
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        served.restart_after(|dir| std::fs::remove_file(dir.join(".quire/index.jsonl")).unwrap());
        let loaded = runtime.block_on(async { served.load(&notebook.id).await }).unwrap().unwrap().notebook;
        prop_assert_eq!(loaded, notebook);
    }

    /// No text, however damaged, makes the store fail or change it.
    #[test]
    fn any_text_is_either_read_or_named(start in 0_usize..400, length in 0_usize..400, byte in any::<u8>()) {
        let sound = include_bytes!("../fixtures/unknown.json");
        let mut bytes = sound.to_vec();
        let end = (start + length).min(bytes.len());
        if length % 2 == 0 {
            bytes.truncate(end);
        } else if let Some(place) = bytes.get_mut(start) {
            *place = byte;
        }
        let dir = tempfile::TempDir::new().unwrap();
        std::fs::write(dir.path().join("unknown.json"), &bytes).unwrap();
        let store = crate::support::open(dir.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (sound, named) = runtime.block_on(async {
            let owner = quire_storage::ListFilter::of(UserId::new("ann").unwrap());
            let page = store.list(&owner, &quire_storage::PageRequest::default()).await.unwrap();
            (page.notebooks.len(), page.damaged.len())
        });
        // One of both, or somebody else's since the owner's name was hit.
        prop_assert!(sound + named <= 1);
        prop_assert_eq!(std::fs::read(dir.path().join("unknown.json")).unwrap(), bytes);
    }
}
