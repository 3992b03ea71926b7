//! What a file holds of a cell's last run beside its output: the outcome, digests of what ran, times.

use chrono::SecondsFormat;
use quire_domain::{CellStatus, Json, Results, RunDigest, Timestamp};

use super::read::read_time;
use crate::fields::{self, Fields};

/// The part of a run's results that a reader cannot derive from its output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RunDetails {
    status: CellStatus,
    code_digest: Option<String>,
    run_digest: Option<RunDigest>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
}

impl RunDetails {
    /// Returns the part of these results.
    pub(crate) fn of(results: &Results) -> Self {
        Self {
            status: status_of(results),
            code_digest: results.code_digest.clone(),
            run_digest: results.run_digest,
            started_at: results.started_at,
            finished_at: results.finished_at,
        }
    }

    /// Returns the part of results that are known only by their output, from which this status is derived.
    pub(crate) fn derived(status: CellStatus) -> Self {
        Self::of(&Results { status, ..Results::default() })
    }

    /// Puts the part into results.
    pub(crate) fn apply(self, results: &mut Results) {
        let Self { status, code_digest, run_digest, started_at, finished_at } = self;
        let others = std::mem::take(results);
        *results = Results { status, code_digest, run_digest, started_at, finished_at, ..others };
    }

    /// Writes the fields, with their values as JSON.
    pub(crate) fn written(&self) -> Vec<(&'static str, String)> {
        let text = |name, text: Option<String>| text.map(|text| (name, fields::write_text(&text)));
        let time = |time: Option<Timestamp>| time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true));
        let fields = [
            text("status", Some(self.status.as_str().to_owned())),
            text("code_digest", self.code_digest.clone()),
            text("run_digest", self.run_digest.map(|digest| digest.to_string())),
            text("started_at", time(self.started_at)),
            text("finished_at", time(self.finished_at)),
        ];
        fields.into_iter().flatten().collect()
    }

    /// Reads the fields that [`Self::written`] has written; `None` when it is something else.
    pub(super) fn read(run: &Json) -> Option<Self> {
        let mut found = Fields::new();
        fields::object(run.as_str(), &mut found).ok()?;
        let mut status = None;
        let mut run = Self::derived(CellStatus::Idle);
        for (name, value) in &found {
            let text = fields::text(value, "").ok()?;
            match &**name {
                "status" => status = Some(read_status(&text)?),
                "code_digest" => run.code_digest = Some(read_digest(&text)?),
                "run_digest" => run.run_digest = Some(text.parse().ok()?),
                "started_at" => run.started_at = Some(read_time(&text)?),
                "finished_at" => run.finished_at = Some(read_time(&text)?),
                _ => return None,
            }
        }
        Some(Self { status: status?, ..run })
    }

    /// Reads each field on its own, by its name; one that is none keeps the value in `results`, or is absent.
    pub(crate) fn read_leniently(results: &Results, text: impl Fn(&str) -> Option<String>) -> Self {
        let time = |name| text(name).and_then(|text| read_time(&text));
        Self {
            status: text("status").and_then(|text| read_status(&text)).unwrap_or(results.status),
            code_digest: text("code_digest").and_then(|text| read_digest(&text)),
            run_digest: text("run_digest").and_then(|text| text.parse().ok()),
            started_at: time("started_at"),
            finished_at: time("finished_at"),
        }
    }
}

/// Returns the status to write: the run does not go on where the file is read.
pub(super) fn status_of(results: &Results) -> CellStatus {
    if results.status == CellStatus::Running { CellStatus::Idle } else { results.status }
}

fn read_status(text: &str) -> Option<CellStatus> {
    let all = [CellStatus::Idle, CellStatus::Success, CellStatus::Error, CellStatus::Blocked];
    all.into_iter().find(|status| status.as_str() == text)
}

/// Reads a digest of code; `None` if the text is none.
fn read_digest(text: &str) -> Option<String> {
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}
