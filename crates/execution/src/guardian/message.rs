//! Messages of a kernel, read from their raw parts. The typed reader of the Jupyter crates loses the order of keys, large integers and
//! whole messages that it does not know.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jupyter_zmq_client::RawMessage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A message with its parts as texts.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: String,
    /// The id of the message that this one is due to.
    pub(super) parent: String,
    raw: RawMessage,
    /// The content, if that of the message was not UTF-8: code can print what is none, and no JSON reader takes it.
    mended: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    msg_type: String,
}

#[derive(Default, Deserialize)]
struct ParentHeader {
    #[serde(default)]
    msg_id: String,
}

impl Message {
    /// Reads a message; `None` if it is none of the protocol.
    pub(super) fn read(raw: RawMessage) -> Option<Self> {
        let [header, parent, _metadata, content, ..] = raw.jparts.as_slice() else { return None };
        let kind = serde_json::from_slice::<Header>(header).ok()?.msg_type;
        let parent = serde_json::from_slice::<ParentHeader>(parent).unwrap_or_default().msg_id;
        let mended = match String::from_utf8_lossy(content) {
            Cow::Borrowed(_) => None,
            Cow::Owned(mended) => Some(mended),
        };
        Some(Self { kind, parent, raw, mended })
    }

    /// Reads the content; `None` if it has another form.
    pub(super) fn content<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        match &self.mended {
            Some(text) => serde_json::from_str(text).ok(),
            None => serde_json::from_slice(self.raw.jparts.get(3)?).ok(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Status<'a> {
    #[serde(borrow)]
    pub(super) execution_state: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct Stream<'a> {
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct ClearOutput {
    #[serde(default)]
    pub(super) wait: bool,
}

/// A value in several MIME types.
#[derive(Deserialize)]
pub(super) struct Display<'a> {
    #[serde(borrow)]
    pub(super) data: BTreeMap<String, &'a RawValue>,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) transient: Transient,
}

#[derive(Default, Deserialize)]
pub(super) struct Transient {
    #[serde(default)]
    pub(super) display_id: Option<String>,
}

/// An error, as a message of its own and in a reply.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorContent {
    #[serde(default)]
    pub(super) ename: String,
    #[serde(default)]
    pub(super) evalue: String,
    #[serde(default)]
    pub(super) traceback: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct ExecuteReply<'a> {
    #[serde(borrow)]
    pub(super) status: Cow<'a, str>,
    #[serde(default)]
    pub(super) payload: Vec<Payload>,
}

#[derive(Deserialize)]
pub(super) struct Payload {
    #[serde(default)]
    source: String,
    /// The code called `exit(keep_kernel=True)`, which ends the page alone.
    #[serde(default, rename = "keepkernel")]
    keeps_kernel: Option<bool>,
}

impl Payload {
    /// The code called `exit()`.
    pub(super) fn is_exit(&self) -> bool {
        self.source == "ask_exit" && self.keeps_kernel != Some(true)
    }
}

#[derive(Deserialize)]
pub(super) struct KernelInfo {
    #[serde(default)]
    pub(super) implementation: String,
}
