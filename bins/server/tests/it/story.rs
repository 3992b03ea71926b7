//! Tests that `docs/api.md` is true: its commands run in order against a server, and each answer is compared with the
//! one below.

use std::process::{Command, Stdio};

use crate::support::Server;

const STORY: &str = include_str!("../../../../docs/api.md");

/// Replaces `curl` by a silent one that appends a line with the status.
const PRELUDE: &str = r#"
set -euo pipefail
curl() {
    : >"$folder/body"
    command curl --disable --noproxy '*' --silent --show-error --output "$folder/body" --write-out '%{http_code}\n' "$@" >"$folder/status"
    { cat "$folder/status"; cat "$folder/body"; printf '\036\n'; } >>"$folder/answers"
    cat "$folder/body"
}
"#;

/// A block of the page: its commands, and the answer below it.
struct Step {
    lines: String,
    answer: Option<String>,
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::<Step>::new();
    let mut blocks = STORY.split("\n```").skip(1);
    while let (Some(block), Some(_prose)) = (blocks.next(), blocks.next()) {
        let (kind, text) = block.split_once('\n').unwrap();
        match kind {
            "sh" => steps.push(Step { lines: text.to_owned(), answer: None }),
            // Text that is typed elsewhere begins with a prompt.
            _ if text.starts_with('$') => {}
            _ => steps.last_mut().unwrap().answer = Some(text.to_owned()),
        }
    }
    steps
}

#[test]
fn it_is_as_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let python = std::env::var("QUIRE_TEST_PYTHON").expect("scripts/test names a Python with ipykernel");
    let server = Server::with(&dir.path().join("notebooks"), &["--python", &python]);
    let steps = steps();
    let mut script = PRELUDE.to_owned();
    for step in &steps {
        script.push_str(&step.lines);
        script.push_str("\nprintf '\\035' >>\"$folder/answers\"\n");
    }
    let script = script.replace("localhost:8000", &format!("127.0.0.1:{}", server.port));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script])
        .current_dir(dir.path())
        .env("folder", dir.path())
        .env_remove("token")
        .stdout(Stdio::null());
    let status = bash.status().expect("bash and curl are there: the packages bash and curl");
    let answers = std::fs::read_to_string(dir.path().join("answers")).unwrap();
    assert!(status.success(), "after {answers}");

    let answers: Vec<_> = answers.split_terminator('\u{1d}').collect();
    assert_eq!(answers.len(), steps.len());
    assert!(steps.len() > 20, "the page's blocks are not recognised");
    for (Step { lines, answer }, given) in steps.iter().zip(answers) {
        let mut given: Vec<_> = given.split_terminator("\u{1e}\n").collect();
        if let Some(told) = answer {
            let last = given.pop().unwrap();
            assert!(fits(told, &last.replacen('\n', " ", 1)), "{lines}\nanswers {last}\nbut is told to answer {told}");
        }
        assert!(given.iter().all(|answer| answer.starts_with("200\n")), "{lines}\nanswers {given:?}");
    }
}

/// Returns `true` if a text matches the page, with any text in place of each `…`.
fn fits(told: &str, given: &str) -> bool {
    let (told, mut rest) = (told.trim_end(), given.trim_end());
    let mut parts = told.split('…');
    let Some(begun) = rest.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    rest = begun;
    let parts: Vec<_> = parts.collect();
    let Some((last, parts)) = parts.split_last() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}
