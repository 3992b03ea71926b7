//! Parses the statements of a cell one by one, so that one which `sqlparser` does not know hides no other.

use std::collections::BTreeSet;

use sqlparser::ast::Visit;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::tables::Visitor;
use crate::position::{self, Finding};

/// How deep subqueries and brackets may be nested. `sqlparser`'s own default: some of its rules try a bracket in more
/// than one way, so that the time grows quickly with the depth.
const DEEPEST: usize = 50;

/// What parsing, walking and dropping one token's worth of tree may use of the stack. Chains such as `1+1+1+…` become
/// trees as deep as they are long, whatever [`DEEPEST`] says. Measured like `python::deep`'s.
const STACK_PER_TOKEN: usize = 2048;

/// What the parser may use for [`DEEPEST`] levels before it takes a stack of its own.
const STACK_BASE: usize = 512 * 1024;

/// How many failures are described; each takes a pass over the code.
const MOST_FAILURES: usize = 10;

/// The tables of a cell.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) read: BTreeSet<String>,
    pub(super) written: BTreeSet<String>,
    pub(super) changes_data: bool,
}

/// Finds the tables in `code`, in which placeholders are parameters.
///
/// A statement that does not parse gives a warning rather than an error, because `sqlparser` knows less than
/// `PostgreSQL` does, which is the judge when the cell runs.
pub(super) fn tables(code: &str, is_closed: bool, findings: &mut Vec<Finding>) -> Tables {
    let dialect = PostgreSqlDialect {};
    let mut tokens = Vec::new();
    if let Err(error) = Tokenizer::new(&dialect, code).tokenize_with_location_into_buf(&mut tokens) {
        // What our own scanner has said of something unclosed need not be said twice.
        if is_closed {
            let offset = position::offset_of(code, error.location.line, error.location.column);
            findings.push(Finding::warning(offset, error.message));
        }
    }
    let need = tokens.len().saturating_mul(STACK_PER_TOKEN).saturating_add(STACK_BASE);
    let mut tables = Tables::default();
    stacker::maybe_grow(need, need, || {
        let mut failures = 0;
        let mut statement = Vec::new();
        for token in tokens {
            if token.token != Token::SemiColon {
                statement.push(token);
                continue;
            }
            one(&dialect, std::mem::take(&mut statement), code, &mut tables, &mut failures, findings);
        }
        one(&dialect, statement, code, &mut tables, &mut failures, findings);
    });
    tables
}

fn one(
    dialect: &PostgreSqlDialect,
    tokens: Vec<TokenWithSpan>,
    code: &str,
    tables: &mut Tables,
    failures: &mut usize,
    findings: &mut Vec<Finding>,
) {
    let Some(start) = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_))) else {
        return;
    };
    let start = start.span.start;
    let may_change_data = may_change_data(&tokens);
    let parser = Parser::new(dialect).with_recursion_limit(DEEPEST);
    let error = match parser.with_tokens_with_locations(tokens).parse_statements() {
        Ok(statements) => {
            let mut visitor = Visitor::new(tables);
            // The visitor never breaks off.
            let _ = statements.visit(&mut visitor);
            return;
        }
        Err(error) => error,
    };
    tables.changes_data |= may_change_data;
    *failures += 1;
    if *failures <= MOST_FAILURES {
        let (message, place) = describe(error);
        let (line, column) = place.unwrap_or((start.line, start.column));
        let offset = position::offset_of(code, line, column);
        findings.push(Finding::warning(offset, format!("tables unknown: {message}")));
    }
}

/// The message without the place in it, and the place.
fn describe(error: ParserError) -> (String, Option<(u64, u64)>) {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => "nested too deeply".to_owned(),
    };
    let place = message.rsplit_once(" at Line: ").and_then(|(said, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((said.len(), line.parse().ok()?, column.trim().parse().ok()?))
    });
    match place {
        // Line 0 is how the parser says "at the end".
        Some((length, line, column)) => (message[..length].to_owned(), (line > 0).then_some((line, column))),
        None => (message, None),
    }
}

/// Whether a statement that nobody could parse may change data or definitions: unless it begins like a query and has
/// no word in it that changes anything.
fn may_change_data(tokens: &[TokenWithSpan]) -> bool {
    let mut keywords = tokens.iter().filter_map(|token| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    });
    let is_query = matches!(
        keywords.next(),
        Some(Keyword::SELECT | Keyword::VALUES | Keyword::TABLE | Keyword::WITH | Keyword::SHOW | Keyword::EXPLAIN)
    );
    !is_query
        || keywords.any(|keyword| {
            matches!(
                keyword,
                Keyword::INSERT
                    | Keyword::UPDATE
                    | Keyword::DELETE
                    | Keyword::MERGE
                    | Keyword::INTO
                    | Keyword::CREATE
                    | Keyword::EXECUTE
            )
        })
}
