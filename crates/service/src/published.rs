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

/// A notebook as readers see it: durable, whole, never half an edit.
#[derive(Debug)]
pub struct Published {
    /// The notebook.
    pub notebook: Notebook,
    /// The connection string as its owner is shown it. The one in `notebook` is for the store alone.
    pub connection: Option<ShownConnection>,
    /// The store's version of this content.
    pub version: Version,
    /// The last change that led here.
    pub seq: Seq,
    /// The sums over its cells, so that no request adds them up.
    size: NotebookSize,
    graph: PublishedGraph,
    pub(crate) pinned: PinnedCharge,
}

/// The graph of a published notebook, built when it is first asked for.
#[derive(Debug)]
struct PublishedGraph {
    /// The estimated bytes that it will take.
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
    pub(crate) fn new(snapshot: Snapshot, connection: Option<ShownConnection>, version: Version, seq: Seq) -> Self {
        let Snapshot { notebook, size, graph_bytes: bytes, .. } = snapshot;
        let graph = PublishedGraph { bytes, built: OnceCell::new() };
        Self { notebook, connection, version, seq, size, graph, pinned: PinnedCharge::default() }
    }

    /// The bytes that the notebook counts in its owner's quota.
    pub(crate) fn content_bytes(&self) -> u64 {
        quota::content_bytes(&self.notebook, self.size)
    }

    /// The cost of analysing all cells, in bytes of code.
    pub(crate) fn analysis_cost(&self) -> u64 {
        analysis_cost(self.size)
    }

    /// The estimated bytes of memory of all cells.
    pub(crate) fn cell_bytes(&self) -> usize {
        self.size.cell_bytes()
    }

    /// The notebook's dependency graph, built once, however many ask for it.
    pub(crate) async fn graph(self: &Arc<Self>, shared: &ServiceContext) -> Result<Arc<AccountedGraph>, ServiceError> {
        let build = || async {
            let charge = memory::charge(shared, &self.notebook.owner, self.graph.bytes).await?;
            let Notebook { id, owner, .. } = &self.notebook;
            let permit = shared.limits.lanes.of(Kind::Graph).enter(owner, self.analysis_cost()).await?;
            let (id, published) = (id.clone(), Arc::clone(self));
            // The work has the charge, since it goes on when nothing waits for it any more.
            let build = move || AccountedGraph { graph: Graph::new(published.notebook.cells.iter()), _charge: charge };
            let graph = permit.run_blocking(move || format!("build the graph of notebook {id}"), build).await?;
            Ok::<_, ServiceError>(Arc::new(graph))
        };
        Ok(Arc::clone(self.graph.built.get_or_try_init(build).await?))
    }
}
