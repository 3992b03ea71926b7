//! `IPython`'s magics: the language of a cell after its cell magics, and the reads, code and bindings of line magics.
//!
//! Shell lines bind nothing by themselves, and the module `help` removes help lines before. Sources:
//! `IPython.core.magics`, `IPython.extensions`, and the documentation of the extensions whose magics are named here.

use std::borrow::Cow;

use ruff_python_ast::IpyEscapeKind;

/// The content of a cell according to its cell magics.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    /// Python from this byte on. `writes` are the names that magics bind; with `reads_only` the bindings of the body
    /// are discarded when it ends.
    Python { start: usize, writes: Vec<&'a str>, reads_only: bool },
    /// Another language, or a magic that is not known here.
    Other { reads: Vec<&'a str>, writes: Vec<&'a str>, dynamic: bool },
}

/// Effects of a line magic on names, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effects<'a> {
    /// Names that the magic reads.
    pub(super) reads: Vec<&'a str>,
    /// Python that the magic runs.
    pub(super) code: Option<Cow<'a, str>>,
    /// `true` if the bindings of that code remain afterwards.
    pub(super) keeps_bindings: bool,
    /// Names that the magic binds.
    pub(super) writes: Vec<&'a str>,
    /// `true` if the magic can access names that do not occur in the code.
    pub(super) dynamic: bool,
}

/// A magic that runs the Python after its options, on its line or in its cell.
struct Runner {
    name: &'static str,
    /// Short options that are followed by a value.
    valued: &'static str,
    keeps_bindings: bool,
}

const fn runner(name: &'static str, valued: &'static str, keeps_bindings: bool) -> Runner {
    Runner { name, valued, keeps_bindings }
}

/// `lprun` and `mprun` come from `line_profiler` and `memory_profiler`.
const RUNNERS: [Runner; 10] = [
    runner("time", "", true),
    runner("timeit", "nrp", false),
    runner("prun", "lsTD", true),
    runner("debug", "b", true),
    runner("memit", "rti", true),
    runner("lprun", "fmTDsuz", true),
    runner("mprun", "fT", true),
    runner("snakeviz", "f", true),
    runner("pyinstrument", "", true),
    runner("scalene", "", true),
];

/// Line magics that can access names that do not occur in the code.
const DYNAMIC: [&str; 12] = [
    "cpaste",
    "edit",
    "load_ext",
    "paste",
    "pylab",
    "recall",
    "rep",
    "rerun",
    "reset",
    "reset_selective",
    "run",
    "xdel",
];

/// Cell magics that run another language and take or return variables through options.
const LANGUAGES: [&str; 20] = [
    "R",
    "SVG",
    "bash",
    "bigquery",
    "cmd",
    "julia",
    "matlab",
    "octave",
    "perl",
    "px",
    "pypy",
    "python",
    "python2",
    "python3",
    "ruby",
    "script",
    "send_to_spark",
    "sh",
    "spark",
    "sql",
];

fn find_runner(name: &str) -> Option<&'static Runner> {
    RUNNERS.iter().find(|runner| runner.name == name)
}

/// Removes the cell magics from the beginning of a cell.
pub(super) fn shape(code: &str) -> Shape<'_> {
    let mut start = 0;
    let mut writes = Vec::new();
    loop {
        let body = &code[start..];
        let trimmed = body.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
        let Some(magic) = trimmed.strip_prefix("%%") else {
            return Shape::Python { start, writes, reads_only: false };
        };
        let line_end = magic.find(['\n', '\r']).unwrap_or(magic.len());
        let (line, rest) = magic.split_at(line_end);
        let (name, arguments) = split_word(line);
        let offset = |part: &str| part.as_ptr() as usize - code.as_ptr() as usize;
        if name.ends_with('?') {
            return Shape::Other { reads: Vec::new(), writes, dynamic: false };
        }
        match (name, find_runner(name)) {
            ("timeit", _) => {
                // The rest of the line is set-up code, which runs before the body.
                let start = offset(after_options(arguments, "nrp"));
                return Shape::Python { start, writes, reads_only: true };
            }
            // `local` is a magic of Sparkmagic; its cell runs here and not in the cluster.
            (_, Some(_)) | ("local", _) => {}
            ("capture", _) => writes.extend(arguments.split_whitespace().find(|word| !word.starts_with('-'))),
            _ => {
                let (reads, bound) = variables(name, arguments);
                writes.extend(bound);
                // Compiled code binds names that only the compiler knows.
                return Shape::Other {
                    reads,
                    writes,
                    dynamic: matches!(name, "cython" | "cython_inline" | "cython_pyximport"),
                };
            }
        }
        start = offset(rest);
    }
}

/// Returns the effects on names of a line magic or of another of `IPython`'s escapes.
pub(super) fn effects(kind: IpyEscapeKind, command: &str) -> Effects<'_> {
    let (name, arguments) = split_word(command.trim_start());
    match kind {
        IpyEscapeKind::Magic if !command.trim_end().ends_with('?') => line_magic(name, arguments),
        // `,f a b` and `;f a b` call f with text, `/f a b` with values.
        IpyEscapeKind::Quote | IpyEscapeKind::Quote2 => Effects { code: Some(name.into()), ..Effects::default() },
        IpyEscapeKind::Paren => {
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            Effects {
                code: Some(format!("{name}({})", arguments.join(", ")).into()),
                keeps_bindings: true,
                ..Effects::default()
            }
        }
        _ => Effects::default(),
    }
}

fn line_magic<'a>(name: &str, arguments: &'a str) -> Effects<'a> {
    if let Some(&Runner { valued, keeps_bindings, .. }) = find_runner(name) {
        let (code, functions) = split_options(arguments, valued, 'f');
        // The functions that line and memory profilers examine are names as well.
        let reads = if matches!(name, "lprun" | "mprun") { functions } else { Vec::new() };
        let reads = reads.into_iter().filter_map(|function| function.split('.').next()).collect();
        return Effects { reads, code: Some(code.into()), keeps_bindings, ..Effects::default() };
    }
    match name {
        "store" => stored(arguments),
        "macro" => {
            let mut words = arguments.split_whitespace().skip_while(|word| word.starts_with('-'));
            Effects { writes: words.next().into_iter().collect(), ..Effects::default() }
        }
        _ if DYNAMIC.contains(&name) => Effects { dynamic: true, ..Effects::default() },
        _ => {
            let (reads, writes) = variables(name, arguments);
            Effects { reads, writes, ..Effects::default() }
        }
    }
}

/// Returns the effects of `%store x y`, `%store x > file`, `%store -r x y`, and `%store -r`, which restores every
/// stored name.
fn stored(arguments: &str) -> Effects<'_> {
    let mut words = arguments.split_whitespace().peekable();
    match words.next_if(|word| word.starts_with('-')) {
        Some("-r") if words.peek().is_none() => Effects { dynamic: true, ..Effects::default() },
        Some("-r") => Effects { writes: words.collect(), ..Effects::default() },
        Some(_) => Effects::default(),
        None => Effects { reads: words.take_while(|word| !word.starts_with('>')).collect(), ..Effects::default() },
    }
}

/// Returns the variables that a magic for another language takes and returns: `-i a,b`, `-o c`, `--out d`, `r <<`.
fn variables<'a>(name: &str, arguments: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    if !LANGUAGES.contains(&name) {
        return (reads, writes);
    }
    let mut words = arguments.split_whitespace().peekable();
    if name == "bigquery" {
        // The first word is the name of the result, if it is given.
        writes.extend(words.next_if(|word| !word.starts_with('-')));
    }
    while let Some(word) = words.next() {
        let (option, attached) = word.split_once('=').map_or((word, None), |(option, value)| (option, Some(value)));
        let list = match option {
            "-i" | "--input" => &mut reads,
            // For `bash` and its like, a single letter is an option of the program.
            "-o" | "--output" | "--out" | "--err" | "--proc" if option != "-o" || !is_script(name) => &mut writes,
            "--params" => {
                let parameters = attached.or_else(|| words.next()).unwrap_or_default();
                reads.extend(parameters.strip_prefix('$'));
                continue;
            }
            _ if name == "sql" && attached.is_none() && words.peek() == Some(&"<<") => {
                writes.push(word);
                continue;
            }
            // The code itself begins here in a line magic.
            _ if !word.starts_with('-') && name == "R" => break,
            _ => continue,
        };
        list.extend(attached.or_else(|| words.next()).into_iter().flat_map(|names| names.split(',')));
    }
    (reads, writes)
}

fn is_script(name: &str) -> bool {
    !matches!(name, "R" | "bigquery" | "julia" | "matlab" | "octave" | "px" | "send_to_spark" | "spark" | "sql")
}

/// Returns the first word and the text after it.
fn split_word(text: &str) -> (&str, &str) {
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// Returns a magic's arguments without its options (`-n5 -r 3 -o -q …`). The options in `valued` are followed by a
/// value.
fn after_options<'a>(arguments: &'a str, valued: &str) -> &'a str {
    split_options(arguments, valued, '\0').0
}

/// Does the same as [`after_options`] and returns also the values of one option.
fn split_options<'a>(arguments: &'a str, valued: &str, wanted: char) -> (&'a str, Vec<&'a str>) {
    let mut rest = arguments.trim_start();
    let mut chosen = Vec::new();
    loop {
        let (word, after) = split_word(rest);
        let Some(option) = word.strip_prefix('-') else { break };
        let mut letters = option.chars();
        let Some(letter) = letters.next().filter(|&c| c.is_ascii_alphabetic() || c == '-') else { break };
        // `-x` is Python if the magic has no options.
        if letter != '-' && valued.is_empty() {
            break;
        }
        rest = after.trim_start();
        if valued.contains(letter) {
            let mut value = letters.as_str();
            if value.is_empty() {
                let (word, after) = split_word(rest);
                (value, rest) = (word, after.trim_start());
            }
            if letter == wanted {
                chosen.push(value);
            }
        }
    }
    (rest, chosen)
}
