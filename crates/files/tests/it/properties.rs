//! Whatever a notebook holds: to either format and back.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quire_domain::{
    Cell, CellId, CellStatus, CellType, Extra, Json, Notebook, NotebookId, OrderKey, Output, Results, Revision,
    StoredConnection, Timestamp, UserId,
};
use quire_files::jupyter::{self, Identity};
use quire_files::{Format, quire};

use crate::support::defaults;

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("-0".to_owned()),
        Just("1e2".to_owned()),
        Just("123456789012345678901234567890".to_owned()),
        Just(r#""\u0000\ud800\\n\n""#.to_owned()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            vec(inner, 0..3).prop_map(|items| {
                let items: Vec<_> = items.iter().enumerate().map(|(n, it)| format!("\"k{n}\":{it}")).collect();
                format!("{{{}}}", items.join(","))
            }),
        ]
    });
    value.prop_map(|text| Json::parse(&text).unwrap())
}

fn text() -> impl Strategy<Value = Json> {
    "(?s).{0,20}|[a-z\n]{0,20}".prop_map(|text| Json::parse(&serde_json::to_string(&text).unwrap()).unwrap())
}

fn figure(data: &Json) -> Json {
    Json::parse(&format!("{{\"data\":{}}}", data.as_str())).unwrap()
}

fn output() -> impl Strategy<Value = Output> {
    let value = prop_oneof![
        (Just("text/plain".to_owned()), text()),
        (Just("image/png".to_owned()), Just(Json::parse(r#""iVBORw0KGgo=""#).unwrap())),
        (Just("text/html".to_owned()), Just(Json::parse(r#""<b>x</b>\ny""#).unwrap())),
        (Just("application/json".to_owned()), json()),
        (Just("application/vnd.plotly.v1+json".to_owned()), json().prop_map(|data| figure(&data))),
        (Just("image/webp".to_owned()), Just(Json::parse(r#""UklGRg==""#).unwrap())),
    ];
    (value, json()).prop_map(|((mime_type, data), metadata)| {
        let metadata = Json::parse(&format!("{{\"m\":{}}}", metadata.as_str())).unwrap();
        Output { mime_type, data, metadata }
    })
}

fn results() -> impl Strategy<Value = Results> {
    let status = prop_oneof![
        Just(CellStatus::Idle),
        Just(CellStatus::Success),
        Just(CellStatus::Error),
        Just(CellStatus::Blocked)
    ];
    let error = prop_oneof![
        "(?s).{1,20}",
        Just("Traceback\n  File\nValueError: \u{1b}[31mx".to_owned()),
        Just("\n".to_owned())
    ];
    let stdout = prop_oneof![Just(String::new()), "(?s).{0,20}", "[a-z\n\r]{0,20}"];
    let output = (stdout, option::of(error), vec(output(), 0..3));
    (status, output, option::of("[0-9a-f]{64}"), option::of("[0-9a-f]{32}"), [option::of(time()), option::of(time())])
        .prop_map(|(status, (stdout, error, outputs), code_digest, run_digest, [started_at, finished_at])| {
            let run_digest = run_digest.map(|digest| digest.parse().unwrap());
            Results { status, stdout, error, outputs, code_digest, run_digest, started_at, finished_at }
        })
}

/// Years 0 to 9999, to the microsecond.
fn time() -> impl Strategy<Value = Timestamp> {
    let micros = -62_000_000_000_000_000_i64..253_000_000_000_000_000;
    micros.prop_map(|micros| Timestamp::from_timestamp_micros(micros).unwrap())
}

fn cell() -> impl Strategy<Value = Cell> {
    let code = prop_oneof![
        "(?s).{0,30}",
        Just("a\0b\r\n\u{FDD0}".to_owned()),
        "# %% \\[(markdown|raw)\\] ?(\n(# ?[a-z#]{0,3}|x|))*",
    ];
    let cell_type = prop_oneof![3 => Just(CellType::Python), 1 => Just(CellType::Sql)];
    let extra = option::of(json())
        .prop_map(|json| Extra::new(json.into_iter().map(|json| (Box::from("later"), json)).collect()));
    (cell_type, code, option::of(results()), extra).prop_map(|(cell_type, code, results, extra)| Cell {
        id: CellId::new("later").unwrap(),
        order: OrderKey::at(0),
        cell_type,
        analysis: Arc::default(),
        code: code.into(),
        revision: Revision(0),
        broken: None,
        results: Arc::new(results.unwrap_or_default()),
        extra,
        run_digest: quire_domain::RunDigest::default(),
    })
}

fn notebook() -> impl Strategy<Value = Notebook> {
    let id = prop_oneof!["[a-zA-Z0-9_-]{1,70}", "[^\0]{1,20}"];
    let cells = vec((id, cell()), 0..6);
    (option::of("[^\0]{0,30}"), cells, any::<bool>()).prop_map(|(name, cells, reactive)| {
        let (id, owner) = (NotebookId::new("given").unwrap(), UserId::new("ann").unwrap());
        let mut notebook = Notebook::new(id, quire_domain::Life::UNRECORDED, owner, Timestamp::default());
        notebook.name = name.and_then(|name| Notebook::name_from(&name).unwrap());
        notebook.connection = StoredConnection::new("postgres://u:hunter2@h/d").unwrap();
        notebook.reactive = reactive;
        let mut seen = std::collections::HashSet::new();
        let cells = cells.into_iter().filter(|(id, _)| seen.insert(id.clone())).enumerate();
        notebook.cells = cells
            .map(|(n, (id, cell))| Cell { id: CellId::new(id).unwrap(), order: OrderKey::at(n), ..cell })
            .collect();
        notebook
    })
}

/// What must not change, with characters in JSON as themselves, however a file writes them.
fn content(notebook: &Notebook, with_extra: bool) -> Vec<String> {
    let extra = |cell: &Cell| -> Vec<(String, String)> {
        let known = cell.extra.iter().filter(|(name, _)| with_extra || *name != "jupyter");
        known.map(|(name, json)| (name.to_owned(), json.with_plain_characters().into_owned())).collect()
    };
    let cells = notebook.cells.iter().map(|cell| {
        let Results { status, stdout, error, outputs, code_digest, run_digest, started_at, finished_at } =
            &*cell.results;
        let outputs: Vec<_> = outputs
            .iter()
            .map(|it| (&it.mime_type, it.data.with_plain_characters(), it.metadata.with_plain_characters()))
            .collect();
        format!(
            "{} {:?} {:?} {status:?} {stdout:?} {error:?} {outputs:?} {code_digest:?} {run_digest:?} {started_at:?} \
             {finished_at:?} {:?}",
            cell.id,
            cell.cell_type,
            cell.code,
            extra(cell)
        )
    });
    cells.chain([format!("{:?} {}", notebook.name, notebook.reactive)]).collect()
}

/// For another reader, which is stricter than Jupyter with halves of surrogate pairs.
fn is_valid(notebook: &str) -> bool {
    nbformat::parse_notebook(&notebook.replace("\\ud800", "")).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn through_jupyter_and_back(notebook in notebook()) {
        let text = jupyter::write(&notebook, Identity::LeftOut);
        prop_assert!(!text.contains("hunter2"));
        let back = quire_files::import(text.as_bytes(), None, &defaults()).unwrap();
        prop_assert_eq!(back.notices, Vec::<String>::new());
        prop_assert_eq!(content(&back.notebook, false), content(&notebook, false));
        prop_assert_eq!(jupyter::write(&back.notebook, Identity::LeftOut), text);
    }

    #[test]
    fn through_our_own_format_and_back(notebook in notebook()) {
        let text = quire::export(&notebook).unwrap();
        prop_assert!(!text.contains("hunter2") && text.is_ascii());
        let back = quire_files::import(text.as_bytes(), None, &defaults()).unwrap();
        prop_assert_eq!(back.notices, Vec::<String>::new());
        prop_assert_eq!(content(&back.notebook, true), content(&notebook, true));
        prop_assert_eq!(back.notebook.connection, None);
    }

    #[test]
    fn through_jupyter_then_our_own_format_and_back_to_jupyter(notebook in notebook()) {
        let text = jupyter::write(&notebook, Identity::LeftOut);
        let first = quire_files::import(text.as_bytes(), None, &defaults()).unwrap().notebook;
        let ours = quire::export(&first).unwrap();
        let second = quire_files::import(ours.as_bytes(), None, &defaults()).unwrap().notebook;
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        let last = jupyter::write(&second, Identity::LeftOut);
        prop_assert_eq!(value(&last), value(&text));
    }

    #[test]
    fn any_bytes_are_a_notebook_or_an_error(text in "(?s).{0,60}", bytes in vec(any::<u8>(), 0..60)) {
        for bytes in [text.as_bytes(), &bytes] {
            for format in [None, Some(Format::Json), Some(Format::Ipynb)] {
                let _ = quire_files::import(bytes, format, &defaults());
            }
        }
    }

    #[test]
    fn any_json_in_the_place_of_any_other_is_a_notebook_or_an_error(values in vec(json(), 13)) {
        for hole in 0..13 {
            let at = |n: usize, usual: &str| if n == hole { values[n].as_str().to_owned() } else { usual.to_owned() };
            let text = format!(
                r#"{{"nbformat":{},"nbformat_minor":{},"metadata":{},"cells":[{{"cell_type":{},"id":{},"metadata":{},
                "source":{},"execution_count":{},"outputs":[{{"output_type":{},"data":{},"metadata":{},"text":{}}}]}}],"x":{}}}"#,
                at(0, "4"), at(1, "5"), at(2, "{}"), at(3, "\"code\""), at(4, "\"a\""), at(5, "{}"), at(6, "[]"),
                at(7, "null"), at(8, "\"display_data\""), at(9, "{}"), at(10, "{}"), at(11, "\"\""), at(12, "1"),
            );
            if let Ok(read) = quire_files::import(text.as_bytes(), Some(Format::Ipynb), &defaults()) {
                let back = jupyter::write(&read.notebook, Identity::LeftOut);
                let again = quire_files::import(back.as_bytes(), None, &defaults());
                prop_assert!(again.is_ok(), "{}", back);
                prop_assert!(is_valid(&back), "{}", back);
                prop_assert_eq!(jupyter::write(&again.unwrap().notebook, Identity::LeftOut), back);
            }
        }
    }

    #[test]
    fn whatever_is_kept_is_written_without_harm(kept in json(), of_cell in json(), notebook in notebook()) {
        let mut notebook = notebook;
        let hostile = |json: &Json| Extra::new(vec![(Box::from("jupyter"), json.clone())]);
        let wrapped = |json: &Json| Json::parse(&format!(
            r#"{{"metadata":{0},"outputs":[{{"stdout":3}},{{"shown":{0}}},{{"kept":{0}}},{0}],"other":{{"cell_type":{0},"more":{0}}},"tie":"x","cell_type":{0}}}"#,
            json.as_str()
        )).unwrap();
        notebook.extra = hostile(&kept);
        notebook.cells = notebook.cells.iter().enumerate().map(|(n, cell)| Cell {
            extra: hostile(&if n % 2 == 0 { of_cell.clone() } else { wrapped(&of_cell) }),
            ..Cell::clone(cell)
        }).collect();
        let back = jupyter::write(&notebook, Identity::Noted);
        prop_assert!(quire_files::import(back.as_bytes(), None, &defaults()).is_ok(), "{}", back);
        prop_assert!(is_valid(&back), "{}", back);
    }
}
