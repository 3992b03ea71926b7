//! The notebook server: reads its configuration, opens the notebooks' directory, and serves the API.

mod application;
mod config;
mod keys;
mod sources;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use actix_web::rt::System;
use tracing_subscriber::EnvFilter;

use crate::application::Application;
use crate::config::{Command, Config, LogFormat};

/// The exit code of a process that cannot start as it was configured.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let config = match Config::load(std::env::args_os(), |name| std::env::var(name).ok()) {
        Ok(Command::Run(config)) => config,
        Ok(Command::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(refusal) => {
            eprintln!("quire-server: {refusal}");
            return ExitCode::from(USAGE);
        }
    };
    start_logging(&config);
    match System::new().block_on(run(&config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quire-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: &Config) -> anyhow::Result<()> {
    Application::build(config)?.run_until_stopped().await
}

fn start_logging(config: &Config) {
    let lines =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&config.log)).with_ansi(io::stdout().is_terminal());
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
