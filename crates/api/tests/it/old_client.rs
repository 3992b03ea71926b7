//! The front end that exists, message by message: what it asks, in its order, and what it makes of each answer. It shows
//! nothing before the server's event, so what it shows in the end must be what the notebook holds.

use serde_json::{Value, json};

use crate::support::Server;
use crate::ws_client::{Client, Listening};

/// A tab of the old client: a notebook as it is shown, and the socket that changes it.
struct Tab {
    notebook: String,
    cells: Vec<Value>,
    client: Client,
}

impl Tab {
    /// Opens a notebook as the client does: it reads, then watches, and never reads again.
    async fn open(listening: &Listening, notebook: &str) -> Self {
        let shown = listening.server.get(notebook).await.ok();
        let cells = shown["cells"].as_array().unwrap().clone();
        let mut client = listening.connect(notebook).await;
        client.say(&json!({"type": "authenticate", "token": "any"})).await;
        // It does not wait for the answer with this; nothing comes of a cell that there is not.
        client.say(&json!({"type": "run_cell", "cellId": "gone"})).await;
        assert_eq!(client.hear().await, json!({"type": "authenticated", "user_id": "me"}));
        client.is_served().await;
        Self { notebook: notebook.to_owned(), cells, client }
    }

    /// Hears one message and does with it what the client does.
    async fn hear(&mut self) {
        let message = self.client.hear().await;
        let id = message["cellId"].as_str().unwrap_or_else(|| panic!("logged and ignored: {message}"));
        let at = self.cells.iter().position(|cell| cell["id"] == id);
        match (message["type"].as_str().unwrap(), at) {
            // Inserted without looking for a duplicate.
            ("cell_created", _) => {
                let index = message["index"].as_u64().map_or(self.cells.len(), |index| usize::try_from(index).unwrap());
                self.cells.insert(index, message["cell"].clone());
            }
            ("cell_updated", Some(at)) => {
                for field in ["reads", "writes"] {
                    assert!(message["cell"][field].is_array(), "{message}");
                }
                for field in ["code", "reads", "writes"] {
                    self.cells[at][field] = message["cell"][field].clone();
                }
            }
            ("cell_deleted", Some(at)) => drop(self.cells.remove(at)),
            ("cell_status", Some(at)) => self.cells[at]["status"] = message["status"].clone(),
            // Nobody runs a cell: a `cell_error` would be added to the outputs and stay there.
            other => panic!("{other:?}: {message}"),
        }
    }

    /// Hears until what is shown is what `done` wants.
    async fn hear_until(&mut self, done: impl Fn(&[Value]) -> bool) {
        while !done(&self.cells) {
            self.hear().await;
        }
    }

    fn code(&self) -> Vec<&str> {
        self.cells.iter().map(|cell| cell["code"].as_str().unwrap()).collect()
    }

    async fn add(&mut self, server: &Server, kind: &str, after: Option<&str>) -> String {
        let body = json!({"type": kind, "after_cell_id": after}).to_string();
        let answer = server.post(&format!("{}/cells", self.notebook), &body).await.ok();
        let id = answer["cell_id"].as_str().unwrap().to_owned();
        self.hear_until(|cells| cells.iter().any(|cell| cell["id"] == *id)).await;
        id
    }

    async fn write(&self, server: &Server, cell: &str, code: &str) {
        let answer =
            server.put(&format!("{}/cells/{cell}", self.notebook), &json!({ "code": code }).to_string()).await.ok();
        assert_eq!(answer["status"], "ok");
    }

    /// The state that the client shows equals that of a client that connects now.
    async fn shows_what_is_there(&self, server: &Server) {
        let now = server.get(&self.notebook).await.ok();
        let brief = |cells: &[Value]| {
            let fields = ["id", "type", "code", "reads", "writes", "status", "outputs"];
            cells.iter().map(|cell| fields.map(|field| cell[field].clone())).collect::<Vec<_>>()
        };
        assert_eq!(brief(&self.cells), brief(now["cells"].as_array().unwrap()));
    }
}

/// A day with the old client: its first lists, a notebook, cells, a cycle and its end, two tabs.
#[actix_web::test]
async fn the_old_client_shows_what_the_notebook_holds() {
    let listening = Listening::start();
    let server = &listening.server;
    // Twice at once, as in its development builds.
    let (first, second) = futures_util::join!(server.get("/api/notebooks"), server.get("/api/notebooks"));
    let list = first.ok();
    assert_eq!(list, second.ok());
    let ids: Vec<_> = list["notebooks"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["blank-me", "demo-me"]);

    // The first entry is opened, a notebook made, and that one gone on with.
    Tab::open(&listening, "/api/notebooks/blank-me").await.shows_what_is_there(server).await;
    let notebook = server.notebook().await;
    let mut tab = Tab::open(&listening, &notebook).await;
    assert_eq!(tab.code(), [""]);
    server.put(&format!("{notebook}/name"), r#"{"name": " Sales "}"#).await.ok();
    for _ in 0..2 {
        // Sent whenever the field loses the focus, though nothing changed.
        server.put(&format!("{notebook}/db"), r#"{"connection_string": ""}"#).await.ok();
    }

    // Somebody types: several saves are under way at once, none waits for another.
    let cell = tab.cells[0]["id"].as_str().unwrap().to_owned();
    let typed = ["x", "x =", "x = 1"];
    for code in typed {
        tab.write(server, &cell, code).await;
    }
    tab.hear_until(|cells| cells[0]["code"] == typed[2]).await;
    let below = tab.add(server, "python", Some(&cell)).await;
    let query = tab.add(server, "sql", None).await;
    tab.write(server, &below, "y = x + z").await;
    tab.write(server, &query, "SELECT {y}").await;
    tab.hear_until(|cells| cells[2]["code"] == "SELECT {y}").await;
    assert_eq!(tab.cells[2]["reads"], json!(["y"]));

    // A cycle is an error on its cells, and goes with the edit that ends it; both tabs see the same.
    let mut other = Tab::open(&listening, &notebook).await;
    tab.write(server, &cell, "x = y").await;
    let in_error = |cells: &[Value]| cells.iter().filter(|cell| cell["status"] == "error").count();
    for tab in [&mut tab, &mut other] {
        tab.hear_until(|cells| in_error(cells) == 2).await;
        tab.shows_what_is_there(server).await;
    }
    server.delete(&format!("{notebook}/cells/{query}")).await.ok();
    tab.write(server, &cell, "").await; // the last cell is emptied, not deleted
    for tab in [&mut tab, &mut other] {
        tab.hear_until(|cells| {
            cells.len() == 2 && cells[0]["code"] == "" && cells.iter().all(|c| c["status"] == "idle")
        })
        .await;
        tab.client.is_served().await;
    }
    tab.shows_what_is_there(server).await;
    other.shows_what_is_there(server).await;

    server.delete(&notebook).await.ok();
    assert_eq!(tab.client.end().await.0, 1008, "the client must not come again");
    listening.stop().await;
}
