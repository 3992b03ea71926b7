//! How much work it is at most to find out what HTML means, without doing it.
//!
//! The rules of HTML (its "adoption agency" and "active formatting elements") make a parser repeat every open `<b>` and the
//! like in every further paragraph, and look through all open elements at each tag: a few kilobytes can make gigabytes and
//! minutes of it. So tags are counted first, with everything that could be open taken for open.

use std::collections::HashMap;

/// Nodes that may be made of the HTML of one notebook.
const MOST_NODES: u64 = 500_000;
/// Open elements that may be looked at.
const MOST_LOOKS: u64 = 20_000_000;

/// Elements that are open until they are closed by name, whatever else is.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements that have no end.
const VOID: [&str; 12] = ["area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Elements in which tags are something else than they seem; what is closed after one of these may not be.
const DECEPTIVE: [&str; 14] = [
    "frameset",
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "plaintext",
    "select",
    "svg",
    "template",
    "textarea",
    "title",
    "xmp",
    "listing",
];

/// What is left of the work that may be done for one notebook.
#[derive(Debug)]
pub(crate) struct Effort {
    nodes: u64,
    looks: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { nodes: MOST_NODES, looks: MOST_LOOKS }
    }
}

impl Effort {
    /// Takes the work for this HTML, if so much is left.
    pub(crate) fn spend(&mut self, html: &str) -> bool {
        let mut left = Self { nodes: self.nodes, looks: self.looks };
        let is_enough = Count::new(html).all(|Step { open, formatting }| {
            let (nodes, looks) = (left.nodes.checked_sub(1 + formatting), left.looks.checked_sub(1 + open));
            nodes.zip(looks).is_some_and(|(nodes, looks)| {
                left = Self { nodes, looks };
                true
            })
        });
        if is_enough {
            *self = left;
        }
        is_enough
    }
}

/// How many elements may be open at a tag.
struct Step {
    open: u64,
    formatting: u64,
}

struct Count<'a> {
    rest: &'a str,
    by_name: HashMap<String, u64>,
    open: u64,
    formatting: u64,
    is_deceptive: bool,
}

impl<'a> Count<'a> {
    fn new(html: &'a str) -> Self {
        Self { rest: html, by_name: HashMap::new(), open: 0, formatting: 0, is_deceptive: false }
    }

    fn begin(&mut self, name: &str) {
        self.is_deceptive |= DECEPTIVE.contains(&name);
        if VOID.contains(&name) {
            return;
        }
        self.open += 1;
        self.formatting += u64::from(FORMATTING.contains(&name));
        *self.by_name.entry(name.to_owned()).or_default() += 1;
    }

    fn end(&mut self, name: &str) {
        let Some(count) = self.by_name.get_mut(name).filter(|count| **count > 0 && !self.is_deceptive) else { return };
        *count -= 1;
        self.open -= 1;
        self.formatting -= u64::from(FORMATTING.contains(&name));
    }
}

impl Iterator for Count<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let at = self.rest.find('<')?;
        let tag = self.rest.get(at + 1..).unwrap_or_default();
        self.rest = tag;
        let name = |text: &str| -> String {
            let end =
                text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '<')).unwrap_or(text.len());
            text.get(..end).unwrap_or_default().to_ascii_lowercase()
        };
        if tag.starts_with("!--") {
            // A comment may end with the dashes that it begins with.
            let from_dashes = tag.get(1..).unwrap_or_default();
            self.rest = behind(from_dashes, "--", |rest| rest.starts_with('>') || rest.starts_with("!>"));
        } else if tag.starts_with("![") {
            self.is_deceptive = true;
        } else if let Some(end) = tag.strip_prefix('/') {
            self.end(&name(end));
        } else if tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let name = name(tag);
            self.begin(&name);
            if matches!(&*name, "script" | "style") && !self.is_deceptive {
                let is_end = |rest: &str| rest.get(..name.len()).is_some_and(|end| end.eq_ignore_ascii_case(&name));
                self.rest = behind(tag, "</", is_end);
            }
        }
        Some(Step { open: self.open, formatting: self.formatting })
    }
}

/// What follows the first of these marks that is one; nothing when none is.
fn behind<'a>(text: &'a str, mark: &str, is_one: impl Fn(&str) -> bool) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find(mark) {
        // From the mark's second character on, since marks may overlap.
        let (next, behind) = (rest.get(at + 1..).unwrap_or_default(), rest.get(at + mark.len()..).unwrap_or_default());
        if is_one(behind) {
            return behind;
        }
        rest = next;
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most(html: &str) -> (u64, u64) {
        Count::new(html).fold((0, 0), |(open, formatting), step| (open.max(step.open), formatting.max(step.formatting)))
    }

    #[test]
    fn what_could_be_open_is_open() {
        for (html, open, formatting) in [
            ("<div><p><b>x</b></p></div>", 3, 1),
            ("<p><b a=1></p><p><b a=2></p>", 3, 2),
            ("<DIV></x></DIV/><div>", 1, 0),
            ("<br><img src=x><hr/>", 0, 0),
            ("<div><!--</div>--><div><!--></div><!---><div><!----!><div>", 3, 0),
            ("<div><textarea></div></textarea><div>", 3, 0),
            ("<style>b > a </b></STYLE ><b></b>", 2, 1),
            ("a < b, c > d", 0, 0),
        ] {
            assert_eq!(most(html), (open, formatting), "{html}");
        }
    }

    #[test]
    fn a_large_table_is_little_work_and_a_small_bomb_is_too_much() {
        let row = "<tr style=\"text-align: right;\"><th>1</th><td>2</td><td><a href=\"x\">3</a></td></tr>";
        assert!(Effort::default().spend(&format!("<div><table><tbody>{}</tbody></table></div>", row.repeat(20_000))));
        let bomb: Vec<String> = (0..2_000).map(|n| format!("<p><b a={n}></p>")).collect();
        assert!(!Effort::default().spend(&bomb.concat()));
        assert!(!Effort::default().spend(&"<div>".repeat(10_000)));
        let mut effort = Effort::default();
        assert!((0..200).any(|_| !effort.spend(&row.repeat(1_000))));
    }
}
