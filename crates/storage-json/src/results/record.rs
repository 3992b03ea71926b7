//! The records of a results file.

use std::sync::Arc;

use quire_domain::{CellId, CellStatus, Json, Output, Results, Revision, RunDigest, Timestamp};
use serde::{Deserialize, Serialize};

use super::Latest;
use crate::digest::Digest;

const MARK: &str = "quire-results 1";

/// The results of one commit.
#[derive(Debug)]
pub(crate) struct Record(RecordV1);

#[derive(Debug, Serialize, Deserialize)]
struct RecordV1 {
    /// The revision without which the record is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<Revision>,
    cells: Vec<CellV1>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CellV1 {
    cell: CellId,
    #[serde(with = "results_v1")]
    results: Option<Arc<Results>>,
}

/// The contents of a results file.
pub(super) struct ReadAll {
    pub(super) latest: Latest,
    /// Set when the file has records that must be removed: void, cut short or damaged.
    pub(super) has_discarded: bool,
}

impl Record {
    pub(crate) fn new(needs: Option<Revision>, cells: Vec<(CellId, Option<Arc<Results>>)>) -> Self {
        let cells = cells.into_iter().map(|(cell, results)| CellV1 { cell, results }).collect();
        Self(RecordV1 { needs, cells })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.cells.is_empty()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = (&CellId, Option<&Arc<Results>>)> {
        self.0.cells.iter().map(|cell| (&cell.cell, cell.results.as_ref()))
    }

    /// Returns the record as it is in the file.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let body = serde_json::to_vec(&self.0)?;
        let mut bytes = format!("{MARK} {} {}\n", body.len(), Digest::of(&body).short()).into_bytes();
        bytes.extend(body);
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Reads a file's records up to the first that cannot be read. With a `revision`, leaves out the last one if it needs a
/// later. Only the last can be of a commit that did not happen, since that is taken back before anything follows it; an
/// earlier one that needs a later revision was true, and the notebook's file is now an older one, as from a backup.
pub(super) fn read_all(mut bytes: &[u8], revision: Option<Revision>) -> ReadAll {
    let mut all = ReadAll { latest: Latest::new(), has_discarded: false };
    while !bytes.is_empty() {
        let Some((body, rest)) = split(bytes) else {
            all.has_discarded = true;
            break;
        };
        bytes = rest;
        match serde_json::from_slice::<RecordV1>(body) {
            Ok(record) if !bytes.is_empty() || revision.is_none_or(|now| record.needs.is_none_or(|it| it <= now)) => {
                for CellV1 { cell, results } in record.cells {
                    match results {
                        Some(results) => all.latest.insert(cell, results),
                        None => all.latest.remove(&cell),
                    };
                }
            }
            _ => all.has_discarded = true,
        }
    }
    all
}

/// Splits the bytes into the first record's body and the rest after the record.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().take(128).position(|&byte| byte == b'\n')?;
    let header = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let (size, digest) = header.strip_prefix(MARK)?.strip_prefix(' ')?.split_once(' ')?;
    let (body, rest) = bytes.get(end + 1..)?.split_at_checked(size.parse().ok()?)?;
    let rest = rest.strip_prefix(b"\n")?;
    (Digest::of(body).short() == digest).then_some((body, rest))
}

/// Serialised form of results.
mod results_v1 {
    use serde::{Deserializer, Serializer};

    use super::{Arc, CellStatus, Deserialize, Json, Output, Results, RunDigest, Serialize, Timestamp};

    #[derive(Serialize, Deserialize)]
    struct ResultsV1 {
        status: CellStatus,
        stdout: String,
        error: Option<String>,
        outputs: Vec<OutputV1>,
        code_digest: Option<String>,
        // Records from before digests and times of runs were recorded have none of these.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run_digest: Option<RunDigest>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_at: Option<Timestamp>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finished_at: Option<Timestamp>,
    }

    #[derive(Serialize, Deserialize)]
    struct OutputV1 {
        mime_type: String,
        data: Json,
        metadata: Json,
    }

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(super) fn serialize<S: Serializer>(results: &Option<Arc<Results>>, serializer: S) -> Result<S::Ok, S::Error> {
        let results = results.as_deref().map(|results| ResultsV1 {
            status: results.status,
            stdout: results.stdout.clone(),
            error: results.error.clone(),
            outputs: results.outputs.iter().map(output).collect(),
            code_digest: results.code_digest.clone(),
            run_digest: results.run_digest,
            started_at: results.started_at,
            finished_at: results.finished_at,
        });
        results.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Results>>, D::Error> {
        let results = Option::<ResultsV1>::deserialize(deserializer)?;
        Ok(results.map(|results| {
            let outputs = results.outputs.into_iter();
            Arc::new(Results {
                status: results.status,
                stdout: results.stdout,
                error: results.error,
                outputs: outputs
                    .map(|output| Output { mime_type: output.mime_type, data: output.data, metadata: output.metadata })
                    .collect(),
                code_digest: results.code_digest,
                run_digest: results.run_digest,
                started_at: results.started_at,
                finished_at: results.finished_at,
            })
        }))
    }

    fn output(output: &Output) -> OutputV1 {
        OutputV1 { mime_type: output.mime_type.clone(), data: output.data.clone(), metadata: output.metadata.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(needs: Option<i64>, stdout: &str) -> Record {
        let results = Results { stdout: stdout.into(), ..Results::default() };
        Record::new(needs.map(Revision), vec![(CellId::new("c").unwrap(), Some(Arc::new(results)))])
    }

    fn stdout(all: &ReadAll) -> Option<&str> {
        all.latest.values().next().map(|results| &*results.stdout)
    }

    #[test]
    fn a_record_cut_short_anywhere_is_as_if_it_were_not_there() {
        let first = record(None, "first").to_bytes().unwrap();
        let both = [first.clone(), record(None, "second\n").to_bytes().unwrap()].concat();
        for length in first.len()..both.len() {
            let read = read_all(&both[..length], None);
            assert_eq!((stdout(&read), read.has_discarded), (Some("first"), length > first.len()));
        }
        assert_eq!(stdout(&read_all(&both, None)), Some("second\n"));
    }

    /// As records were before digests and times of runs were recorded, and as a later version may write them.
    #[test]
    fn records_of_other_versions_are_read() {
        let old = r#"{"cells":[{"cell":"c","results":{"status":"success","stdout":"old","error":null,"outputs":[],"code_digest":null}}]}"#;
        let later = old.replace("\"old\"", "\"later\",\"more\":1");
        for (body, expected) in [(old, "old"), (&*later, "later")] {
            let bytes = format!("{MARK} {} {}\n{body}\n", body.len(), Digest::of(body.as_bytes()).short());
            let read = read_all(bytes.as_bytes(), None);
            assert_eq!((stdout(&read), read.has_discarded), (Some(expected), false));
            assert_eq!(read.latest.values().next().unwrap().run_digest, None);
        }
    }

    #[test]
    fn a_record_is_void_without_its_revision() {
        let bytes = [record(None, "old"), record(Some(7), "new")].map(|r| r.to_bytes().unwrap()).concat();
        let before = read_all(&bytes, Some(Revision(6)));
        assert_eq!((stdout(&before), before.has_discarded), (Some("old"), true));
        let after = read_all(&bytes, Some(Revision(7)));
        assert_eq!((stdout(&after), after.has_discarded), (Some("new"), false));
    }

    #[test]
    fn a_record_that_others_follow_was_true() {
        let other = Record::new(None, vec![(CellId::new("d").unwrap(), None)]);
        let bytes = [record(Some(7), "new"), other].map(|r| r.to_bytes().unwrap()).concat();
        let read = read_all(&bytes, Some(Revision(2)));
        assert_eq!((stdout(&read), read.has_discarded), (Some("new"), false));
    }
}
