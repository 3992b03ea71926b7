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
    /// The notebook.
    pub notebook: Notebook,
    /// The masked connection string, for the owner. The string in `notebook` is for the store alone.
    pub connection: Option<ShownConnection>,
    /// The store's version of this content.
    pub version: Version,
    /// The number of the last event before this state.
    pub seq: Seq,
    /// The sums over the cells, so that no request adds them up.
    size: NotebookSize,
    graph: PublishedGraph,
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
        let Snapshot { notebook, size, graph_bytes: bytes, .. } = snapshot;
        let graph = PublishedGraph { bytes, built: OnceCell::new() };
        Self { notebook, connection, version, seq, size, graph, pinned: PinnedCharge::default() }
    }

    /// Returns the bytes of the notebook in its owner's quota.
    pub(crate) fn content_bytes(&self) -> u64 {
        quota::content_bytes(&self.notebook, self.size)
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
            let build = move || AccountedGraph { graph: Graph::new(published.notebook.cells.iter()), _charge: charge };
            let graph = permit.run_blocking(move || format!("build the graph of notebook {id}"), build).await?;
            Ok::<_, ServiceError>(Arc::new(graph))
        };
        Ok(Arc::clone(self.graph.built.get_or_try_init(build).await?))
    }
}
