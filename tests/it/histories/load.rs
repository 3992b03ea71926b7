//! Clients that read, edit, delete and make notebooks again at several servers at once, and note what they were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use quire_tests::history::{Kind, Operation, check};
use quire_tests::{Client, Reply};
use serde_json::{Value, json};

/// Time-out for one operation, retries included, and for a condition of a test.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);
/// Time after which a client retries, where the server names none.
const RETRY_AFTER: Duration = Duration::from_millis(20);
const CLIENTS: usize = 16;
/// Maximum attempts of a client to delete a notebook that others edit.
const DELETION_ATTEMPTS: usize = 20;
/// A number that makes the clients' choices; each client adds its own.
const SEED: u64 = 20_261_130;

/// Clients' load on several servers.
pub(super) struct Load {
    servers: RwLock<Vec<Client>>,
    notebooks: Vec<Target>,
    /// Ticks at each beginning and end.
    clock: AtomicU64,
    begun: AtomicUsize,
    /// Operations after which the clients end, once they may.
    enough: usize,
    may_end: AtomicBool,
    counts: [AtomicUsize; COUNTS.len()],
}

/// What is counted beside the histories.
const COUNTS: [&str; 6] = ["marked stale", "without an answer", "refused", "conflicts", "gone", "deleted"];

#[derive(Clone, Copy)]
enum Count {
    Stale,
    Unanswered,
    Refused,
    Conflict,
    Gone,
    Deleted,
}

/// A notebook that is read and edited.
struct Target {
    path: String,
    /// The code of its cells at revision 0, by their index.
    start: BTreeMap<String, String>,
    /// `true` if reading it makes it again when it was deleted.
    is_remade: bool,
    history: Mutex<Vec<Operation>>,
}

/// What a client knows of a notebook.
#[derive(Clone)]
struct Known {
    etag: String,
    life: String,
    revision: i64,
    cells: Vec<String>,
}

/// Choices of a client: `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

impl Load {
    /// Prepares a load of at least so many operations, on two notebooks that are deleted and made again and two others.
    pub(super) fn new(servers: Vec<Client>, operations: usize) -> Self {
        let mut load = Self {
            servers: RwLock::new(servers),
            notebooks: Vec::new(),
            clock: AtomicU64::new(0),
            begun: AtomicUsize::new(0),
            enough: operations,
            may_end: AtomicBool::new(false),
            counts: <[AtomicUsize; COUNTS.len()]>::default(),
        };
        let create = || {
            let made = load.server(0).send("POST", "/api/notebooks", &[], None).unwrap();
            (made.body["notebook_id"].as_str().unwrap().to_owned(), false)
        };
        let names = [("demo".to_owned(), true), ("blank".to_owned(), true), create(), create()];
        load.notebooks = names.map(|(id, is_remade)| load.target(&id, is_remade)).into();
        load
    }

    fn target(&self, id: &str, is_remade: bool) -> Target {
        let path = format!("/api/notebooks/{id}");
        let read = self.server(0).send("GET", &path, &[], None).unwrap();
        assert_eq!((read.status, &read.body["revision"]), (200, &json!(0)), "{read:?}");
        Target { path, start: codes(&read.body), is_remade, history: Mutex::default() }
    }

    /// Puts a server in the place of another one.
    pub(super) fn replace(&self, place: usize, server: &Client) {
        self.servers.write().unwrap()[place] = server.clone();
    }

    /// Returns the number of reads that were marked stale.
    pub(super) fn marked_stale(&self) -> usize {
        self.counted(Count::Stale)
    }

    /// Returns the number of requests that got no complete response.
    pub(super) fn unanswered(&self) -> usize {
        self.counted(Count::Unanswered)
    }

    fn counted(&self, what: Count) -> usize {
        self.counts[what as usize].load(Ordering::SeqCst)
    }

    /// Returns the path of a notebook that is never deleted.
    pub(super) fn lasting(&self) -> &str {
        &self.notebooks[self.notebooks.len() - 1].path
    }

    /// Waits until so many more operations have begun.
    pub(super) fn wait_for(&self, more: usize) {
        let wanted = self.begun.load(Ordering::SeqCst) + more;
        until("the clients go on", || self.begun.load(Ordering::SeqCst) >= wanted);
    }

    /// Runs all clients until `meanwhile` has returned and there were enough operations; then reads all notebooks at each server, and checks all histories.
    pub(super) fn run(&self, meanwhile: impl FnOnce(&Self)) {
        let start = Instant::now();
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || self.client(number))).collect();
            {
                let _end = EndOnDrop(&self.may_end);
                meanwhile(self);
            }
            for client in clients {
                client.join().unwrap();
            }
        });
        let (servers, elapsed) = (self.servers.read().unwrap().len(), start.elapsed());
        for target in &self.notebooks {
            for server in 0..servers {
                assert!(self.read(target, |_attempt| server).is_some(), "a read is marked stale in the end");
            }
            let history = target.history.lock().unwrap();
            check(&target.start, &history).unwrap_or_else(|error| panic!("{} (seed {SEED}): {error}", target.path));
        }
        assert!(self.counted(Count::Deleted) > 0, "no notebook was deleted and made again");
        let counts =
            COUNTS.iter().zip(&self.counts).map(|(what, count)| format!("{} {what}", count.load(Ordering::SeqCst)));
        let noted = self.notebooks.iter().map(|target| target.history.lock().unwrap().len()).sum::<usize>();
        let counts = counts.collect::<Vec<_>>().join(", ");
        println!("{noted} operations noted at {servers} servers in {elapsed:.1?}: no stale read; {counts}");
    }

    fn server(&self, place: usize) -> Client {
        self.servers.read().unwrap()[place].clone()
    }

    fn client(&self, number: usize) {
        let mut random = Random(SEED + number as u64);
        let servers = self.servers.read().unwrap().len();
        // Half of the clients stay at one server, so that some go on when another does not answer.
        let home = number.is_multiple_of(2).then_some(number / 2 % servers);
        let mut known: Vec<Option<Known>> = vec![None; self.notebooks.len()];
        loop {
            let operation = self.begun.fetch_add(1, Ordering::SeqCst);
            if operation >= self.enough && self.may_end.load(Ordering::SeqCst) {
                return;
            }
            let index = random.below(self.notebooks.len());
            let (target, what) = (&self.notebooks[index], random.below(100));
            // What gets no answer at one server is sent to the next one.
            let roaming = random.below(servers);
            let place = move |attempt: usize| home.unwrap_or((roaming + attempt) % servers);
            known[index] = match (what, known[index].take()) {
                (0..3, Some(_)) if target.is_remade => self.delete(target, operation, place),
                (3..6, known) => {
                    let list = self.send("GET", "/api/notebooks", operation, None, place);
                    assert_eq!(list.status, 200, "{list:?}");
                    known
                }
                (6..50, Some(known)) => {
                    let cell = random.below(known.cells.len());
                    self.write(target, known, cell, operation, place)
                }
                _ => self.read(target, place),
            };
        }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn count(&self, what: Count) {
        self.counts[what as usize].fetch_add(1, Ordering::SeqCst);
    }

    fn note(&self, target: &Target, begun: u64, (life, revision): (&str, i64), kind: Kind) {
        let ended = self.tick();
        target.history.lock().unwrap().push(Operation { begun, ended, life: life.to_owned(), revision, kind });
    }

    /// Sends a request, with the operation's number as its key, until it is answered otherwise than with 503.
    fn send(
        &self,
        method: &str,
        path: &str,
        key: usize,
        body: Option<&Value>,
        place: impl Fn(usize) -> usize,
    ) -> Reply {
        let (start, key) = (Instant::now(), key.to_string());
        for attempt in 0.. {
            let reply = self.server(place(attempt)).send(method, path, &[("Idempotency-Key", &key)], body);
            let pause = match reply {
                Some(reply) if reply.status == 503 => {
                    self.count(Count::Refused);
                    assert!(reply.retry_after.is_some(), "{reply:?}");
                    RETRY_AFTER
                }
                Some(reply) => return reply,
                None => {
                    self.count(Count::Unanswered);
                    RETRY_AFTER
                }
            };
            assert!(start.elapsed() < PATIENCE, "{method} {path} is never answered");
            std::thread::sleep(pause);
        }
        unreachable!("there is always another attempt");
    }

    /// Reads a notebook; returns what is known of it then, unless the answer may be stale.
    fn read(&self, target: &Target, place: impl Fn(usize) -> usize) -> Option<Known> {
        let start = Instant::now();
        for attempt in 0.. {
            let begun = self.tick();
            let Some(reply) = self.server(place(attempt)).send("GET", &target.path, &[], None) else {
                self.count(Count::Unanswered);
                std::thread::sleep(RETRY_AFTER);
                continue;
            };
            assert!(start.elapsed() < PATIENCE, "{} cannot be read", target.path);
            match reply.status {
                200 if reply.body["stale"] == true => {
                    assert_eq!(reply.etag, "", "what may be stale has no tag");
                    self.count(Count::Stale);
                    return None;
                }
                200 => {
                    let known = Known::of(&reply);
                    let kind = Kind::Read { cells: codes(&reply.body) };
                    self.note(target, begun, (&known.life, known.revision), kind);
                    return Some(known);
                }
                // It was made again, and deleted before it was opened.
                404 if target.is_remade => self.count(Count::Gone),
                503 => self.count(Count::Refused),
                _ => panic!("{reply:?}"),
            }
            std::thread::sleep(RETRY_AFTER);
        }
        unreachable!("there is always another attempt");
    }

    fn write(
        &self,
        target: &Target,
        known: Known,
        cell: usize,
        operation: usize,
        place: impl Fn(usize) -> usize,
    ) -> Option<Known> {
        let (path, value) = (format!("{}/cells/{}", target.path, known.cells[cell]), format!("value = {operation}"));
        let begun = self.tick();
        let reply = self.send("PUT", &path, operation, Some(&json!({ "code": value })), place);
        match reply.status {
            200 => {
                let revision = reply.body["revision"].as_i64().unwrap();
                self.note(target, begun, (&known.life, revision), Kind::Write { cell: cell.to_string(), value });
                Some(known)
            }
            404 => self.gone(target, begun, &known, &reply),
            _ => panic!("{reply:?}"),
        }
    }

    /// Deletes a notebook at the state that was just read, unless other clients edit it each time.
    fn delete(&self, target: &Target, operation: usize, place: impl Fn(usize) -> usize + Copy) -> Option<Known> {
        for _ in 0..DELETION_ATTEMPTS {
            let known = self.read(target, place)?;
            let begun = self.tick();
            let body = json!({ "expected_revision": known.etag });
            let reply = self.send("DELETE", &target.path, operation, Some(&body), place);
            match reply.status {
                200 => {
                    self.count(Count::Deleted);
                    self.note(target, begun, (&known.life, known.revision), Kind::Delete);
                    return None;
                }
                409 => self.count(Count::Conflict),
                404 => return self.gone(target, begun, &known, &reply),
                _ => panic!("{reply:?}"),
            }
        }
        None
    }

    fn gone(&self, target: &Target, begun: u64, known: &Known, reply: &Reply) -> Option<Known> {
        assert!(target.is_remade, "{reply:?}");
        self.count(Count::Gone);
        self.note(target, begun, (&known.life, 0), Kind::Gone);
        None
    }
}

/// Lets the clients end, also when a test fails.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until something is so.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Known {
    fn of(reply: &Reply) -> Self {
        let (revision, life) = reply.etag.trim_matches('"').split_once('-').unwrap().1.split_once('-').unwrap();
        let cells = reply.body["cells"].as_array().unwrap().iter().map(|cell| cell["id"].as_str().unwrap().to_owned());
        let revision = revision.parse().unwrap();
        assert_eq!(reply.body["revision"], revision);
        Self { etag: reply.etag.clone(), life: life.to_owned(), revision, cells: cells.collect() }
    }
}

/// Returns the code of each cell by its index.
fn codes(notebook: &Value) -> BTreeMap<String, String> {
    let cells = notebook["cells"].as_array().unwrap().iter().enumerate();
    cells.map(|(index, cell)| (index.to_string(), cell["code"].as_str().unwrap().to_owned())).collect()
}
