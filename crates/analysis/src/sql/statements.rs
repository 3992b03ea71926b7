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
const STACK_BASE: usize = 16 * 1024 * 1024;

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
            findings.push(Finding::warning(offset, &error.message));
        }
    }
    let need = tokens.len().saturating_mul(STACK_PER_TOKEN).saturating_add(STACK_BASE);
    let mut tables = Tables::default();
    let mut failures = Vec::new();
    stacker::maybe_grow(need, need, || {
        let mut statement = Vec::new();
        for token in tokens {
            if token.token != Token::SemiColon {
                statement.push(token);
                continue;
            }
            let statement = std::mem::take(&mut statement);
            parse(statement, &mut tables, &mut failures);
        }
        parse(statement, &mut tables, &mut failures);
    });
    if is_closed {
        findings.extend(failures.into_iter().map(|Failure { message, line, column }| {
            Finding::warning(position::offset_of(code, line, column), &format!("tables unknown: {message}"))
        }));
    }
    tables
}

/// Why a statement did not parse.
struct Failure {
    message: String,
    line: u64,
    column: u64,
}

fn parse(tokens: Vec<TokenWithSpan>, tables: &mut Tables, failures: &mut Vec<Failure>) {
    let Some(start) = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_))) else { return };
    let start = start.span.start;
    let tokens = understood(tokens);
    let may_change_data = may_change_data(&tokens);
    let dialect = PostgreSqlDialect {};
    let parser = Parser::new(&dialect).with_recursion_limit(DEEPEST);
    match parser.with_tokens_with_locations(tokens).parse_statements() {
        Ok(statements) => {
            let mut visitor = Visitor::new(tables);
            // The visitor never breaks off.
            let _ = statements.visit(&mut visitor);
        }
        Err(error) => {
            tables.changes_data |= may_change_data;
            if failures.len() < MOST_FAILURES {
                let (message, place) = describe(error);
                let (line, column) = place.unwrap_or((start.line, start.column));
                failures.push(Failure { message, line, column });
            }
        }
    }
}

/// A statement without what `sqlparser` takes for something else: `ONLY t` for a table named `only`, and the command
/// `TABLE t` for nothing.
fn understood(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut understood = Vec::with_capacity(tokens.len() + 2);
    let mut before = None;
    for token in tokens {
        let keyword = match &token.token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        match (keyword, &before) {
            // `FETCH FIRST 1 ROW ONLY`, `READ ONLY`; elsewhere the reserved word stands before a table.
            (Keyword::ONLY, Some(Token::Word(word)))
                if !matches!(word.keyword, Keyword::ROW | Keyword::ROWS | Keyword::READ) =>
            {
                continue;
            }
            (Keyword::ONLY, Some(Token::Comma)) => continue,
            (Keyword::TABLE, None | Some(Token::LParen)) => {
                let words = ["SELECT", "*", "FROM"].map(|word| match word {
                    "*" => Token::Mul,
                    _ => Token::make_keyword(word),
                });
                understood.extend(words.map(|word| TokenWithSpan::new(word, token.span)));
                before = None;
                continue;
            }
            _ => {}
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            before = Some(token.token.clone());
        }
        understood.push(token);
    }
    understood
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
