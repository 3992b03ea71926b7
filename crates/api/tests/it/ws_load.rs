//! Many watchers of one notebook.

use std::time::{Duration, Instant};

use actix_web::rt::System;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::json;

use crate::ws_client::{Listening, SOON};

const WATCHERS: usize = 1_000;
const EDITS: usize = 30;

/// 1,000 watchers at 10 edits/s: each hears all in order, once. How long the slowest percent took is printed, for a build
/// that is worth measuring.
#[test]
fn a_thousand_watchers_hear_everything_in_order() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    System::with_tokio_rt(runtime).block_on(async {
        let listening = Listening::with(|sockets| {
            (sockets.max_sockets, sockets.max_per_user) = (2 * WATCHERS, 2 * WATCHERS);
        });
        let notebook = listening.server.notebook().await;
        let cell = listening.server.first_cell(&notebook).await;
        let began = Instant::now();
        let mut watchers = Vec::new();
        for _ in 0..WATCHERS {
            let mut client = listening.watch(&notebook).await;
            watchers.push(tokio::spawn(async move {
                let mut heard = Vec::with_capacity(EDITS);
                while heard.len() < EDITS {
                    let message = tokio::time::timeout(SOON, client.socket.next()).await.unwrap().unwrap().unwrap();
                    // The cell turns stale by the first edit.
                    if let tokio_tungstenite::tungstenite::Message::Text(text) = message
                        && !text.contains("cell_stale")
                    {
                        let n: usize = text.split("x = ").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
                        assert_eq!(n, heard.len());
                        heard.push(began.elapsed());
                    }
                }
                heard
            }));
        }
        let put = format!("{notebook}/cells/{cell}");
        let (mut sent, mut ticks) = (Vec::new(), tokio::time::interval(Duration::from_millis(100)));
        for n in 0..EDITS {
            ticks.tick().await;
            sent.push(began.elapsed());
            listening.server.put(&put, &json!({"code": format!("x = {n}")}).to_string()).await.ok();
        }
        let mut delays = Vec::new();
        for heard in join_all(watchers).await {
            delays.extend(heard.unwrap().into_iter().zip(&sent).map(|(heard, sent)| heard.saturating_sub(*sent)));
        }
        delays.sort_unstable();
        let at = |percent: usize| delays[delays.len() * percent / 100];
        println!("{WATCHERS} watchers, {EDITS} edits: p50 {:?}, p99 {:?}, max {:?}", at(50), at(99), delays.last());
        listening.stop().await;
    });
}
