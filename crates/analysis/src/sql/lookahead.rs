//! Questions about the next tokens of a statement.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::rewrite::keyword;

/// Maximum number of tokens that a rule searches for the end of a bracket. A longer bracket is left unchanged.
pub(super) const MAX_LOOKAHEAD: usize = 64;

/// The next tokens, and the token before them.
pub(super) struct Lookahead<'a> {
    pub(super) tokens: &'a [TokenWithSpan],
    pub(super) before: Option<&'a TokenWithSpan>,
    /// `true` between `CREATE` and a query.
    pub(super) is_definition: bool,
}

impl Lookahead<'_> {
    pub(super) fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|token| &token.token)
    }

    pub(super) fn keyword(&self, at: usize) -> Keyword {
        self.tokens.get(at).map_or(Keyword::NoKeyword, keyword)
    }

    /// Returns an unquoted word in lower case, for words that are no keywords of the parser.
    pub(super) fn word(&self, at: usize) -> String {
        match self.token(at) {
            Some(Token::Word(word)) if word.quote_style.is_none() && word.value.len() < 16 => {
                word.value.to_ascii_lowercase()
            }
            _ => String::new(),
        }
    }

    pub(super) fn is_word(&self, at: usize) -> bool {
        matches!(self.token(at), Some(Token::Word(_)))
    }

    pub(super) fn words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(at, word)| self.word(at) == *word)
    }

    /// Returns the number of tokens of the bracket that opens at `at`, if it closes within [`MAX_LOOKAHEAD`].
    pub(super) fn bracket(&self, at: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for (length, token) in self.tokens.get(at..)?.iter().take(MAX_LOOKAHEAD).enumerate() {
            match token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(length + 1);
            }
        }
        None
    }

    pub(super) fn before_token(&self) -> Option<&Token> {
        self.before.map(|token| &token.token)
    }

    pub(super) fn before_keyword(&self) -> Keyword {
        self.before.map_or(Keyword::NoKeyword, keyword)
    }

    /// Returns the number of tokens of a bracket at `at` that contains only names and commas.
    pub(super) fn names(&self, at: usize) -> Option<usize> {
        if self.token(at) != Some(&Token::LParen) {
            return None;
        }
        let length = self.bracket(at)?;
        let inner = &self.tokens[at + 1..at + length - 1];
        inner.iter().all(|token| matches!(token.token, Token::Word(_) | Token::Comma)).then_some(length)
    }
}
