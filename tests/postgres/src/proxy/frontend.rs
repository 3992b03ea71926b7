//! Interpretation of a client's messages: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use std::collections::HashMap;

use super::{Counts, Cut, Shared};

/// State of one connection's client.
#[derive(Debug, Default)]
pub(super) struct Frontend {
    /// The SQL of each prepared statement, by name.
    statements: HashMap<Vec<u8>, String>,
    /// Kind of the messages since the client's last Sync.
    group: Group,
    /// The cut that a statement of this group triggers.
    cut: Option<Cut>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    #[default]
    Empty,
    Preparation,
    Execution,
}

/// Action on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Pass the message on.
    Pass,
    /// Pass the message on, and withhold the server's answer to its round trip from the client.
    Withhold,
    /// Pass the message on; it ends a round trip. The value is the cut to make, if any.
    End(Option<Cut>),
    /// Cut the connection without passing the message on.
    CutNow,
    /// Cut the client off, and pass the message and the rest of its round trip on later.
    Delay,
}

impl Frontend {
    /// Examines and counts a message, and returns the action on it.
    pub(super) fn look(&mut self, kind: u8, body: &[u8], shared: &Shared) -> Verdict {
        match kind {
            b'P' => {
                let (name, rest) = text(body);
                self.statements.insert(name.to_vec(), String::from_utf8_lossy(text(rest).0).into_owned());
                self.belongs_to(Group::Preparation)
            }
            b'B' => {
                let (_portal, rest) = text(body);
                let sql = self.statements.get(text(rest).0).map_or("", String::as_str);
                if shared.is_delayed(sql) {
                    self.belongs_to(Group::Execution);
                    return Verdict::Delay;
                }
                self.cut = self.cut.or_else(|| shared.take_cut(sql, false));
                self.belongs_to(Group::Execution)
            }
            b'C' | b'D' => self.belongs_to(Group::Preparation),
            b'E' => self.belongs_to(Group::Execution),
            b'S' => {
                let group = std::mem::take(&mut self.group);
                self.end(shared, |counts| match group {
                    Group::Empty => counts.pings += 1,
                    Group::Preparation => counts.preparations += 1,
                    Group::Execution => counts.executions += 1,
                })
            }
            b'Q' => {
                let sql = String::from_utf8_lossy(text(body).0);
                self.cut = self.cut.or_else(|| shared.take_cut(&sql, true));
                if self.cut == Some(Cut::BeforeSending) {
                    return Verdict::CutNow;
                }
                self.end(shared, |counts| counts.simple += 1)
            }
            _ => Verdict::Pass,
        }
    }

    fn belongs_to(&mut self, group: Group) -> Verdict {
        self.group = self.group.max(group);
        match self.cut {
            None => Verdict::Pass,
            Some(Cut::BeforeSending) => Verdict::CutNow,
            Some(Cut::AfterSending | Cut::AfterAnswer) => Verdict::Withhold,
        }
    }

    fn end(&mut self, shared: &Shared, count: impl FnOnce(&mut Counts)) -> Verdict {
        count(&mut shared.counts());
        Verdict::End(self.cut.take())
    }
}

/// Splits off a text that ends with a zero byte; returns it and the bytes after it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}
