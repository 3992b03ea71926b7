//! `IPython`'s cell magics, and which magics can touch names that do not stand in the code.
//!
//! Line magics, shell lines and help lines are the parser's business. A cell magic (`%%name …` on the first line
//! that is not blank) decides what the rest of the cell is. Source: `IPython.core.magics` and the dependency rules.

use ruff_python_ast::IpyEscapeKind;

/// What a cell is, according to its cell magics.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape<'a> {
    /// Python from this byte on. `writes` are the names that magics bind; with `reads_only` the body's own bindings
    /// are thrown away when it ends.
    Python { start: usize, writes: Vec<&'a str>, reads_only: bool },
    /// Another language, or one that nobody here knows.
    Other { writes: Vec<&'a str> },
}

/// Takes the cell magics off the beginning of a cell.
pub(super) fn shape(code: &str) -> Shape<'_> {
    let mut start = if code.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut writes = Vec::new();
    loop {
        let body = &code[start..];
        let trimmed = body.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
        let Some(magic) = trimmed.strip_prefix("%%") else {
            return Shape::Python { start, writes, reads_only: false };
        };
        let line_end = magic.find(['\n', '\r']).unwrap_or(magic.len());
        let (line, rest) = magic.split_at(line_end);
        let name_end = line.find(|c: char| c.is_whitespace()).unwrap_or(line.len());
        let (name, arguments) = line.split_at(name_end);
        let offset = |part: &str| part.as_ptr() as usize - code.as_ptr() as usize;
        match name {
            "time" | "prun" | "debug" => {}
            "capture" => writes.extend(arguments.split_whitespace().find(|word| !word.starts_with('-'))),
            "timeit" => {
                // What stands on the line is set-up code, which runs before the body.
                let start = offset(after_options(arguments));
                return Shape::Python { start, writes, reads_only: true };
            }
            _ if name.ends_with('?') => return Shape::Other { writes },
            _ => {
                writes.extend(script_outputs(name, arguments));
                return Shape::Other { writes };
            }
        }
        start = offset(rest);
    }
}

/// `%%timeit`'s arguments without its options (`-n5 -r 3 -o -q …`).
fn after_options(arguments: &str) -> &str {
    let mut rest = arguments.trim_start();
    while let Some(option) = rest.strip_prefix('-') {
        let end = option.find(char::is_whitespace).unwrap_or(option.len());
        let (option, after) = option.split_at(end);
        rest = after.trim_start();
        if matches!(option, "n" | "r" | "p") {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest = rest[end..].trim_start();
        }
    }
    rest
}

/// `%%bash --out x --err y`: the script magics put the output into variables.
fn script_outputs<'a>(name: &str, arguments: &'a str) -> Vec<&'a str> {
    const SCRIPTS: [&str; 11] =
        ["bash", "cmd", "perl", "pypy", "python", "python2", "python3", "ruby", "script", "sh", "SVG"];
    let mut outputs = Vec::new();
    if SCRIPTS.contains(&name) {
        let mut words = arguments.split_whitespace();
        while let Some(word) = words.next() {
            if matches!(word, "--out" | "--err" | "--proc") {
                outputs.extend(words.next());
            }
        }
    }
    outputs
}

/// Whether a line magic can touch names that do not stand in the code.
pub(super) fn is_dynamic(kind: IpyEscapeKind, command: &str) -> bool {
    // `%time` and its like run a statement, which is not looked into.
    const DYNAMIC: [&str; 8] = ["prun", "pylab", "reset", "reset_selective", "run", "store", "time", "xdel"];
    let name = command.split_whitespace().next().unwrap_or_default();
    kind == IpyEscapeKind::Magic && DYNAMIC.contains(&name)
}
