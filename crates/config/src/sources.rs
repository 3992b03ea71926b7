//! The sources of options' values: flags, then variables, then the file, then the defaults.

use std::collections::BTreeMap;
use std::env::VarError;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::fmt;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, Parser};

use crate::error::may_be_secret;
use crate::{ConfigError, file};

/// The key of the option that names the configuration file; the one option that the file cannot hold.
pub(crate) const FILE_KEY: &str = "config";

/// A look-up of an environment variable, as [`std::env::var`] makes it.
pub type Environment = Box<dyn Fn(&str) -> Result<String, VarError>>;

/// The place where a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, without the dashes before it.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A line of the configuration file.
    File {
        /// The file's path, as it was given.
        file: String,
        /// The line, counted from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "the flag --{flag}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::File { file, line } => write!(f, "line {line} of {file}"),
        }
    }
}

/// A value as it is written, and where. It may be a secret, hence no `Debug`.
#[derive(Clone)]
pub struct Written {
    /// The text.
    pub text: String,
    /// The place.
    pub origin: Origin,
}

/// A stand-in for the value of an option that may be a secret: [`Sources::written`] returns the value, and no `Debug` shows it.
#[derive(Clone, Debug)]
pub struct Hidden;

impl From<String> for Hidden {
    fn from(_value: String) -> Self {
        Self
    }
}

/// The values of options as they are written, by key, and the environment.
pub struct Sources {
    written: BTreeMap<String, Written>,
    environment: Environment,
}

impl Sources {
    /// An environment without options.
    #[cfg(test)]
    pub(crate) fn of(environment: impl Fn(&str) -> Result<String, VarError> + 'static) -> Self {
        Self { written: BTreeMap::new(), environment: Box::new(environment) }
    }

    /// The value that is written for an option; none for an empty text.
    #[must_use]
    pub fn written(&self, key: &str) -> Option<&Written> {
        self.written.get(key).filter(|written| !written.text.is_empty())
    }

    /// The flag that is given for an option, without a value.
    pub(crate) fn empty_flag(&self, key: &str) -> Option<&Origin> {
        let written = self.written.get(key).filter(|written| written.text.is_empty())?;
        matches!(written.origin, Origin::Flag(_)).then_some(&written.origin)
    }

    /// The value of an option whose check needs other options: `parse` says on failure what the value must be.
    ///
    /// # Errors
    /// When `parse` fails.
    pub fn check<T>(
        &self,
        key: &str,
        value: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let origin = self.written.get(key).map(|written| &written.origin);
        parse(value).map_err(|must| ConfigError::value(key, value, origin, &must))
    }

    /// The value of a variable; none for an empty one, which is how many a tool unsets it.
    pub(crate) fn variable(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let not_text = |_name| ConfigError::settings(format_args!("the variable {name} is not UTF-8"));
        look_up(&self.environment, name).map_err(not_text)
    }
}

/// Reads a program's options from a command line and an environment, and from the file that they name.
///
/// # Errors
/// When the help or the version is asked for, or a value is not valid.
pub fn load<P: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment,
) -> Result<(P, Sources), ConfigError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut written = BTreeMap::new();
    let declared = P::command();
    let command = declared.clone().mut_args(describe).mut_subcommands(|command| command.mut_args(describe));
    let flags = command.clone().try_get_matches_from(&arguments);
    let flags = flags.map_err(|error| explain(&error, &written, &arguments))?;
    let (mut leaf, mut given, mut depth) = (&declared, &flags, 1);
    while let Some((subcommand, matches)) = given.subcommand()
        && let Some(command) = leaf.find_subcommand(subcommand)
    {
        (leaf, given, depth) = (command, matches, depth + 1);
    }
    add(&mut written, leaf, |arg| Ok(flag(given, arg)))?;
    add(&mut written, leaf, |arg| variable(&environment, arg))?;
    if let Some(file) = written.get(FILE_KEY) {
        let mut values = file::read(file, leaf)?;
        add(&mut written, leaf, |arg| Ok(values.remove(&key(arg))))?;
    }
    // clap checks what variables and the file say as it checks flags: as arguments, right behind the command's name.
    let completed = written.iter().filter(|(_, value)| !matches!(value.origin, Origin::Flag(_)));
    let completed = completed.map(|(key, value)| format!("--{}={}", key.replace('_', "-"), value.text).into());
    let (before, after) = arguments.split_at(depth.min(arguments.len()));
    let all = before.iter().cloned().chain(completed).chain(after.iter().cloned());
    let options = command.try_get_matches_from(all).and_then(|matches| P::from_arg_matches(&matches));
    let options = options.map_err(|error| explain(&error, &written, &arguments))?;
    Ok((options, Sources { written, environment }))
}

/// The key of an option in the configuration file.
pub(crate) fn key(arg: &Arg) -> String {
    arg.get_long().unwrap_or(arg.get_id().as_str()).replace('-', "_")
}

/// Names an option's variables in its help. clap would read them itself, but one alone, an empty one too, and it shows their
/// values.
fn describe(arg: Arg) -> Arg {
    let Some(names) = arg.get_env().map(|names| names.to_string_lossy().into_owned()) else { return arg };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.env(Resettable::Reset).help(format!("{help} [variable: {names}]"))
}

/// Adds what a source says of the options of which no earlier source says anything, nor of one that conflicts with them.
fn add(
    written: &mut BTreeMap<String, Written>,
    command: &Command,
    mut find: impl FnMut(&Arg) -> Result<Option<Written>, ConfigError>,
) -> Result<(), ConfigError> {
    let mut added = BTreeMap::<String, Written>::new();
    for arg in command.get_arguments() {
        let conflicts = command.get_arg_conflicts_with(arg);
        if [arg].iter().chain(&conflicts).any(|arg| written.contains_key(&key(arg))) {
            continue;
        }
        let Some(value) = find(arg)? else { continue };
        if let Some(other) = conflicts.into_iter().find_map(|other| added.get(&key(other))) {
            let both = format_args!("{} and {} are both set: keep one", other.origin, value.origin);
            return Err(ConfigError::settings(both));
        }
        added.insert(key(arg), value);
    }
    written.extend(added);
    Ok(())
}

fn flag(given: &ArgMatches, arg: &Arg) -> Option<Written> {
    let id = arg.get_id().as_str();
    let is_given = given.value_source(id) == Some(ValueSource::CommandLine);
    let text = given.get_raw(id).into_iter().flatten().filter_map(OsStr::to_str).collect();
    is_given.then(|| Written { text, origin: Origin::Flag(arg.get_long().unwrap_or(id).to_owned()) })
}

fn variable(environment: &Environment, arg: &Arg) -> Result<Option<Written>, ConfigError> {
    for name in arg.get_env().and_then(OsStr::to_str).into_iter().flat_map(|names| names.split(" or ")) {
        let not_text =
            |_name| ConfigError::Invalid(format!("Invalid {} from the variable {name}: it must be UTF-8.", key(arg)));
        if let Some(text) = look_up(environment, name).map_err(not_text)? {
            return Ok(Some(Written { text, origin: Origin::Variable(name.to_owned()) }));
        }
    }
    Ok(None)
}

/// The value of a variable that is neither empty nor missing; fails when it is no text.
fn look_up(environment: &Environment, name: &str) -> Result<Option<String>, OsString> {
    match environment(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(value)) => Err(value),
    }
}

/// The error of clap as one sentence that names the place of what is wrong.
fn explain(error: &clap::Error, written: &BTreeMap<String, Written>, arguments: &[OsString]) -> ConfigError {
    if !error.use_stderr() {
        return ConfigError::Help(error.render().to_string());
    }
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let values = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => {
            Some(format!("it must be {}", values.join(" or ")))
        }
        _ => None,
    };
    let must = error.source().map(ToString::to_string).or(values);
    // `--port <NUMBER>`, `--migrate[=<BOOL>]`
    let flag = context(ContextKind::InvalidArg).and_then(|arg| arg.strip_prefix("--")?.split([' ', '[', '=']).next());
    if let (Some(flag), Some(value), Some(must)) = (flag, context(ContextKind::InvalidValue), must) {
        let key = flag.replace('-', "_");
        let origin = written.get(&key).map_or_else(|| Origin::Flag(flag.to_owned()), |value| value.origin.clone());
        return ConfigError::value(&key, value, Some(&origin), &must);
    }
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "no command is given".to_owned(),
        // clap quotes what it does not understand, and that may be a URL with a password.
        kind if arguments.iter().skip(1).any(|word| may_be_secret(&word.to_string_lossy())) => kind.to_string(),
        _ => {
            let text = error.render().to_string();
            let first = text.strip_prefix("error: ").unwrap_or(&text).lines().take_while(|line| !line.is_empty());
            first.map(str::trim).collect::<Vec<_>>().join(" ")
        }
    };
    ConfigError::Invalid(format!("Invalid command line: {what}; --help lists the flags."))
}
