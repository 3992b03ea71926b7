//! Rewrites tokens that `sqlparser` interprets differently from `PostgreSQL`.

use std::mem;

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// Returns the keyword that a token is; quoted identifiers are not keywords.
pub(super) fn keyword(token: &TokenWithSpan) -> Keyword {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

/// Returns the tokens without blanks and comments, which the parser would skip repeatedly.
///
/// A string that continues on a further line (`'a'` newline `'b'`) is one string. Nothing in it names a table, so the
/// rest is removed. Source: <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS>.
pub(super) fn significant(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut significant: Vec<TokenWithSpan> = Vec::new();
    let mut has_newline = false;
    for token in tokens {
        match &token.token {
            Token::Whitespace(Whitespace::Newline | Whitespace::SingleLineComment { .. }) => has_newline = true,
            Token::Whitespace(_) => {}
            Token::SingleQuotedString(_)
                if has_newline && significant.last().is_some_and(|before| is_string(&before.token)) => {}
            _ => {
                has_newline = false;
                significant.push(token);
            }
        }
    }
    significant
}

fn is_string(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
    )
}

/// Returns a statement rewritten for the parser.
///
/// - `TABLE t` becomes `SELECT … FROM t`, because the parser would not recognise the table.
/// - A number replaces a wildcard or an empty list of a `SELECT`, so that every `SELECT` has an expression, at which
///   the parser's steps are counted.
pub(super) fn understood(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 2);
    let mut before = Before::Start;
    let is_explained = tokens.first().map(keyword) == Some(Keyword::EXPLAIN);
    for token in tokens {
        let kind = keyword(&token);
        let here = mem::replace(&mut before, Before::of(&token));
        match (kind, here) {
            (Keyword::TABLE, here) if here.begins_query(is_explained) => {
                let span = token.span;
                let words = [Token::make_keyword("SELECT"), number(), Token::make_keyword("FROM")];
                out.extend(words.map(|word| TokenWithSpan::new(word, span)));
                before = Before::Keyword(Keyword::FROM);
                continue;
            }
            (Keyword::FROM | Keyword::WHERE, Before::Keyword(Keyword::SELECT)) => {
                out.push(TokenWithSpan::new(number(), token.span));
            }
            (_, Before::Keyword(Keyword::SELECT | Keyword::ALL | Keyword::DISTINCT)) if token.token == Token::Mul => {
                out.push(TokenWithSpan::new(number(), token.span));
                before = Before::Other;
                continue;
            }
            _ => {}
        }
        out.push(token);
    }
    out
}

/// Kind of the token before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Start,
    LParen,
    RParen,
    Keyword(Keyword),
    Other,
}

impl Before {
    /// Returns `true` if a query may begin after the token, in an `EXPLAIN` also after the options.
    fn begins_query(self, is_explained: bool) -> bool {
        match self {
            Self::Start | Self::LParen => true,
            Self::RParen | Self::Keyword(Keyword::ANALYZE | Keyword::VERBOSE) => is_explained,
            Self::Keyword(_) | Self::Other => false,
        }
    }

    fn of(token: &TokenWithSpan) -> Self {
        match &token.token {
            Token::LParen => Self::LParen,
            Token::RParen => Self::RParen,
            Token::Word(word) if word.quote_style.is_none() => Self::Keyword(word.keyword),
            _ => Self::Other,
        }
    }
}

/// Returns an expression that names nothing.
pub(super) fn number() -> Token {
    Token::Number("1".to_owned(), false)
}
