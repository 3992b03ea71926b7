//! Bounds on the statements given to `sqlparser`, checked before parsing.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::limits;

/// Measures of a statement that bound the cost of parsing it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Complexity {
    /// Maximum number of brackets that are open together.
    pub(super) depth: usize,
    /// Maximum number of tokens on one path, as [`limits::SQL_PATH_TOKENS`] counts them: no syntax tree is deeper.
    pub(super) path_tokens: usize,
}

impl Complexity {
    /// Measures a statement in one pass over its tokens.
    pub(super) fn of(tokens: &[TokenWithSpan]) -> Self {
        let mut found = Self::default();
        // The length of the path at which each open bracket began.
        let mut open: Vec<usize> = Vec::new();
        let mut path = 0;
        let mut set_operators = 0;
        for token in tokens {
            path += 1;
            match &token.token {
                Token::LParen | Token::LBracket | Token::LBrace => open.push(path),
                // A surplus closing bracket returns to the statement's own level.
                Token::RParen | Token::RBracket | Token::RBrace => path = open.pop().unwrap_or(path),
                Token::Comma => path = open.last().copied().unwrap_or(0),
                // `UNION` joins queries that contain commas.
                Token::Word(word) if is_set_operator(word.keyword) => set_operators += 1,
                _ => {}
            }
            found.depth = found.depth.max(open.len());
            found.path_tokens = found.path_tokens.max(path + set_operators);
        }
        found
    }

    /// Returns `true` if parsing would take too long, or more memory than the answer is worth.
    pub(super) fn is_too_high(&self) -> bool {
        self.depth > limits::SQL_DEPTH || self.path_tokens > limits::SQL_PATH_TOKENS
    }
}

fn is_set_operator(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::MINUS)
}

/// Returns the number of steps that the parser may take for a statement of so many tokens.
pub(super) fn budget(tokens: usize) -> usize {
    tokens.saturating_mul(limits::SQL_STEPS_PER_TOKEN).saturating_add(limits::SQL_STEPS_BASE)
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::PostgreSqlDialect;
    use sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn complexity(code: &str) -> (usize, usize) {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, code).tokenize_with_location().unwrap();
        let Complexity { depth, path_tokens } = Complexity::of(&tokens);
        (depth, path_tokens)
    }

    #[test]
    fn paths_end_at_commas_and_go_through_brackets() {
        assert_eq!(complexity(""), (0, 0));
        assert_eq!(complexity("1+1+1"), (0, 5));
        assert_eq!(complexity("1+1,1+1"), (0, 3));
        assert_eq!(complexity("1+(1+(1,1),1)+1"), (2, 7));
        assert_eq!(complexity("))1)"), (0, 4));
        assert_eq!(complexity("(1,(1,(1"), (3, 4));
        let union = "1,1 union ".repeat(100);
        assert!(complexity(&union).1 >= 100);
    }
}
