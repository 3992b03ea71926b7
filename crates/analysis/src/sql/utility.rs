//! Statements that the parser does not know: their first words determine which tables they define.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::statements::Tables;
use super::tables::table_name;

/// Collects the tables of a statement from its first words; returns `false` if they do not suffice.
pub(super) fn tables(tokens: &[TokenWithSpan], tables: &mut Tables) -> bool {
    let mut words = Words { tokens, at: 0 };
    let first = words.next();
    let contains_query =
        tokens.iter().skip(1).any(|token| matches!(super::rewrite::keyword(token), Keyword::SELECT | Keyword::VALUES));
    let changes = match first.as_str() {
        "abort" | "begin" | "close" | "commit" | "deallocate" | "end" | "fetch" | "listen" | "move" | "release"
        | "reset" | "rollback" | "savepoint" | "set" | "show" | "start" | "unlisten" => false,
        "analyse" | "analyze" | "checkpoint" | "cluster" | "comment" | "discard" | "do" | "grant" | "import"
        | "load" | "lock" | "notify" | "reassign" | "reindex" | "revoke" | "security" | "vacuum" => true,
        "copy" if !contains_query => return words.copy(tables),
        "alter" | "create" | "drop" if !contains_query => return words.definition(&first, tables),
        _ => return false,
    };
    if contains_query {
        return false;
    }
    tables.changes_data |= changes;
    true
}

/// The words of a statement, one after another.
struct Words<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl Words<'_> {
    fn peek(&self) -> String {
        match self.tokens.get(self.at).map(|token| &token.token) {
            Some(Token::Word(word)) if word.quote_style.is_none() && word.value.len() < 32 => {
                word.value.to_ascii_lowercase()
            }
            _ => String::new(),
        }
    }

    fn next(&mut self) -> String {
        let word = self.peek();
        self.at += usize::from(!word.is_empty());
        word
    }

    fn skip(&mut self, words: &[&str]) {
        while words.contains(&self.peek().as_str()) {
            self.at += 1;
        }
    }

    /// Parses `schema.table`.
    fn name(&mut self) -> Option<ObjectName> {
        let mut parts: Vec<ObjectNamePart> = Vec::new();
        loop {
            let Some(TokenWithSpan { token: Token::Word(word), span }) = self.tokens.get(self.at) else { return None };
            let ident = Ident { value: word.value.clone(), quote_style: word.quote_style, span: *span };
            parts.push(ObjectNamePart::Identifier(ident));
            self.at += 1;
            if self.tokens.get(self.at).is_none_or(|token| token.token != Token::Period) {
                return Some(ObjectName(parts));
            }
            self.at += 1;
        }
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn copy(mut self, tables: &mut Tables) -> bool {
        self.skip(&["binary"]);
        let Some(table) = self.name().and_then(|name| table_name(&name)) else { return false };
        let from = self.tokens[self.at..].iter().map(super::rewrite::keyword).find_map(|keyword| match keyword {
            Keyword::FROM => Some(true),
            Keyword::TO => Some(false),
            _ => None,
        });
        let Some(from) = from else { return false };
        tables.read.insert(table.clone());
        if from {
            tables.written.insert(table);
            tables.changes_data = true;
        }
        true
    }

    fn definition(mut self, verb: &str, tables: &mut Tables) -> bool {
        self.skip(&["or", "replace", "global", "local", "temp", "temporary", "unlogged", "unique", "recursive"]);
        self.skip(&["foreign", "materialized"]);
        let what = self.next();
        self.skip(&["concurrently", "if", "not", "exists", "only"]);
        match what.as_str() {
            // A statement that begins differently may be a typing error.
            "table" | "view" => {
                let mut found = Vec::new();
                loop {
                    let Some(table) = self.name().and_then(|name| table_name(&name)) else { return false };
                    found.push(table);
                    if verb != "drop" || self.tokens.get(self.at).is_none_or(|token| token.token != Token::Comma) {
                        break;
                    }
                    self.at += 1;
                }
                self.skip(&["cascade", "restrict"]);
                // `create table t` without columns is not a known form.
                if (verb == "drop") != self.is_at_end() {
                    return false;
                }
                // The tables after `LIKE`, `INHERITS` and `PARTITION` would be missing.
                let copies = |token: &TokenWithSpan| {
                    matches!(super::rewrite::keyword(token), Keyword::LIKE | Keyword::INHERITS | Keyword::PARTITION)
                };
                if verb == "create" && self.tokens[self.at..].iter().any(copies) {
                    return false;
                }
                tables.written.extend(found);
            }
            "index" if verb == "create" => {
                let on = self.tokens.iter().position(|token| super::rewrite::keyword(token) == Keyword::ON);
                let Some(on) = on else { return false };
                self.at = on + 1;
                self.skip(&["only"]);
                let Some(table) = self.name().and_then(|name| table_name(&name)) else { return false };
                tables.written.insert(table);
            }
            "access" | "aggregate" | "cast" | "collation" | "constraint" | "conversion" | "database" | "default"
            | "domain" | "event" | "extension" | "function" | "group" | "index" | "language" | "large" | "operator"
            | "owned" | "policy" | "procedural" | "procedure" | "publication" | "role" | "routine" | "rule"
            | "schema" | "sequence" | "server" | "statistics" | "subscription" | "system" | "tablespace" | "text"
            | "transform" | "trigger" | "trusted" | "type" | "user" => {}
            _ => return false,
        }
        tables.changes_data = true;
        true
    }
}
