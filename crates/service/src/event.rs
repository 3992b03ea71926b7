//! What readers and watchers get from a notebook's writer.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use quire_domain::{Change, Graph, Notebook, OpenNotebook, ShownConnection};
use quire_storage::Version;
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

use crate::ServiceError;
use crate::analyser::opening_cost;
use crate::event_buffer::{EventBuffer, Next};
use crate::memory::{self, Charge};
use crate::pin::PinnedCharge;
use crate::work::Kind;
use crate::writer::ServiceContext;

/// An event's number: `<instance epoch>-<n>`, opaque to clients. Numbers of one instance grow, with gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seq {
    /// New at every start of a service.
    pub epoch: Uuid,
    /// Grows by at least one from event to event.
    pub number: u64,
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.simple(), self.number)
    }
}

/// A text that is no event's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the number of an event")]
pub struct InvalidSeq;

impl FromStr for Seq {
    type Err = InvalidSeq;

    fn from_str(text: &str) -> Result<Self, InvalidSeq> {
        let (epoch, number) = text.split_once('-').ok_or(InvalidSeq)?;
        let seq = Self {
            epoch: Uuid::try_parse(epoch).map_err(|_unlike| InvalidSeq)?,
            number: number.parse().map_err(|_unlike| InvalidSeq)?,
        };
        // One spelling each: what other text means the same was not made here.
        if seq.to_string() == text { Ok(seq) } else { Err(InvalidSeq) }
    }
}

/// A notebook as readers see it: durable, whole, never half an edit.
#[derive(Debug)]
pub struct Published {
    /// The notebook.
    pub notebook: Notebook,
    /// What its owner is shown of its connection string. What is in `notebook` is for the store alone.
    pub connection: Option<ShownConnection>,
    /// The store's version of this content.
    pub version: Version,
    /// The last event that led here.
    pub seq: Seq,
    graph: PublishedGraph,
    pub(crate) pinned: PinnedCharge,
}

/// The graph of a published notebook, built when it is first asked for.
#[derive(Debug)]
struct PublishedGraph {
    /// What it will take of the memory, about.
    bytes: usize,
    built: OnceCell<Arc<AccountedGraph>>,
}

/// A dependency graph whose memory is accounted for as long as anything holds it. The fields are dropped in their order.
#[derive(Debug)]
pub struct AccountedGraph {
    graph: Graph,
    _charge: Charge,
}

impl Deref for AccountedGraph {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

impl Published {
    pub(crate) fn new(open: &OpenNotebook, connection: Option<ShownConnection>, version: Version, seq: Seq) -> Self {
        let graph = PublishedGraph { bytes: open.graph().memory_bytes(), built: OnceCell::new() };
        Self { notebook: open.notebook().clone(), connection, version, seq, graph, pinned: PinnedCharge::default() }
    }

    /// The notebook's dependency graph, built once, however many ask for it.
    pub(crate) async fn graph(self: &Arc<Self>, shared: &ServiceContext) -> Result<Arc<AccountedGraph>, ServiceError> {
        let build = || async {
            let charge = memory::charge(shared, &self.notebook.owner, self.graph.bytes).await?;
            let Notebook { id, owner, .. } = &self.notebook;
            let permit = shared.lanes.of(Kind::Graph).enter(owner, opening_cost(&self.notebook)).await?;
            let (id, published) = (id.clone(), Arc::clone(self));
            // The work has the charge, since it goes on when nothing waits for it any more.
            let build = move || AccountedGraph { graph: Graph::new(published.notebook.cells.iter()), _charge: charge };
            let graph = permit.run(move || format!("build the graph of notebook {id}"), build).await?;
            Ok::<_, ServiceError>(Arc::new(graph))
        };
        Ok(Arc::clone(self.graph.built.get_or_try_init(build).await?))
    }
}

/// Something that happened to a notebook.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub seq: Seq,
    /// What happened.
    pub kind: EventKind,
    /// The notebook right after it; what is not in the change can be looked up here.
    pub notebook: Notebook,
}

/// What happened to a notebook.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// It changed; the change is durable.
    Changed(Arc<Change>),
    /// It was deleted; nothing follows.
    Deleted,
    /// Events were lost on the way to this watcher: it must read the notebook again.
    Resync,
}

/// A watcher's view of one notebook: its state when the watching began, then every event after it, in order.
#[derive(Debug)]
pub struct Watch {
    /// The notebook when watching began, until it is taken or the first event is asked for.
    start: Option<Arc<Published>>,
    /// The number of the last event that the watcher has had; absent when it cannot be told what it has missed.
    seen: Option<u64>,
    recent: Arc<EventBuffer>,
    /// Changes when there are more events, and closes when there will be none.
    news: watch::Receiver<()>,
    published: watch::Receiver<Arc<Published>>,
}

impl Watch {
    /// A watcher who has had the events up to `last`, or to now; called by the writer, so that no event comes in between.
    pub(crate) fn new(
        recent: Arc<EventBuffer>,
        news: watch::Receiver<()>,
        published: watch::Receiver<Arc<Published>>,
        last: Option<Seq>,
    ) -> Self {
        let start = Arc::clone(&published.borrow());
        let seen = match last {
            None => Some(start.seq.number),
            Some(last) if last.epoch == start.seq.epoch && last.number <= start.seq.number => Some(last.number),
            Some(_elsewhere) => None,
        };
        Self { start: Some(start), seen, recent, news, published }
    }

    /// Takes the state that the first event follows, unless the watch goes on after an earlier one. A watch does not keep it
    /// when events are asked for, so that it does not hold what has long been replaced; `None` then.
    pub fn take_start(&mut self) -> Option<Arc<Published>> {
        self.start.take()
    }

    /// Waits until there will be no more events: [`Self::next`] then gives those that are left without waiting.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn ended(&mut self) {
        while self.news.changed().await.is_ok() {}
    }

    /// The next event; `None` when the notebook is gone, left memory for want of room, or the service has closed. A watcher
    /// that was too slow gets one [`EventKind::Resync`] in place of what it missed, which has the state that the next event
    /// follows.
    ///
    /// Cancel safe: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        self.start = None;
        let mut is_over = false;
        loop {
            match self.seen.map_or(Next::Lost, |seen| self.recent.after(seen)) {
                Next::Event(event) => {
                    self.seen = Some(event.seq.number);
                    return Some(event);
                }
                Next::Lost => {
                    let now = Arc::clone(&self.published.borrow());
                    self.seen = Some(now.seq.number);
                    return Some(resync(&now));
                }
                Next::Nothing if is_over => return None,
                // What was kept before the end is looked for once more after it.
                Next::Nothing => is_over = self.news.changed().await.is_err(),
            }
        }
    }
}

/// What a watcher is told in place of the events that led to this state.
fn resync(state: &Published) -> Arc<Event> {
    Arc::new(Event { seq: state.seq, kind: EventKind::Resync, notebook: state.notebook.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        let seq = Seq { epoch: Uuid::from_u128(7), number: 42 };
        assert_eq!(seq.to_string().parse(), Ok(seq));
        let epoch = seq.epoch.simple();
        let upper = Uuid::from_u128(0xab).simple().to_string().to_uppercase();
        let hyphens = seq.epoch.hyphenated();
        for bad in [
            String::new(),
            "-1".to_owned(),
            format!("{epoch}-"),
            format!("{epoch}-+1"),
            format!("{epoch}-01"),
            format!("{epoch}-1 "),
            format!("{epoch}-18446744073709551616"),
            format!("{hyphens}-1"),
            format!("{upper}-1"),
        ] {
            assert_eq!(bad.parse::<Seq>(), Err(InvalidSeq), "{bad}");
        }
    }
}
