//! The notebook server: reads its configuration, opens the store, and serves the API.

mod application;
mod config;
mod connection;
mod connection_limiter;
mod database_use;
mod kernels;
mod listening;
mod log;
mod memory;
mod options;
mod send_deadline;
mod sign_in;
mod signals;
mod store;

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::panic;
use std::process::ExitCode;

use actix_web::rt::System;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::application::Application;
use crate::config::Config;
use crate::log::{FlushOnDrop, Log};
use crate::options::LogFormat;

fn main() -> ExitCode {
    // The guardian of a kernel is this program too, and needs no configuration.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == quire_execution::GUARD_ARGUMENT) {
        return quire_execution::guard();
    }
    // Before a secret is read.
    if let Err(error) = quire_execution::protect_memory() {
        return failed(&format_args!("cannot protect the memory of the server: {error}"));
    }
    let config = match Config::load(std::env::args_os(), Box::new(|name| std::env::var(name))) {
        Ok(config) => config,
        Err(error) => return error.report("quire-server"),
    };
    let log = match start_logging(&config) {
        Ok(log) => log,
        Err(error) => return failed(&format_args!("cannot start threads: {error}")),
    };
    log_panics();
    // Writer tasks of notebooks run on this runtime. With several threads, a busy one delays no other.
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format_args!("cannot start threads: {error}")),
    };
    let outcome = System::with_tokio_rt(|| runtime).block_on(run(&config));
    drop(log);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format_args!("{error:#}")),
    }
}

/// Prints on standard error the reason why the process ends; a failure to print is ignored.
fn failed(why: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "quire-server: {why}");
    ExitCode::FAILURE
}

async fn run(config: &Config) -> anyhow::Result<()> {
    Application::build(config).await?.run_until_stopped().await
}

/// Starts the log. Its last lines are written when the returned value is dropped.
fn start_logging(config: &Config) -> io::Result<FlushOnDrop> {
    let (log, flush_on_drop) = Log::start(io::stdout())?;
    // The HTTP library logs an error when a client sends an invalid request: any client could fill the log with that. A
    // filter that names the library takes precedence over this one.
    let filter = EnvFilter::new(format!("actix_http::h1=off,{}", config.options.log));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stdout().is_terminal());
    let lines = lines.with_writer(log);
    // The calls of the store have spans, at the level `debug`: each that the filter lets through is a line, with its time.
    let lines = lines.with_span_events(FmtSpan::CLOSE);
    match config.options.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(flush_on_drop)
}

/// Logs a panic as one line. Cells can make a parser panic, which is caught and answered; without this hook, each panic
/// would also print a message and a backtrace outside the log. If the log is off, the default hook remains.
fn log_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !tracing::enabled!(tracing::Level::ERROR) {
            return usual(info);
        }
        let at = info.location().map(tracing::field::display);
        // A message formatted at run time may quote a cell, and the log must not contain a notebook's content.
        let reason = info.payload().downcast_ref::<&'static str>();
        tracing::error!(at, reason, "panicked");
    }));
}
