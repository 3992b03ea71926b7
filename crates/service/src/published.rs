//! The state of a notebook that all readers share.

use std::ops::Deref;
use std::sync::Arc;

use quire_domain::{Graph, Notebook, NotebookSize, ShownConnection};
use quire_storage::Version;
use tokio::sync::OnceCell;

use crate::analyser::analysis_cost;
use crate::context::ServiceContext;
use crate::event::Seq;
use crate::memory::{self, Charge};
use crate::pin::PinnedCharge;
use crate::work::Kind;
use crate::writer::Snapshot;
use crate::{ServiceError, quota};

/// A notebook as readers see it: a durable state after a whole edit.
#[derive(Debug)]
pub struct Published {
    /// The notebook as it is shown: cells that run have their results so far.
    pub notebook: Notebook,
    /// The notebook as it is stored.
    pub stored: Notebook,
    /// `true` if cells run here, so that it is not shown as it is stored.
    pub has_live_results: bool,
    /// The masked connection string, for the owner. The string in `notebook` is for the store alone.
    pub connection: Option<ShownConnection>,
    /// The store's version of this content.
    pub version: Version,
    /// The number of the last event before this state.
    pub seq: Seq,
    /// The sums over the cells, so that no request adds them up.
    size: NotebookSize,
    /// Shared by the states of one revision.
    graph: Arc<PublishedGraph>,
    pub(crate) pinned: PinnedCharge,
}

/// The graph of a published notebook, built for the first request.
#[derive(Debug)]
struct PublishedGraph {
    /// The estimated bytes of the graph.
    bytes: usize,
    built: OnceCell<Arc<AccountedGraph>>,
}

/// A dependency graph whose memory is accounted until its last reference is dropped. The fields are dropped in their order.
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
    pub(crate) fn new(snapshot: Snapshot, connection: Option<ShownConnection>, version: Version, seq: Seq) -> Self {
        let Snapshot { notebook: stored, size, graph_bytes: bytes, .. } = snapshot;
        let graph = Arc::new(PublishedGraph { bytes, built: OnceCell::new() });
        let notebook = stored.clone();
        Self {
            notebook,
            stored,
            has_live_results: false,
            connection,
            version,
            seq,
            size,
            graph,
            pinned: PinnedCharge::default(),
        }
    }

    /// Returns the same stored state as cells that run show it, after the event with this number.
    pub(crate) fn shown_as(&self, (notebook, has_live_results): (Notebook, bool), seq: Seq) -> Self {
        let Self { stored, connection, version, size, graph, .. } = self;
        Self {
            notebook,
            stored: stored.clone(),
            connection: connection.clone(),
            version: *version,
            has_live_results,
            seq,
            size: *size,
            graph: Arc::clone(graph),
            pinned: PinnedCharge::default(),
        }
    }

    /// Takes over the graph of an earlier state with the same cells, codes and places.
    pub(crate) fn with_graph_of(self, earlier: &Self) -> Self {
        Self { graph: Arc::clone(&earlier.graph), ..self }
    }

    /// Returns the bytes of the notebook in its owner's quota.
    pub(crate) fn content_bytes(&self) -> u64 {
        quota::content_bytes(&self.stored, self.size)
    }

    /// Returns `true` if the results of a cell have the status `running`, for as long as that run goes on here.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.size.running() > 0
    }

    /// Returns the cost of analysing all cells, in bytes of code.
    pub(crate) fn analysis_cost(&self) -> u64 {
        analysis_cost(self.size)
    }

    /// Returns the estimated bytes of memory of all cells.
    pub(crate) fn cell_bytes(&self) -> usize {
        self.size.cell_bytes()
    }

    /// Returns the notebook's dependency graph, which is built once for all requests.
    pub(crate) async fn graph(self: &Arc<Self>, shared: &ServiceContext) -> Result<Arc<AccountedGraph>, ServiceError> {
        let build = || async {
            let charge = memory::charge(shared, &self.notebook.owner, self.graph.bytes).await?;
            let Notebook { id, owner, .. } = &self.notebook;
            let permit = shared.limits.lanes.of(Kind::Graph).enter(owner, self.analysis_cost()).await?;
            let (id, published) = (id.clone(), Arc::clone(self));
            // The blocking work owns the charge, because it continues after its caller is cancelled.
            let build = move || AccountedGraph { graph: Graph::new(published.stored.cells.iter()), _charge: charge };
            let graph = permit.run_blocking(move || format!("build the graph of notebook {id}"), build).await?;
            Ok::<_, ServiceError>(Arc::new(graph))
        };
        Ok(Arc::clone(self.graph.built.get_or_try_init(build).await?))
    }
}
