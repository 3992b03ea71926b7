//! The attacks.

use std::sync::Barrier;
use std::thread;

use serde_json::json;

use super::{Attack, Attacker, CONNECTIONS, ENDED, Siege, Wire, file};

const MIB: usize = 1024 * 1024;

/// Statuses with which an overloaded server may answer.
const BUSY: &[u16] = &[200, 429, 503];

/// All attacks: name, action, required answer, other permitted answers.
pub const ATTACKS: &[Attack] = &[
    attack("frame that announces 2^40 bytes", |a| frames(a, &announced(1 << 40)), 1009, &[]),
    attack("frame that announces 2^63 bytes", |a| frames(a, &announced(1 << 63)), 1009, &[]),
    attack("frame that announces 2^40 bytes, and sends them", flood, 1009, &[ENDED]),
    attack("fragments of more than 16 KiB together", fragments, 1009, &[]),
    attack("ping of 126 bytes", |a| frames(a, &[0x89, 0xFE, 0x00, 0x7E]), 1002, &[]),
    attack("frame with reserved bits", |a| frames(a, &[0xF1, 0x80]), 1002, &[]),
    attack("frame that is not masked", |a| frames(a, &[0x81, 0x05]), 1002, &[]),
    attack("ping in fragments", |a| frames(a, &[0x09, 0x80]), 1002, &[]),
    attack("sockets that do not sign in", silent_sockets, 1013, &[]),
    attack("more sockets than a user may have", many_sockets, 1013, &[101]),
    attack("heads that are never finished", |a| crowd(a, b"GET /livez HTTP/1.1\r\nHost: quire"), ENDED, &[408]),
    attack("connections on which nothing is sent", |a| crowd(a, b""), ENDED, &[408]),
    attack("what is not HTTP", |a| raw(a, b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03\r\n\r\n"), 400, &[]),
    attack("head of 300 KB", |a| raw(a, &large_head()), 431, &[ENDED]),
    attack("requests sent at once and not read", pipelined, 200, &[]),
    attack("tokens that are none", |a| raw(a, &foreign_token()), 401, &[]),
    attack("bodies of 15 MiB that wait for their end", unfinished_bodies, 429, &[422, 503]),
    attack("body that announces 17 MiB", announced_body, 413, &[]),
    attack("body of chunks without end", endless_body, 413, &[ENDED]),
    attack("body nested 20,000 deep", nested_body, 422, &[]),
    attack("cell of 300 KiB", large_cell, 413, &[]),
    attack("answers of 8 MiB that are not read", |a| unread(a, ""), 200, &[429]),
    attack("exports of 8 MiB that are not read", |a| unread(a, "/export"), 429, BUSY),
    attack("sockets that do not read large events", unread_events, 200, &[]),
    attack("edits of one notebook at once", edits, 200, BUSY),
    attack("searches at once", |a| gets(a, "/api/search?q=x"), 200, BUSY),
    attack("graphs at once", |a| gets(a, "/api/notebooks/blank/graph"), 200, BUSY),
    attack("notebooks of others", foreign, 403, &[]),
    attack("imports of 4 MiB at once", imports, 200, BUSY),
    attack("bodies that drip in on 300 connections", dripping_bodies, 429, &[408, ENDED]),
    attack("SQL nested 45 deep", |a| nested_sql(a, 45), 200, BUSY),
    attack("SQL nested 1,000 deep", |a| nested_sql(a, 1_000), 200, BUSY),
    attack("edits of a cycle of 10,000 cells", edits_of_a_cycle, 200, BUSY),
    attack("graphs of a cell of 40,000 names and its readers at once", |a| graphs_of_names(a, 40_000, 5), 200, BUSY),
    attack("graphs of a cell of 3,000 names and 60 readers at once", |a| graphs_of_names(a, 3_000, 60), 200, BUSY),
    attack("1,001 cells of 200 names, more than a notebook may have", many_cells_of_names, 422, &[]),
    attack("six copies of a notebook that takes a third of the memory", copies, 1013, &[200]),
];

const fn attack(name: &'static str, run: fn(&Attacker<'_>) -> Siege, answer: u16, others: &'static [u16]) -> Attack {
    Attack { name, run, answer, others }
}

/// Does the same concurrently on several connections.
fn at_once(attacker: &Attacker<'_>, act: impl Fn(&mut Wire) -> u16 + Sync) -> Siege {
    at_once_on(CONNECTIONS, attacker, act)
}

fn at_once_on(connections: usize, attacker: &Attacker<'_>, act: impl Fn(&mut Wire) -> u16 + Sync) -> Siege {
    let one = || {
        let mut wire = attacker.connect();
        (act(&mut wire), wire)
    };
    let (answers, held) = thread::scope(|scope| {
        let all: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|one| one.join().expect("an attacker goes on")).unzip()
    });
    Siege { answers, held }
}

fn raw(attacker: &Attacker<'_>, bytes: &[u8]) -> Siege {
    at_once(attacker, |wire| {
        wire.say(bytes);
        wire.status()
    })
}

fn gets(attacker: &Attacker<'_>, path: &str) -> Siege {
    at_once(attacker, |wire| {
        wire.request("GET", path, "");
        wire.answer().0
    })
}

fn announced(length: u64) -> Vec<u8> {
    [&[0x82, 0xFF][..], &length.to_be_bytes()].concat()
}

/// Opens sockets that send these bytes before they sign in.
fn frames(attacker: &Attacker<'_>, bytes: &[u8]) -> Siege {
    at_once(attacker, |wire| {
        wire.upgrade("blank");
        wire.say(bytes);
        wire.close_code()
    })
}

fn flood(attacker: &Attacker<'_>) -> Siege {
    at_once(attacker, |wire| {
        wire.upgrade("blank");
        wire.say(announced(1 << 40));
        let code = wire.close_code();
        for _ in 0..16 {
            wire.say(vec![0; MIB]);
        }
        code
    })
}

fn fragments(attacker: &Attacker<'_>) -> Siege {
    let fragment = [&[0x01, 0xFE, 0x20, 0x00, 0, 0, 0, 0][..], &[b' '; 0x2000]].concat();
    frames(attacker, &[&fragment[..], &[0x80, 0xFE, 0x20, 0x01]].concat())
}

fn silent_sockets(attacker: &Attacker<'_>) -> Siege {
    let mut held: Vec<_> = (0..80).map(|_| attacker.socket()).collect();
    // At most 64 sockets from one address may be signing in: the server has closed the oldest for a new one.
    let answers = vec![held.first_mut().map_or(ENDED, Wire::close_code)];
    Siege { answers, held }
}

fn many_sockets(attacker: &Attacker<'_>) -> Siege {
    let mut siege = Siege::default();
    for _ in 0..20 {
        siege.held.push(attacker.watch("blank"));
        siege.answers.push(101);
    }
    let mut one_more = attacker.socket();
    let token = attacker.token.clone();
    one_more.text(&json!({"type": "authenticate", "token": token}));
    siege.answers.push(one_more.close_code());
    siege
}

/// Opens more connections than the server permits.
fn crowd(attacker: &Attacker<'_>, bytes: &[u8]) -> Siege {
    let mut held: Vec<_> = (0..300)
        .map(|_| {
            let mut wire = attacker.connect();
            wire.say(bytes);
            wire
        })
        .collect();
    let answers = vec![held.first_mut().map_or(ENDED, Wire::status)];
    Siege { answers, held }
}

fn large_head() -> Vec<u8> {
    format!("GET /livez HTTP/1.1\r\nHost: quire.example\r\nX: {}\r\n\r\n", "x".repeat(300_000)).into_bytes()
}

fn foreign_token() -> Vec<u8> {
    b"GET /api/notebooks HTTP/1.1\r\nHost: quire.example\r\nAuthorization: Bearer a.b.c\r\n\r\n".to_vec()
}

fn pipelined(attacker: &Attacker<'_>) -> Siege {
    at_once(attacker, |wire| {
        for _ in 0..100 {
            wire.head("GET", "/api/notebooks/blank", "");
        }
        wire.status()
    })
}

fn unfinished_bodies(attacker: &Attacker<'_>) -> Siege {
    let body = "x".repeat(15 * MIB - 1);
    let all_but_the_end = Barrier::new(CONNECTIONS);
    at_once(attacker, |wire| {
        let length = body.len() + 1;
        let headers = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
        wire.head("POST", "/api/notebooks/import", &headers);
        wire.say(&body);
        all_but_the_end.wait();
        wire.say("x");
        wire.status()
    })
}

fn announced_body(attacker: &Attacker<'_>) -> Siege {
    at_once(attacker, |wire| {
        let headers = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", 17 * MIB);
        wire.head("POST", "/api/notebooks/import", &headers);
        wire.status()
    })
}

fn endless_body(attacker: &Attacker<'_>) -> Siege {
    let chunk = [format!("{MIB:x}\r\n").into_bytes(), vec![b' '; MIB], b"\r\n".to_vec()].concat();
    at_once(attacker, |wire| {
        let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
        wire.head("POST", "/api/notebooks/import", headers);
        for _ in 0..17 {
            wire.say(&chunk);
        }
        wire.status()
    })
}

fn nested_body(attacker: &Attacker<'_>) -> Siege {
    at_once(attacker, |wire| {
        let deep = format!("{{\"name\": \"x\", \"more\": {}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        wire.request("PUT", "/api/notebooks/blank/name", &deep);
        wire.status()
    })
}

fn large_cell(attacker: &Attacker<'_>) -> Siege {
    let (_, notebook) = attacker.ask("GET", "/api/notebooks/blank", "");
    let path = format!("/api/notebooks/blank/cells/{}", notebook["cells"][0]["id"].as_str().unwrap_or_default());
    let body = json!({"code": "x".repeat(300 * 1024)}).to_string();
    at_once(attacker, |wire| {
        wire.request("PUT", &path, &body);
        wire.status()
    })
}

fn unread(attacker: &Attacker<'_>, part: &str) -> Siege {
    let cells: Vec<_> = (0..64).map(|n| format!("# {n}{}", "#".repeat(128 * 1024))).collect();
    let notebook = match attacker.import(&cells) {
        Ok(notebook) => notebook,
        Err(status) => return Siege { answers: vec![status], held: Vec::new() },
    };
    let path = format!("/api/notebooks/{notebook}{part}");
    let siege = at_once(attacker, |wire| {
        wire.request("GET", &path, "");
        wire.status()
    });
    let _ = attacker.ask("DELETE", &format!("/api/notebooks/{notebook}"), ""); // answers in flight are unaffected
    siege
}

fn unread_events(attacker: &Attacker<'_>) -> Siege {
    let (_, notebook) = attacker.ask("GET", "/api/notebooks/blank", "");
    let path = format!("/api/notebooks/blank/cells/{}", notebook["cells"][0]["id"].as_str().unwrap_or_default());
    let held = (0..CONNECTIONS).map(|_| attacker.watch("blank")).collect();
    let put =
        |n| attacker.ask("PUT", &path, &json!({"code": format!("x = {n} # {}", "#".repeat(250_000))}).to_string()).0;
    Siege { answers: (0..40).map(put).collect(), held }
}

fn edits(attacker: &Attacker<'_>) -> Siege {
    let (_, notebook) = attacker.ask("GET", "/api/notebooks/blank", "");
    let path = format!("/api/notebooks/blank/cells/{}", notebook["cells"][0]["id"].as_str().unwrap_or_default());
    at_once(attacker, |wire| {
        let answers = (0..20).map(|n| {
            wire.request("PUT", &path, &json!({"code": format!("x = {n}")}).to_string());
            wire.answer().0
        });
        answers.max().unwrap_or(ENDED)
    })
}

fn foreign(attacker: &Attacker<'_>) -> Siege {
    gets(attacker, "/api/notebooks/blank-ann")
}

fn imports(attacker: &Attacker<'_>) -> Siege {
    let cells: Vec<_> = (0..32).map(|n| format!("x{n} = {n} # {}", "#".repeat(128 * 1024))).collect();
    let file = file(&cells);
    at_once(attacker, |wire| {
        wire.request("POST", "/api/notebooks/import", &file);
        let (status, answer) = wire.answer();
        if let Some(id) = answer["notebook_id"].as_str() {
            wire.request("DELETE", &format!("/api/notebooks/{id}"), "");
            let _ = wire.answer();
        }
        status
    })
}

/// Sends more bodies than there may be connections, with only the first byte of each.
fn dripping_bodies(attacker: &Attacker<'_>) -> Siege {
    let mut held: Vec<_> = (0..300)
        .map(|_| {
            let mut wire = attacker.connect();
            let headers = "Content-Type: application/json\r\nContent-Length: 1000\r\n";
            wire.head("PUT", "/api/notebooks/blank/name", headers);
            wire.say("{");
            wire
        })
        .collect();
    // These connections come after those that one user may have in flight.
    let answers = held[60..100].iter_mut().map(Wire::status).collect();
    Siege { answers, held }
}

/// Analyses shapes that once took time exponential in their depth.
fn nested_sql(attacker: &Attacker<'_>, depth: usize) -> Siege {
    let nest = |open: &str, close: &str| format!("select {}1{}", open.repeat(depth), close.repeat(depth));
    let shapes = [nest("position(", ")"), nest("a.position(", ")"), nest("x in (values (", ", 1))")];
    let (_, made) = attacker.ask("POST", "/api/notebooks/blank/cells", &json!({"type": "sql"}).to_string());
    let path = format!("/api/notebooks/blank/cells/{}", made["cell_id"].as_str().unwrap_or_default());
    let siege = at_once(attacker, |wire| {
        let answers = shapes.iter().map(|code| {
            wire.request("PUT", &path, &json!({"code": code}).to_string());
            wire.answer().0
        });
        answers.max().unwrap_or(ENDED)
    });
    let _ = attacker.ask("DELETE", &path, "");
    siege
}

fn edits_of_a_cycle(attacker: &Attacker<'_>) -> Siege {
    const LENGTH: usize = 10_000;
    let cells: Vec<_> = (0..LENGTH).map(|n| format!("x{} = x{n}", (n + 1) % LENGTH)).collect();
    let notebook = match attacker.import(&cells) {
        Ok(notebook) => notebook,
        Err(status) => return Siege::of(Some(status)),
    };
    let (_, read) = attacker.ask("GET", &format!("/api/notebooks/{notebook}"), "");
    let path = format!("/api/notebooks/{notebook}/cells/{}", read["cells"][0]["id"].as_str().unwrap_or_default());
    let siege = at_once(attacker, |wire| {
        // The first edit breaks the cycle, and the second restores it.
        let answers = ["x1 = 0", "x1 = x0"].map(|code| {
            wire.request("PUT", &path, &json!({"code": code}).to_string());
            wire.answer().0
        });
        answers.into_iter().max().unwrap_or(ENDED)
    });
    let _ = attacker.ask("DELETE", &format!("/api/notebooks/{notebook}"), "");
    siege
}

/// Returns a cell that writes so many names, and cells that read all of them.
fn readers(names: usize, readers: usize) -> Vec<String> {
    let names: Vec<_> = (0..names).map(|n| format!("a{n:x}")).collect();
    let read = format!("[{}]", names.join(","));
    std::iter::once(format!("{} = 1", names.join("="))).chain((0..readers).map(|_| read.clone())).collect()
}

/// Requests graphs with the maximum of names and readers of a cell or of a notebook, or with a cell that has too many
/// names, none of which is known then.
fn graphs_of_names(attacker: &Attacker<'_>, names: usize, of: usize) -> Siege {
    let notebook = match attacker.import(&readers(names, of)) {
        Ok(notebook) => notebook,
        Err(status) => return Siege::of(Some(status)),
    };
    let siege = at_once_on(60, attacker, |wire| {
        wire.request("GET", &format!("/api/notebooks/{notebook}/graph"), "");
        wire.status()
    });
    let _ = attacker.ask("DELETE", &format!("/api/notebooks/{notebook}"), "");
    siege
}

fn many_cells_of_names(attacker: &Attacker<'_>) -> Siege {
    Siege::of(attacker.import(&cells_of_names(1_001)).err())
}

fn cells_of_names(cells: usize) -> Vec<String> {
    (0..cells).map(|cell| (0..200).map(|n| format!("n{cell}_{n}")).collect::<Vec<_>>().join("=") + " = 1").collect()
}

/// Makes copies and watches all of them: the first must have been evicted for the last.
fn copies(attacker: &Attacker<'_>) -> Siege {
    let original = match attacker.import(&cells_of_names(550)) {
        Ok(original) => original,
        Err(status) => return Siege::of(Some(status)),
    };
    let mut siege = Siege::default();
    for _ in 0..6 {
        let (status, made) = attacker.ask("POST", &format!("/api/notebooks/{original}/duplicate"), "");
        let copy = made["notebook_id"].as_str().unwrap_or_default();
        let mut wire = attacker.connect();
        wire.request("GET", &format!("/api/notebooks/{copy}"), "");
        let status = if status == 200 { wire.answer().0 } else { status };
        siege.answers.push(status);
        if status == 200 {
            siege.held.push(attacker.watch(copy));
        }
    }
    siege.answers.extend(siege.held.first_mut().map(Wire::close_code));
    siege
}
