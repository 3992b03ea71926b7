//! Clauses of `PostgreSQL` that `sqlparser` does not know and that name no table: they are removed before parsing.
//!
//! The choice of clauses was measured over `PostgreSQL`'s own test statements, by `scripts/measure-analysis`. Every
//! rule examines only the tokens around a place, so that the work is linear.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::lookahead::{Lookahead, MAX_LOOKAHEAD};
use super::rewrite::{keyword, number};

/// Returns the statement without clauses that name no table.
pub(super) fn without_clauses(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    // `true` between `CREATE` and a query, where names in brackets are column names.
    let mut is_definition = false;
    while let Some(token) = tokens.get(at) {
        match keyword(token) {
            Keyword::CREATE => is_definition = true,
            Keyword::SELECT | Keyword::VALUES | Keyword::WITH => is_definition = false,
            _ => {}
        }
        let lookahead = Lookahead { tokens: &tokens[at..], before: out.last(), is_definition };
        if let Some(Rule { skipped, instead }) = lookahead.rule() {
            out.extend(instead.into_iter().map(|new| TokenWithSpan::new(new, token.span)));
            at += skipped.max(1);
        } else {
            out.push(token.clone());
            at += 1;
        }
    }
    out
}

/// Replacement of the next tokens.
struct Rule {
    skipped: usize,
    instead: Vec<Token>,
}

fn skip(skipped: usize) -> Rule {
    Rule { skipped, instead: Vec::new() }
}

impl Lookahead<'_> {
    fn rule(&self) -> Option<Rule> {
        match self.token(0)? {
            Token::Word(word) if word.quote_style.is_none() => self.word_rule(),
            // `(row).*`
            Token::Period
                if matches!(self.before_token(), Some(Token::RParen)) && self.token(1) == Some(&Token::Mul) =>
            {
                Some(skip(2))
            }
            // `a *= b` and the like compare rows.
            Token::Mul
                if matches!(
                    self.token(1),
                    Some(Token::Eq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::Neq)
                ) =>
            {
                Some(skip(1))
            }
            // `range between '1 year'::interval preceding`
            Token::DoubleColon if self.is_word(1) && matches!(self.word(2).as_str(), "preceding" | "following") => {
                Some(skip(2))
            }
            Token::LBracket => self.subscript(),
            Token::LParen => self.columns_without_types(),
            _ => None,
        }
    }

    /// Matches `a[1]`, `a[1:2]`, `a['k']`, also as the target of an assignment.
    fn subscript(&self) -> Option<Rule> {
        let is_behind_value = matches!(self.before_token(), Some(Token::Word(_) | Token::RParen))
            && !matches!(self.before_keyword(), Keyword::ARRAY);
        let length = self.bracket(0)?;
        let is_simple = self.tokens[1..length - 1].iter().all(|token| {
            matches!(
                token.token,
                Token::Number(..)
                    | Token::SingleQuotedString(_)
                    | Token::Word(_)
                    | Token::Colon
                    | Token::Minus
                    | Token::Plus
                    | Token::Period
            )
        });
        (is_behind_value && is_simple && length > 2).then(|| skip(length))
    }

    /// Matches `create table t (a, b) as select …`.
    fn columns_without_types(&self) -> Option<Rule> {
        let ends = self.names(0).filter(|_| self.is_definition)?;
        let has_types =
            self.tokens[1..ends - 1].windows(2).any(|pair| pair.iter().all(|token| token.token != Token::Comma));
        (self.keyword(ends) == Keyword::AS && !has_types).then(|| skip(ends))
    }

    fn word_rule(&self) -> Option<Rule> {
        match self.word(0).as_str() {
            "variadic" => Some(skip(1)),
            "isnull" if self.token(1) != Some(&Token::LParen) => {
                Some(Rule { skipped: 1, instead: vec![Token::make_keyword("IS"), Token::make_keyword("NULL")] })
            }
            "virtual" if matches!(self.before_token(), Some(Token::RParen)) => {
                Some(Rule { skipped: 1, instead: vec![Token::make_keyword("STORED")] })
            }
            "current" if self.keyword(1) == Keyword::OF && self.is_word(2) => {
                Some(Rule { skipped: 3, instead: vec![number()] })
            }
            "without" if self.word(1) == "overlaps" => Some(skip(2)),
            "period" if matches!(self.before_token(), Some(Token::Comma)) && self.is_word(1) => Some(skip(1)),
            "including" | "excluding" if self.is_word(1) && matches!(self.before_token(), Some(Token::Word(_))) => {
                Some(skip(2))
            }
            "not" if self.word(1) == "valid" => Some(skip(2)),
            "no" if self.word(1) == "inherit" => Some(skip(2)),
            "no" if self.words(&["no", "key", "update"]) => Some(skip(2)),
            "key" if self.word(1) == "share" && self.before_keyword() == Keyword::FOR => Some(skip(1)),
            "overriding" if self.word(2) == "value" => Some(skip(3)),
            "default" if self.word(1) == "values" && self.before_keyword() == Keyword::INSERT => Some(Rule {
                skipped: 2,
                instead: vec![Token::make_keyword("VALUES"), Token::LParen, number(), Token::RParen],
            }),
            "with" => self.with(),
            "exclude" => match self.word(1).as_str() {
                "group" | "ties" => Some(skip(2)),
                "no" | "current" => Some(skip(3)),
                _ => None,
            },
            "search" | "cycle" if matches!(self.before_token(), Some(Token::RParen)) => self.search_or_cycle(),
            "conflict" if self.token(1) == Some(&Token::LParen) => {
                let target = self.bracket(1)?;
                (self.keyword(1 + target) == Keyword::DO)
                    .then(|| Rule { skipped: 1 + target, instead: vec![Token::make_keyword("CONFLICT")] })
            }
            "as" => self.column_definitions(),
            "first" | "next" if self.before_keyword() == Keyword::FETCH && self.token(1) == Some(&Token::LParen) => {
                let skipped = 1 + self.bracket(1)?;
                Some(Rule { skipped, instead: vec![Token::make_keyword("FIRST"), number()] })
            }
            "using" => self.join_alias(),
            name if self.token(1) == Some(&Token::LParen) && is_sql_json(name) => self.sql_json(name),
            // `rows from (f(), g())`
            "rows" if self.keyword(1) == Keyword::FROM && self.token(2) == Some(&Token::LParen) => {
                Some(Rule { skipped: 2, instead: vec![Token::make_word("rows_from", None)] })
            }
            _ => None,
        }
    }

    /// Matches the alias of the columns in `join … using (a, b) as x`.
    fn join_alias(&self) -> Option<Rule> {
        let length = self.names(1)?;
        if self.keyword(1 + length) != Keyword::AS || !self.is_word(2 + length) {
            return None;
        }
        let instead = self.tokens[..=length].iter().map(|token| token.token.clone()).collect();
        Some(Rule { skipped: length + 3, instead })
    }

    /// Matches `with (security_barrier) as`, `with no data`, `with check option`.
    fn with(&self) -> Option<Rule> {
        if let Some(options) = self.names(1) {
            return (self.keyword(1 + options) == Keyword::AS).then(|| skip(1 + options));
        }
        let words = |count: usize| (1..count).map(|at| self.word(at)).collect::<Vec<_>>().join(" ");
        [(2, "data"), (3, "no data"), (3, "check option"), (4, "local check option"), (4, "cascaded check option")]
            .into_iter()
            .find(|&(count, text)| words(count) == text)
            .map(|(count, _)| skip(count))
    }

    /// Matches `search depth first by a, b set c` and `cycle a, b set c using p` after a recursive query.
    fn search_or_cycle(&self) -> Option<Rule> {
        let last = if self.word(0) == "search" { "set" } else { "using" };
        let end = (1..self.tokens.len().min(MAX_LOOKAHEAD)).find(|&at| self.word(at) == last)?;
        Some(skip(end + 2))
    }

    /// Matches `f() as (a int, b text)` and `f() as t (a int)` in `FROM`.
    fn column_definitions(&self) -> Option<Rule> {
        if !matches!(self.before_token(), Some(Token::RParen)) || self.token(1) != Some(&Token::LParen) {
            return None;
        }
        let is_list = self.is_word(2)
            && self.is_word(3)
            && !matches!(
                self.keyword(2),
                Keyword::SELECT
                    | Keyword::VALUES
                    | Keyword::WITH
                    | Keyword::TABLE
                    | Keyword::INSERT
                    | Keyword::UPDATE
                    | Keyword::DELETE
                    | Keyword::MERGE
            );
        if is_list { self.bracket(1).map(|length| skip(1 + length)) } else { None }
    }

    /// Rewrites SQL/JSON's functions as ordinary ones, without the clauses after their arguments.
    fn sql_json(&self, name: &str) -> Option<Rule> {
        let length = self.bracket(1)?;
        let mut instead = vec![Token::make_word(&format!("{name}_"), None)];
        let mut depth = 0_usize;
        for at in 1..=length {
            let token = &self.tokens[at].token;
            match token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            let is_clause = depth == 1
                && match self.word(at).as_str() {
                    "passing" | "returning" | "format" | "with" | "without" | "omit" | "keep" | "absent"
                    | "default" | "columns" | "as" | "empty" | "error" => true,
                    "null" | "true" | "false" | "unknown" => self.word(at + 1) == "on",
                    _ => false,
                };
            if is_clause {
                // A subquery in the removed part would be lost.
                let has_query = (at..=length).any(|at| self.keyword(at) == Keyword::SELECT);
                instead.push(Token::RParen);
                return (!has_query).then_some(Rule { skipped: 1 + length, instead });
            }
            instead.push(token.clone());
        }
        None
    }
}

fn is_sql_json(name: &str) -> bool {
    matches!(
        name,
        "json"
            | "json_scalar"
            | "json_serialize"
            | "json_object"
            | "json_objectagg"
            | "json_array"
            | "json_arrayagg"
            | "json_exists"
            | "json_query"
            | "json_value"
            | "json_table"
    )
}
