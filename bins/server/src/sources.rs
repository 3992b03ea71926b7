//! Where the values of the configuration come from: flags, then variables, then the file, then the defaults.

use std::collections::HashMap;
use std::env::VarError;
use std::ffi::OsString;
use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use quire_storage_postgres::settings::may_be_secret;
use toml::de::{DeTable, DeValue};

use crate::keys::{FILE, KEYS, Key};

/// Why the server cannot start as configured: one sentence that says what and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// A value as it was written, and where.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Who gave a value.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Flag(&'static str),
    Variable(&'static str),
    File { file: String, line: usize },
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "the flag --{flag}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::File { file, line } => write!(f, "line {line} of {file}"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// All values, one for each key.
#[derive(Debug)]
pub(crate) struct Sources {
    settings: HashMap<&'static str, Setting>,
}

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// To run with these values.
    Run(Sources),
    /// To be told this: the help or the version.
    Text(String),
}

impl Sources {
    /// Collects the values. `variable` looks one up in the environment.
    pub(crate) fn collect(
        arguments: impl IntoIterator<Item = OsString>,
        variable: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Wanted, Refusal> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let matches = match command().try_get_matches_from(&arguments) {
            Ok(matches) => matches,
            Err(error) if !error.use_stderr() => return Ok(Wanted::Text(error.render().to_string())),
            // It quotes what it does not understand, and that may be a URL with a password.
            Err(error) if arguments.iter().skip(1).any(|word| may_be_secret(&word.to_string_lossy())) => {
                return Err(Refusal(format!("Invalid command line: {}; --help lists the flags.", error.kind())));
            }
            Err(error) => {
                let text = error.render().to_string();
                let first = text.lines().next().unwrap_or_default();
                let first = first.strip_prefix("error: ").unwrap_or(first);
                return Err(Refusal(format!("Invalid command line: {first}; --help lists the flags.")));
            }
        };
        let given = |key: &Key| match flag(&matches, key) {
            None => from_variables(key, &variable),
            flag => Ok(flag),
        };
        let mut file = match given(&FILE)? {
            Some(Setting { text, origin }) => read_file(&text, &origin)?,
            None => HashMap::new(),
        };
        let pick = |key: &'static Key| {
            let setting = given(key)?.or_else(|| file.remove(key.name));
            let default = || Setting { text: key.default.to_owned(), origin: Origin::Default };
            Ok((key.name, setting.unwrap_or_else(default)))
        };
        Ok(Wanted::Run(Self { settings: KEYS.iter().map(pick).collect::<Result<_, _>>()? }))
    }

    /// What was written for a key that may be left out; for values that no message may repeat.
    pub(crate) fn written(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name).filter(|setting| !setting.text.is_empty())
    }

    /// What was written for a key that development alone uses, unless a file repeats the default, as a copy of the default
    /// file does.
    pub(crate) fn asked_for(&self, name: &str) -> Option<&Setting> {
        let default = KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default);
        self.settings.get(name).filter(|setting| match setting.origin {
            Origin::Default => false,
            Origin::File { .. } => setting.text != default,
            Origin::Flag(_) | Origin::Variable(_) => true,
        })
    }

    /// The value of a key, made by `parse`, which says on failure what the value must be.
    pub(crate) fn get<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, Refusal> {
        let Some(Setting { text, origin }) = self.settings.get(name) else {
            return Err(Refusal(format!("The key {name} does not exist.")));
        };
        let shown = || if may_be_secret(text) { String::new() } else { format!(" {text:?}") };
        parse(text).map_err(|must| Refusal(format!("Invalid {name}{} from {origin}: {must}.", shown())))
    }
}

impl Setting {
    /// How far behind a flag its origin stands: 0 is a flag, which everybody on the machine can read.
    pub(crate) fn rank(&self) -> u8 {
        match self.origin {
            Origin::Flag(_) => 0,
            Origin::Variable(_) => 1,
            Origin::File { .. } => 2,
            Origin::Default => 3,
        }
    }
}

fn command() -> Command {
    let argument = |key: &Key| {
        let default = if key.default.is_empty() { String::new() } else { format!("default: {}; ", key.default) };
        let help = format!("{} [{default}variable: {}]", key.help, key.variables.join(" or "));
        let argument = Arg::new(key.name).long(key.flag).value_name(key.value).help(help);
        if key.switch { argument.num_args(0..=1).require_equals(true).default_missing_value("true") } else { argument }
    };
    Command::new("quire-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves notebooks over HTTP. Flags go before variables, variables before the file.")
        .arg(argument(&FILE))
        .args(KEYS.iter().map(argument))
}

fn flag(matches: &ArgMatches, key: &Key) -> Option<Setting> {
    let text = matches.get_one::<String>(key.name)?.clone();
    let given = matches.value_source(key.name) == Some(ValueSource::CommandLine);
    given.then_some(Setting { text, origin: Origin::Flag(key.flag) })
}

/// An empty variable is as good as none: that is how many a tool unsets one.
fn from_variables(key: &Key, variable: impl Fn(&str) -> Result<String, VarError>) -> Result<Option<Setting>, Refusal> {
    for &name in key.variables {
        match variable(name) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => return Ok(Some(Setting { text, origin: Origin::Variable(name) })),
            Err(VarError::NotPresent) => {}
            Err(VarError::NotUnicode(_)) => {
                return Err(Refusal(format!("Invalid {} from the variable {name}: it must be UTF-8.", key.name)));
            }
        }
    }
    Ok(None)
}

fn read_file(path: &str, origin: &Origin) -> Result<HashMap<&'static str, Setting>, Refusal> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Refusal(format!("Cannot read the configuration file {path} from {origin}: {error}.")))?;
    parse_file(path, &text)
}

fn parse_file(file: &str, text: &str) -> Result<HashMap<&'static str, Setting>, Refusal> {
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let refuse = |offset: usize, what: &str| Refusal(format!("Invalid line {} of {file}: {what}.", line(offset)));
    let table = DeTable::parse(text).map_err(|error| {
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        refuse(error.span().map_or(0, |span| span.start), &what)
    })?;
    let mut settings = HashMap::new();
    for (name, value) in table.get_ref() {
        let Some(key) = KEYS.iter().find(|key| key.name == name.get_ref()) else {
            return Err(refuse(name.span().start, &format!("there is no key {:?}", name.get_ref())));
        };
        let Some(text) = written(value.get_ref(), key.switch) else {
            let wanted = if key.switch { "true or false" } else { "text or a number" };
            return Err(refuse(value.span().start, &format!("{} must be {wanted}", key.name)));
        };
        let origin = Origin::File { file: file.to_owned(), line: line(value.span().start) };
        settings.insert(key.name, Setting { text, origin });
    }
    Ok(settings)
}

/// A value as it would be written on the command line: text, a number, or a list of texts; for a switch, true or false.
fn written(value: &DeValue<'_>, switch: bool) -> Option<String> {
    match value {
        DeValue::Boolean(on) if switch => Some(on.to_string()),
        _ if switch => None,
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}
