//! Statements written as SQL, whose parameters have names.
//!
//! They serve what the query builder cannot express: a data-modifying CTE over arrays of rows, in which each name
//! occurs several times.

use std::collections::HashMap;
use std::sync::OnceLock;

use quire_domain::Timestamp;
use sea_orm::{DbBackend, Statement, Value, Values};

use crate::error::Error;

/// Marks NULL within an array: SeaORM binds arrays of values, none of which may be NULL. The marker U+FDD0 never occurs
/// alone in the output of [`text::encode`](crate::text::encode).
pub(crate) const ABSENT: &str = "\u{FDD0}";
/// Marks NULL within an array of times: the last time that chrono has.
pub(crate) const ABSENT_TIME: Timestamp = Timestamp::MAX_UTC;

/// Text of a statement; `:name` stands for a parameter.
#[derive(Debug)]
pub(crate) struct NamedSql {
    source: &'static str,
    numbered: OnceLock<Numbered>,
}

/// A statement in PostgreSQL's form, with `$1`, `$2`, … in the order in which the names first appear.
#[derive(Debug)]
struct Numbered {
    sql: String,
    positions: HashMap<&'static str, usize>,
}

/// Values by the names of their parameters.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(&'static str, Value)>);

impl Parameters {
    /// Adds the value of a parameter.
    pub(crate) fn set(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }
}

impl NamedSql {
    pub(crate) const fn new(source: &'static str) -> Self {
        Self { source, numbered: OnceLock::new() }
    }

    /// Returns the statement with these values.
    ///
    /// # Errors
    /// If the names are not exactly those in the text.
    pub(crate) fn bind(&self, parameters: Parameters) -> Result<Statement, Error> {
        let Numbered { sql, positions } = self.numbered.get_or_init(|| number(self.source));
        let mut values = vec![None; positions.len()];
        for (name, value) in parameters.0 {
            let slot = positions.get(name).and_then(|position| values.get_mut(*position));
            *slot.ok_or(Error::Parameter(name))? = Some(value);
        }
        let missing =
            |position: usize| positions.iter().find(|(_, there)| **there == position).map_or("", |(name, _)| name);
        let values = values.into_iter().enumerate();
        let values = values.map(|(position, value)| value.ok_or_else(|| Error::Parameter(missing(position))));
        let values = values.collect::<Result<_, _>>()?;
        Ok(Statement { sql: sql.clone(), values: Some(Values(values)), db_backend: DbBackend::Postgres })
    }
}

/// Numbers the parameters of a text. Two colons before a name are a cast.
fn number(source: &'static str) -> Numbered {
    let mut sql = String::with_capacity(source.len());
    let mut positions = HashMap::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once(':') {
        sql.push_str(before);
        let end = after.find(|c: char| !(c.is_ascii_lowercase() || c == '_')).unwrap_or(after.len());
        let (name, behind) = after.split_at(end);
        if let Some(cast) = after.strip_prefix(':') {
            sql.push_str("::");
            rest = cast;
        } else if name.is_empty() {
            sql.push(':'); // a slice of an array, or a comment
            rest = after;
        } else {
            let next = positions.len();
            let position = *positions.entry(name).or_insert(next);
            sql.push('$');
            sql.push_str(&(position + 1).to_string());
            rest = behind;
        }
    }
    sql.push_str(rest);
    Numbered { sql, positions }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_name_wherever_they_stand() {
        let sql = NamedSql::new("SELECT :b::text[], (a || :a)[1:16] -- so: it is\nWHERE x = :b");
        let statement = sql.bind(Parameters::default().set("a", 1).set("b", "x")).unwrap();
        assert_eq!(statement.sql, "SELECT $1::text[], (a || $2)[1:16] -- so: it is\nWHERE x = $1");
        assert_eq!(statement.values, Some(Values(vec!["x".into(), 1.into()])));
        for wrong in [Parameters::default().set("a", 1), Parameters::default().set("a", 1).set("b", 1).set("c", 1)] {
            assert!(matches!(sql.bind(wrong), Err(Error::Parameter("b" | "c"))));
        }
    }
}
