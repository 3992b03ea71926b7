//! Output of a running command: a bar on a terminal, lines elsewhere.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use quire_transfer::{Line, Outcome, ProgressObserver, Summary};

use crate::cli::WorkArgs;
use crate::outcome::Failure;
use crate::report::Report;

/// Interval between lines of progress without a terminal.
const EVERY: Duration = Duration::from_secs(5);

/// Output of a command.
pub(crate) struct Screen {
    verb: &'static str,
    output: Output,
    report: Option<Report>,
    /// `true` for a dry run, which prints all lines.
    is_plan: bool,
    started: Instant,
}

enum Output {
    Quiet,
    Json,
    Bar(ProgressBar),
    Lines { done: u64, total: u64, last: Instant },
}

impl Screen {
    /// Creates the output that the command line requests. `verb` describes the work, as "importing". A dry run also
    /// prints the lines without errors.
    pub(crate) fn new(work: &WorkArgs, verb: &'static str, is_plan: bool) -> Result<Self, Failure> {
        let report = work.report.as_deref().map(Report::create).transpose()?;
        let started = Instant::now();
        let output = if work.quiet {
            Output::Quiet
        } else if work.json {
            Output::Json
        } else if io::stderr().is_terminal() {
            Output::Bar(bar(verb))
        } else {
            Output::Lines { done: 0, total: 0, last: started }
        };
        Ok(Self { verb, output, report, is_plan, started })
    }

    /// Returns the same kind of output for another part of the command, which the report omits.
    pub(crate) fn next(&self, verb: &'static str) -> Self {
        let started = Instant::now();
        let output = match self.output {
            Output::Quiet => Output::Quiet,
            Output::Json => Output::Json,
            Output::Bar(_) => Output::Bar(bar(verb)),
            Output::Lines { .. } => Output::Lines { done: 0, total: 0, last: started },
        };
        Self { verb, output, report: None, is_plan: false, started }
    }

    /// Prints the summary and additional facts.
    pub(crate) fn end(self, summary: &Summary, outcomes: &[Outcome], more: &[(&str, serde_json::Value)]) {
        let took = self.started.elapsed();
        let counts = outcomes.iter().map(|&outcome| (outcome.as_str(), summary.count(outcome)));
        match self.output {
            Output::Quiet => {}
            Output::Json => {
                let mut object: serde_json::Map<_, _> =
                    counts.map(|(name, count)| (name.to_owned(), count.into())).collect();
                object.insert("seconds".to_owned(), took.as_secs_f64().into());
                object.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
                let object = serde_json::json!({ "summary": object });
                let _ = writeln!(io::stdout(), "{object}");
            }
            Output::Bar(_) | Output::Lines { .. } => {
                if let Output::Bar(bar) = &self.output {
                    bar.finish_and_clear();
                }
                let counts: Vec<_> = counts.map(|(name, count)| format!("{count} {name}")).collect();
                let plan = if self.is_plan { "nothing was written; a run would give " } else { "" };
                let _ = writeln!(io::stdout(), "{plan}{} in {:.1} s", counts.join(", "), took.as_secs_f64());
            }
        }
    }

    /// Prints a sentence even if `--quiet` is set.
    pub(crate) fn warn(&self, text: &str) {
        if matches!(self.output, Output::Quiet) {
            let _ = writeln!(io::stderr(), "{text}");
        }
        self.say(text);
    }

    /// Prints a sentence for people.
    pub(crate) fn say(&self, text: &str) {
        if matches!(self.output, Output::Bar(_) | Output::Lines { .. }) {
            let _ = writeln!(io::stdout(), "{text}");
        }
    }
}

impl ProgressObserver for Screen {
    fn begin(&mut self, count: usize) {
        let count = count as u64;
        match &mut self.output {
            Output::Bar(bar) => bar.set_length(count),
            Output::Lines { total, .. } => {
                *total = count;
                let _ = writeln!(io::stderr(), "{}: {count} to look at", self.verb);
            }
            Output::Quiet | Output::Json => {}
        }
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        // The report comes first, because it must contain every printed line.
        if let Some(report) = &mut self.report {
            report.write(line)?;
        }
        let worth_a_line = self.is_plan || line.outcome.is_trouble() || line.reason.is_some();
        match &mut self.output {
            Output::Quiet if line.outcome.is_trouble() => drop(writeln!(io::stderr(), "{}", text(line))),
            Output::Quiet => {}
            Output::Json => {
                let mut text = serde_json::to_vec(line)?;
                text.push(b'\n');
                // The reader has requested all lines: a pipe that closes early ends the command.
                io::stdout().write_all(&text)?;
            }
            Output::Bar(bar) => {
                bar.inc(1);
                if worth_a_line {
                    bar.suspend(|| drop(writeln!(io::stdout(), "{}", text(line))));
                }
            }
            Output::Lines { done, total, last } => {
                *done += 1;
                if worth_a_line {
                    let _ = writeln!(io::stdout(), "{}", text(line));
                }
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    let seconds = self.started.elapsed().as_secs_f64();
                    let progress = progress(*done, *total, seconds);
                    let _ = writeln!(io::stderr(), "{}: {progress}", self.verb);
                }
            }
        }
        Ok(())
    }
}

fn bar(verb: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{msg} [{wide_bar}] {pos}/{len} {rate}/s, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        // The library's own rate has four decimals.
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.0}", state.per_sec()); // a bar that cannot be drawn does not stop the run
        };
        bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
    }
    bar.set_message(verb);
    bar
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown rounded")]
fn progress(done: u64, total: u64, seconds: f64) -> String {
    let rate = done as f64 / seconds.max(0.001);
    let left = total.saturating_sub(done) as f64 / rate.max(0.001);
    format!("{done} of {total}, {rate:.0}/s, {left:.0} s left")
}

fn text(line: &Line) -> String {
    let Line { file, id, outcome, reason, offset } = line;
    let what = match (file, id) {
        (Some(file), _) => file.clone(),
        (None, Some(id)) => id.to_string(),
        (None, None) => String::new(),
    };
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    // A reason that names line and column may name the byte as well.
    let place = match offset {
        Some(offset) if !reason.contains(&format!("byte {offset}")) => format!(" (byte {offset})"),
        _ => String::new(),
    };
    printable(&format!("{:<9} {what}{reason}{place}", outcome.as_str()))
}

/// Returns the text without characters that would move a terminal's cursor: file names and ids can contain anything.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
