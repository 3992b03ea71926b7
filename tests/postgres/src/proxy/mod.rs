//! A TCP proxy in front of a server, which counts round trips and simulates network failures on command.

mod connection;
mod frontend;

use std::net::TcpListener as StdListener;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc as std_mpsc};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::bouncer::PgBouncer;
use crate::machine::free_port;
use crate::server::Server;

/// A proxy on its own port, without TLS. It runs on its own threads, so that a test may block. Its connections end with
/// this value.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    passing: watch::Sender<Passing>,
    /// `None` after the drop.
    runtime: Option<Runtime>,
}

/// Counts of the requests that went through a [`Proxy`] to the server. Each Sync or simple query, which the server
/// answers as a whole, is one round trip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Round trips that executed a statement with parameters (Bind): the edits and loads that a test counts.
    pub executions: usize,
    /// Round trips that only prepared or closed statements, which happens once per connection and statement.
    pub preparations: usize,
    /// Simple queries, among them `BEGIN` and `COMMIT`.
    pub simple: usize,
    /// Empty round trips: the pings by which sqlx tests a connection. A pool sends one in the background whenever a
    /// connection is returned, so the number is never exact.
    pub pings: usize,
}

impl Counts {
    /// Returns the number of all round trips, without pings.
    #[must_use]
    pub fn round_trips(&self) -> usize {
        self.executions + self.preparations + self.simple
    }
}

/// Moment at which a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never sees the statement.
    BeforeSending,
    /// The server got the statement and may still execute it or abort: the outcome is open.
    AfterSending,
    /// The server has executed the statement; only its answer is lost.
    AfterAnswer,
}

/// State that the proxy's owner and its connections share.
#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<Counts>,
    armed: Mutex<Option<Armed>>,
    cuts: AtomicUsize,
    /// Part of the SQL of the statements that are delayed.
    delays: Mutex<Option<String>>,
    delayed: AtomicUsize,
    /// Number of connections so far.
    accepted: AtomicU64,
}

/// Traffic that may pass.
#[derive(Debug, Default, Clone, Copy)]
struct Passing {
    /// `true` while no traffic may pass.
    frozen: bool,
    /// Connections with smaller numbers than this pass no traffic.
    stranded: u64,
    /// `true` while delayed statements may not pass.
    delaying: bool,
}

/// The view of one connection on the permitted traffic.
#[derive(Debug, Clone)]
struct Gate {
    number: u64,
    passing: watch::Receiver<Passing>,
}

impl Gate {
    /// Waits until traffic may pass.
    async fn opens(&mut self) {
        // An error means that the proxy has ended, and this connection ends with it.
        let _ = self.passing.wait_for(|passing| !passing.frozen && passing.stranded <= self.number).await;
    }

    /// Waits until delayed statements may pass.
    async fn delivers(&mut self) {
        let _ = self.passing.wait_for(|passing| !passing.delaying).await;
        self.opens().await;
    }
}

#[derive(Debug)]
struct Armed {
    cut: Cut,
    marker: Option<String>,
}

#[derive(Debug)]
enum Command {
    Accept(StdListener),
    LeadTo { upstream: (String, u16), done: std_mpsc::Sender<()> },
    Refuse { done: std_mpsc::Sender<()> },
    CutAll { done: std_mpsc::Sender<()> },
}

impl Proxy {
    /// Starts a proxy in front of a server.
    #[must_use]
    pub fn start(server: &Server) -> Self {
        Self::before(upstream(server))
    }

    /// Starts a proxy in front of a pooler.
    #[must_use]
    pub fn before_pooler(pooler: &PgBouncer) -> Self {
        Self::before(("127.0.0.1".to_owned(), pooler.port()))
    }

    fn before(upstream: (String, u16)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let shared = Arc::<Shared>::default();
        let (commands, to_do) = mpsc::unbounded_channel();
        let (passing, gates) = watch::channel(Passing::default());
        runtime.spawn(serve(upstream, Arc::clone(&shared), to_do, gates));
        let proxy = Self { port: free_port(), shared, commands, passing, runtime: Some(runtime) };
        proxy.accept();
        proxy
    }

    /// Returns the proxy's port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the counts since the start or the last [`reset`](Self::reset).
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.shared.counts()
    }

    /// Resets the counts to zero.
    pub fn reset(&self) {
        *self.shared.counts() = Counts::default();
    }

    /// Cuts the connection that next executes a statement with parameters.
    pub fn cut_next(&self, cut: Cut) {
        *self.shared.armed() = Some(Armed { cut, marker: None });
    }

    /// Cuts the connection that next executes a statement whose SQL contains `marker`. Simple queries, such as
    /// `COMMIT`, count as well.
    pub fn cut_next_with(&self, cut: Cut, marker: &str) {
        *self.shared.armed() = Some(Armed { cut, marker: Some(marker.to_owned()) });
    }

    /// Delays each statement with parameters whose SQL contains `marker`, until [`deliver`](Self::deliver). Its client is cut
    /// off at once.
    pub fn delay_with(&self, marker: &str) {
        self.passing.send_modify(|passing| passing.delaying = true);
        *self.shared.delays() = Some(marker.to_owned());
    }

    /// Returns the number of statements that have been delayed.
    #[must_use]
    pub fn delayed(&self) -> usize {
        self.shared.delayed.load(Ordering::SeqCst)
    }

    /// Passes the delayed statements on to the server, and delays no further ones. Each counts among the [`cuts`](Self::cuts)
    /// once the server has answered it.
    pub fn deliver(&self) {
        *self.shared.delays() = None;
        self.passing.send_modify(|passing| passing.delaying = false);
    }

    /// Returns the number of connections that [`cut_next`](Self::cut_next) and [`cut_next_with`](Self::cut_next_with)
    /// have cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// Cuts all present connections.
    pub fn cut_all(&self) {
        self.command(|done| Command::CutAll { done });
    }

    /// Leads new connections to another server, as a name that was given to it; present connections continue.
    pub fn lead_to(&self, server: &Server) {
        self.command(|done| Command::LeadTo { upstream: upstream(server), done });
    }

    /// Refuses new connections, as a host without a server does; present connections continue.
    pub fn refuse(&self) {
        self.command(|done| Command::Refuse { done });
    }

    /// Accepts new connections again.
    pub fn accept(&self) {
        let listener = StdListener::bind(("127.0.0.1", self.port)).expect("the port is free");
        listener.set_nonblocking(true).expect("sockets can be non-blocking");
        self.commands.send(Command::Accept(listener)).expect("the proxy runs");
    }

    /// Accepts connections but passes no traffic on, in either direction, as a network that loses everything. Data that
    /// arrives meanwhile is passed on after [`thaw`](Self::thaw), even if its sender has closed the connection by then.
    pub fn freeze(&self) {
        self.passing.send_modify(|passing| passing.frozen = true);
    }

    /// Ends [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.passing.send_modify(|passing| passing.frozen = false);
    }

    /// Stops all traffic on the present connections for ever without closing them, as a network that has lost their
    /// state. New connections work.
    pub fn strand(&self) {
        let next = self.shared.accepted.load(Ordering::SeqCst);
        self.passing.send_modify(|passing| passing.stranded = next);
    }

    /// Sends a command and returns when it is done.
    fn command(&self, command: impl FnOnce(std_mpsc::Sender<()>) -> Command) {
        let (done, is_done) = std_mpsc::channel();
        self.commands.send(command(done)).expect("the proxy runs");
        is_done.recv().expect("the proxy runs");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Waiting for the runtime's threads is forbidden inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn armed(&self) -> MutexGuard<'_, Option<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delays(&self) -> MutexGuard<'_, Option<String>> {
        self.delays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `true` if a statement with this SQL is delayed.
    fn is_delayed(&self, sql: &str) -> bool {
        self.delays().as_ref().is_some_and(|marker| sql.contains(marker))
    }

    /// Returns the cut for the connection that executes this statement, if any; only the first matching connection gets
    /// it.
    fn take_cut(&self, sql: &str, is_simple: bool) -> Option<Cut> {
        let mut armed = self.armed();
        let matches = armed.as_ref().is_some_and(|armed| match &armed.marker {
            Some(marker) => sql.contains(marker),
            None => !is_simple,
        });
        if matches { armed.take().map(|armed| armed.cut) } else { None }
    }
}

/// Returns the host and the port of a server.
fn upstream(server: &Server) -> (String, u16) {
    let options = server.options();
    (options.get_host().to_owned(), options.get_port())
}

/// Accepts connections and executes commands.
async fn serve(
    mut upstream: (String, u16),
    shared: Arc<Shared>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    passing: watch::Receiver<Passing>,
) {
    let mut listener: Option<TcpListener> = None;
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = commands.recv() => match command {
                None => return,
                Some(Command::Accept(open)) => listener = TcpListener::from_std(open).ok(),
                Some(Command::LeadTo { upstream: other, done }) => {
                    upstream = other;
                    let _ = done.send(());
                }
                Some(Command::Refuse { done }) => {
                    listener = None;
                    let _ = done.send(());
                }
                Some(Command::CutAll { done }) => {
                    connections.shutdown().await;
                    let _ = done.send(());
                }
            },
            client = accepted => if let Ok((client, _)) = client {
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                let gate = Gate { number, passing: passing.clone() };
                connections.spawn(connection::pass(client, upstream.clone(), Arc::clone(&shared), gate));
            },
            // Ended connections are removed.
            Some(_) = connections.join_next() => {}
        }
    }
}
