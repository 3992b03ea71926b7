//! Parses the statements of a cell one by one, so that a statement unknown to `sqlparser` hides no other.

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

/// Maximum stack for parsing, walking and dropping the tree of one token. Chains such as `1+1+1+…` become trees as deep
/// as they are long, whatever [`limits::SQL_DEPTH`] is. Measured like the constants of `python::deep`.
const STACK_PER_TOKEN: usize = 2048;

/// Maximum stack for parsing and walking one level of [`limits::SQL_DEPTH`]. The parser allocates more stack as it
/// descends, but not often enough for its frames in an unoptimised build.
const STACK_PER_LEVEL: usize = 320 * 1024;

/// Maximum number of failures that are reported; each takes a pass over the code.
const MAX_FAILURES: usize = 10;

/// Tables of a cell.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) read: BTreeSet<String>,
    pub(super) written: BTreeSet<String>,
    pub(super) changes_data: bool,
}

/// Finds the tables in `code`, in which parameters have replaced the placeholders.
///
/// A statement that does not parse gives a warning rather than an error: `sqlparser` knows less than `PostgreSQL`, and
/// `PostgreSQL` runs the cell.
pub(super) fn tables(code: &str, is_closed: bool, findings: &mut Vec<Finding>) -> Tables {
    let mut tokens = Vec::new();
    if let Err(error) = Tokenizer::new(&BudgetedDialect::new(0), code).tokenize_with_location_into_buf(&mut tokens) {
        // This crate's own scanner has already reported an unclosed token.
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

/// The statements of a cell, without the semicolons between them. Statements in the body of a function
/// (`BEGIN ATOMIC … END`) and in the brackets of a rule are parts of the statement around them.
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
        // Number of expected `END`s: that of the body and those of the `CASE`s in it.
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

/// The reason why the tables of a statement are unknown.
struct Failure {
    message: String,
    line: u64,
    column: u64,
}

/// Tables and failures found so far.
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
        // A statement that the parser accepts is left unchanged: the rules that remove clauses also match words that
        // are names there.
        let parsed = match parse(tokens.clone(), &mut self.tables) {
            // A statement that used up the budget is not parsed again.
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

/// Message for a statement beyond the limits of the parser's input or steps.
const TOO_COMPLEX: &str = "too complex to analyse: no tables known";

/// Parses one statement and collects its tables; an error states the reason and, if known, the place.
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
                // The visitor never stops early.
                let _ = statements.visit(&mut Visitor::new(tables));
                Ok(())
            }
            Err(ParserError::RecursionLimitExceeded) => Err(too_complex()),
            Err(ParserError::TokenizerError(message) | ParserError::ParserError(message)) => Err(describe(&message)),
        }
    })
}

/// Separates the place from the parser's message.
fn describe(message: &str) -> (String, Option<(u64, u64)>) {
    let place = message.rsplit_once(" at Line: ").and_then(|(said, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((said, line.parse().ok()?, column.trim().parse().ok()?))
    });
    let (said, place) = match place {
        // The parser reports line 0 for "at the end".
        Some((said, line, column)) => (said, (line > 0).then_some((line, column))),
        None => (message, None),
    };
    (format!("tables unknown: {said}"), place)
}

/// Returns `true` if a statement that could not be parsed may change data or definitions. It cannot if it begins like a
/// query and contains no keyword that changes anything.
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
