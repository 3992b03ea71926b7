//! Loaded content equals stored content: text with any character, JSON with any spelling.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use quire_domain::{Cell, CellStatus, Edit, Extra, Json, Output, Place, Results, Revision, Timestamp};
use quire_storage::prelude::*;
use quire_test_postgres::Database;

use crate::support::{Editor, cell, cell_id, insert, kept, load, notebook, open, update};

/// Any text, and often the characters that need care.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        '\0', '\u{FDD0}', '0', '1', '\\', '"', '{', '}', ',', '\u{FFFF}', '😀', '\u{7F}', '\r',
    ]);
    prop::collection::vec(prop_oneof![special, any::<char>()], 0..24)
        .prop_map(|characters| characters.into_iter().collect())
}

/// The text between a JSON string's quotes: any character, plain or escaped, halves of surrogate pairs too.
fn json_string() -> impl Strategy<Value = String> {
    let plain = any::<char>().prop_filter("must be escaped", |c| *c >= ' ' && *c != '"' && *c != '\\');
    let escaped =
        any::<u16>().prop_flat_map(|unit| prop_oneof![Just(format!("\\u{unit:04x}")), Just(format!("\\u{unit:04X}"))]);
    let special = prop::sample::select(vec![
        "\\u0000",
        "\u{FDD0}",
        "\u{FDD0}0",
        "\\ud800",
        "\\uDC00",
        "\\ud83d\\ude00",
        "\\ude00\\ud83d",
        "\\\\u0000",
        "\\/",
        "/",
        "\\\"",
        "\\b\\f\\n\\r\\t",
        "\u{7F}",
        "\\ufdd0",
    ]);
    let part = prop_oneof![plain.prop_map(String::from), escaped, special.prop_map(str::to_owned)];
    prop::collection::vec(part, 0..8).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

/// JSON as text, spelt in every way that the grammar allows.
fn json() -> impl Strategy<Value = Json> {
    let number = prop::sample::select(vec![
        "-0",
        "0",
        "-0.0",
        "1e2",
        "1E+2",
        "1e-0",
        "0.10",
        "1.0",
        "9007199254740993",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "1e400",
        "-1E-400",
        "0.1000000000000000055511151231257827",
    ]);
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "[]", "{}", "[ ]", "{ }"]).prop_map(str::to_owned),
        number.prop_map(str::to_owned),
        json_string(),
    ];
    let nested = leaf.prop_recursive(5, 24, 5, |inner| {
        let space = prop::sample::select(vec!["", " ", "\n", "\t", "\r\n  "]);
        // Few names, so that some come twice in an object, in any order.
        let name =
            prop_oneof![json_string(), prop::sample::select(vec!["\"b\"", "\"a\"", "\"\""]).prop_map(str::to_owned)];
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), space.clone())
                .prop_map(|(values, space)| format!("[{space}{}]", values.join(&format!("{space},")))),
            (prop::collection::vec((name, inner), 0..5), space).prop_map(|(fields, space)| {
                let fields: Vec<_> =
                    fields.into_iter().map(|(name, value)| format!("{name}{space}:{space}{value}")).collect();
                format!("{{{space}{}{space}}}", fields.join(&format!(",{space}")))
            }),
        ]
    });
    nested.prop_map(|text| Json::parse(&text).unwrap())
}

fn extra() -> impl Strategy<Value = Extra> {
    let fields = prop::collection::vec((text(), json()), 0..4);
    fields.prop_map(|fields| Extra::new(fields.into_iter().map(|(name, json)| (name.into_boxed_str(), json)).collect()))
}

/// Years 0 to 9999, to the microsecond.
fn time() -> impl Strategy<Value = Timestamp> {
    let micros = -62_000_000_000_000_000_i64..253_000_000_000_000_000;
    micros.prop_map(|micros| Timestamp::from_timestamp_micros(micros).unwrap())
}

prop_compose! {
    fn results()(
        status in prop::sample::select(vec![CellStatus::Idle, CellStatus::Success, CellStatus::Error, CellStatus::Blocked, CellStatus::Running]),
        stdout in text(),
        error in prop::option::of(text()),
        outputs in prop::collection::vec((json(), json()), 0..4),
        code_digest in prop::option::of("[0-9a-f]{64}"),
        run_digest in prop::option::of("[0-9a-f]{32}".prop_map(|digest| digest.parse().unwrap())),
        times in prop::array::uniform2(prop::option::of(time())),
    ) -> Results {
        let output = |(data, metadata)| Output { mime_type: "application/x+json; é=\"\u{FDD0}\"".into(), data, metadata };
        Results { status, stdout, error, outputs: outputs.into_iter().map(output).collect(), code_digest, run_digest, started_at: times[0], finished_at: times[1] }
    }
}

prop_compose! {
    fn any_cell()(
        code in text(),
        names in prop::collection::vec(text(), 0..4),
        revision in 0..Revision::MAX.0,
        results in results(),
        extra in extra(),
    ) -> Cell {
        Cell {
            code: code.into(),
            revision: Revision(revision),
            analysis: Cell::stored_names(names.clone(), names),
            results: results.into(),
            extra,
            run_digest: quire_domain::RunDigest::default(),
            ..cell(0, "a", "")
        }
    }
}

/// The cases share one database; each has notebooks of its own.
#[test]
fn everything_comes_back_as_the_same_text() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let database = runtime.block_on(Database::fresh());
    let store = runtime.block_on(async { open(&database) });
    let case = AtomicU32::new(0);
    let values = (any_cell(), text(), text(), results(), results(), extra());
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&values, |(first, one, two, ran, ran_later, unknown)| {
        let name = format!("case {}", case.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let mut made = notebook(&name, &[]);
            made.extra = unknown;
            made.cells = [first.clone()].into_iter().collect();
            store.create(&made, None).await.unwrap();
            let created = load(&*store, &made.id).await;
            prop_assert_eq!(kept(&created), kept(&made));
            let loaded = created.cells.get(0).unwrap();
            prop_assert_eq!(loaded.reads().collect::<Vec<_>>(), first.reads().collect::<Vec<_>>());
            prop_assert_eq!(loaded.writes().collect::<Vec<_>>(), first.writes().collect::<Vec<_>>());

            // By way of each statement that edits have.
            let mut editor = Editor::load(&*store, &made.id).await;
            let ran = Edit::SetResults { id: cell_id("a"), results: ran.into() };
            let ran_later = Edit::SetResults { id: cell_id("b"), results: ran_later.into() };
            for edits in
                [vec![update("a", &one)], vec![insert("b", &two, Place::Start), ran_later, ran, update("a", &two)]]
            {
                editor.commit(&*store, &edits).await.unwrap();
                prop_assert_eq!(kept(&load(&*store, &made.id).await), kept(editor.notebook()));
            }
            let base = editor.notebook().base();
            made.revision = Revision(base.revision.0 + 1);
            store.replace(base, &made).await.unwrap();
            prop_assert_eq!(kept(&load(&*store, &made.id).await), kept(&made));
            Ok(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
