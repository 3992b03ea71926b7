//! Parses the statements of a cell one by one, so that one which `sqlparser` does not know hides no other.

use std::collections::BTreeSet;

use sqlparser::ast::Visit;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::complexity::{self, Complexity};
use super::dialect::BudgetedDialect;
use super::tables::Visitor;
use super::{clauses, rewrite, utility};
use crate::limits;
use crate::position::{self, Finding};

/// The stack that parsing, walking and dropping one token's worth of tree may use. Chains such as `1+1+1+…` become trees as
/// deep as they are long, whatever [`limits::SQL_DEPTH`] says. Measured like `python::deep`'s.
const STACK_PER_TOKEN: usize = 2048;

/// The stack that parsing and walking one level of [`limits::SQL_DEPTH`] may use: the parser takes a stack of its own as it
/// goes down, but not often enough for its frames in an unoptimised build.
const STACK_PER_LEVEL: usize = 320 * 1024;

/// The number of failures that are described; each takes a pass over the code.
const MAX_FAILURES: usize = 10;

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
    let mut tokens = Vec::new();
    if let Err(error) = Tokenizer::new(&BudgetedDialect::new(0), code).tokenize_with_location_into_buf(&mut tokens) {
        // What our own scanner has said of something unclosed need not be said twice.
        if is_closed {
            let offset = position::offset_of(code, error.location.line, error.location.column);
            findings.push(Finding::warning(offset, &error.message));
        }
    }
    let mut parse = Parse::default();
    for statement in Statements::of(rewrite::significant(tokens)) {
        parse.statement(statement);
    }
    if is_closed {
        findings.extend(parse.failures.into_iter().map(|Failure { message, line, column }| {
            Finding::warning(position::offset_of(code, line, column), &message)
        }));
    }
    parse.tables
}

/// The statements of a cell, without the semicolons between them. Those in the body of a function (`BEGIN ATOMIC … END`) and
/// between the brackets of a rule are parts of their statement.
struct Statements<I> {
    tokens: I,
}

impl<I: Iterator<Item = TokenWithSpan>> Statements<I> {
    fn of(tokens: impl IntoIterator<IntoIter = I>) -> Self {
        Self { tokens: tokens.into_iter() }
    }
}

impl<I: Iterator<Item = TokenWithSpan>> Iterator for Statements<I> {
    type Item = Vec<TokenWithSpan>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut statement: Vec<TokenWithSpan> = Vec::new();
        let mut is_rule = false;
        let mut brackets = 0_usize;
        // How many `END`s are to come: that of the body and those of the `CASE`s in it.
        let mut ends = 0_usize;
        for token in self.tokens.by_ref() {
            match &token.token {
                Token::LParen => brackets += 1,
                Token::RParen => brackets = brackets.saturating_sub(1),
                Token::SemiColon if ends == 0 && !(is_rule && brackets > 0) => {
                    if statement.is_empty() {
                        continue;
                    }
                    return Some(statement);
                }
                _ => match rewrite::keyword(&token) {
                    Keyword::RULE => is_rule |= matches!(first_keyword(&statement), Keyword::CREATE),
                    Keyword::ATOMIC if statement.last().map(rewrite::keyword) == Some(Keyword::BEGIN) => ends = 1,
                    Keyword::CASE if ends > 0 => ends += 1,
                    Keyword::END => ends = ends.saturating_sub(1),
                    _ => {}
                },
            }
            statement.push(token);
        }
        (!statement.is_empty()).then_some(statement)
    }
}

fn first_keyword(statement: &[TokenWithSpan]) -> Keyword {
    statement.first().map_or(Keyword::NoKeyword, rewrite::keyword)
}

/// Why the tables of a statement are not known.
struct Failure {
    message: String,
    line: u64,
    column: u64,
}

/// What has been found so far.
#[derive(Default)]
struct Parse {
    tables: Tables,
    failures: Vec<Failure>,
}

impl Parse {
    fn statement(&mut self, tokens: Vec<TokenWithSpan>) {
        let Some(start) = tokens.first().map(|token| token.span.start) else { return };
        let tokens = rewrite::understood(tokens);
        let may_change_data = may_change_data(&tokens);
        // What the parser knows stays as it is: the rules that leave clauses out also fit words that are names there.
        let parsed = match parse(tokens.clone(), &mut self.tables) {
            // What took the whole budget once is not tried again.
            Err((message, _)) if message != TOO_COMPLEX => parse(clauses::without_clauses(&tokens), &mut self.tables),
            parsed => parsed,
        };
        if let Err((message, place)) = parsed {
            if utility::tables(&tokens, &mut self.tables) {
                return;
            }
            self.tables.changes_data |= may_change_data;
            if self.failures.len() < MAX_FAILURES {
                let (line, column) = place.unwrap_or((start.line, start.column));
                self.failures.push(Failure { message, line, column });
            }
        }
    }
}

/// The message of a statement that goes beyond what the parser may be given, or may take.
const TOO_COMPLEX: &str = "too complex to analyse: no tables known";

/// Parses one statement and finds its tables, or says why they are not known, and where.
fn parse(tokens: Vec<TokenWithSpan>, tables: &mut Tables) -> Result<(), (String, Option<(u64, u64)>)> {
    let too_complex = || (TOO_COMPLEX.to_owned(), None);
    let complexity = Complexity::of(&tokens);
    if complexity.is_too_high() {
        return Err(too_complex());
    }
    let dialect = BudgetedDialect::new(complexity::budget(tokens.len()));
    let levels = complexity.path_tokens.min(limits::SQL_DEPTH);
    let need = complexity.path_tokens.saturating_mul(STACK_PER_TOKEN).saturating_add(levels * STACK_PER_LEVEL);
    stacker::maybe_grow(need, need, || {
        let parser = Parser::new(&dialect).with_recursion_limit(limits::SQL_DEPTH);
        match parser.with_tokens_with_locations(tokens).parse_statements() {
            _ if dialect.is_exhausted() => Err(too_complex()),
            Ok(statements) => {
                // The visitor never breaks off.
                let _ = statements.visit(&mut Visitor::new(tables));
                Ok(())
            }
            Err(ParserError::RecursionLimitExceeded) => Err(too_complex()),
            Err(ParserError::TokenizerError(message) | ParserError::ParserError(message)) => Err(describe(&message)),
        }
    })
}

/// The message without the place in it, and the place.
fn describe(message: &str) -> (String, Option<(u64, u64)>) {
    let place = message.rsplit_once(" at Line: ").and_then(|(said, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((said, line.parse().ok()?, column.trim().parse().ok()?))
    });
    let (said, place) = match place {
        // Line 0 is how the parser says "at the end".
        Some((said, line, column)) => (said, (line > 0).then_some((line, column))),
        None => (message, None),
    };
    (format!("tables unknown: {said}"), place)
}

/// Reports whether a statement that could not be parsed may change data or definitions: unless it begins like a query and
/// has no word in it that changes anything.
fn may_change_data(tokens: &[TokenWithSpan]) -> bool {
    let mut keywords = tokens.iter().map(rewrite::keyword).filter(|&keyword| keyword != Keyword::NoKeyword);
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
