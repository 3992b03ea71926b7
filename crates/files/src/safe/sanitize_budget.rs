//! A bound on the work of parsing HTML, computed without parsing it.
//!
//! A parser of HTML accepts every text. It repeats each `<b>` that was not closed in every further paragraph, moves misplaced
//! content out of tables, searches all open elements at each tag, and compares each attribute of a tag with all others: a few
//! kilobytes can cost gigabytes and minutes. None of that happens while elements are well nested, apart from end tags that HTML
//! allows to omit, and tables hold only what HTML allows in them. So only such HTML is counted exactly; for any other, the worst
//! case is assumed.

/// Maximum nodes of one output, which are in memory together.
const MAX_NODES: u64 = 500_000;
/// Maximum steps for one notebook; a step visits an element or an attribute.
const MAX_STEPS: u64 = 20_000_000;
/// Number of steps in the time in which a node is made.
const STEPS_PER_NODE: u64 = 4;

/// Number of bytes that are copied in about the time of one step.
const BYTES_PER_STEP: u64 = 10_000;

/// Elements that a parser opens again where they were not closed.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements without an end tag.
const VOID: [&str; 12] = ["area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Elements whose end tag may be omitted before the end of one of [`CLOSING`].
const OPTIONAL_END: [&str; 12] =
    ["p", "li", "dt", "dd", "td", "th", "tr", "tbody", "thead", "tfoot", "colgroup", "caption"];
const CLOSING: [&str; 17] = [
    "div",
    "ul",
    "ol",
    "dl",
    "table",
    "tbody",
    "thead",
    "tfoot",
    "tr",
    "td",
    "th",
    "li",
    "section",
    "article",
    "main",
    "blockquote",
    "body",
];
/// Elements that may contain only [`IN_TABLE`].
const TABLE: [&str; 6] = ["table", "tbody", "thead", "tfoot", "tr", "colgroup"];
const IN_TABLE: [&str; 11] =
    ["caption", "colgroup", "col", "tbody", "thead", "tfoot", "tr", "td", "th", "script", "style"];
/// Elements with their own parsing rules, in which a `<` may begin no tag.
const OWN_RULES: [&str; 14] = [
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
    "button",
];

/// The remaining work that may be done for one notebook.
#[derive(Clone, Copy, Debug)]
pub(super) struct SanitizeBudget {
    nodes: u64,
    steps: u64,
}

impl Default for SanitizeBudget {
    fn default() -> Self {
        Self { nodes: MAX_NODES, steps: MAX_STEPS }
    }
}

impl SanitizeBudget {
    /// Spends the work for this HTML. Returns `false`, and spends nothing, if too little is left.
    pub(super) fn spend(&mut self, html: &str) -> bool {
        let fresh = Self { nodes: MAX_NODES, ..*self };
        let left = fresh
            .after_characters(html)
            .and_then(|left| after_well_nested(html, left).unwrap_or_else(|NotWellNested| left.at_worst(html)));
        *self = left.unwrap_or(*self);
        left.is_some()
    }

    /// Subtracts the work for the characters: the parser joins texts after each `&`, which may copy all of the text before it, and
    /// keeps an error for each NUL.
    fn after_characters(self, html: &str) -> Option<Self> {
        let breaks = html.bytes().filter(|byte| *byte == b'&').fold(0_u64, |n, _| n + 1);
        let nuls = html.bytes().filter(|byte| *byte == 0).fold(0_u64, |n, _| n + 1);
        self.less(nuls, breaks.saturating_mul(html.len() as u64) / BYTES_PER_STEP)
    }

    /// Subtracts the worst case: every tag stays open, and all attributes are of one tag.
    fn at_worst(self, html: &str) -> Option<Self> {
        let count = |is_one: &dyn Fn(u8) -> bool| html.bytes().filter(|byte| is_one(*byte)).fold(0_u64, |n, _| n + 1);
        let tags = count(&|byte| byte == b'<');
        let attributes = count(&|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\''));
        let steps = tags.saturating_mul(tags).saturating_add(attributes.saturating_mul(attributes));
        let left = self.less(tags, steps)?;
        let opened = html.match_indices('<').filter_map(|(at, _)| html.get(at + 1..));
        let formatting = opened.filter(|tag| is_formatting(tag)).fold(0_u64, |n, _| n + 1);
        left.less(tags.saturating_mul(formatting), 0)
    }

    fn less(self, nodes: u64, steps: u64) -> Option<Self> {
        let steps = steps.saturating_add(nodes.saturating_mul(STEPS_PER_NODE));
        Some(Self { nodes: self.nodes.checked_sub(nodes)?, steps: self.steps.checked_sub(steps)? })
    }
}

/// An error for HTML that is not well nested.
struct NotWellNested;

/// Subtracts the work for well-nested HTML; `Ok(None)` when too little is left.
fn after_well_nested(html: &str, budget: SanitizeBudget) -> Result<Option<SanitizeBudget>, NotWellNested> {
    let mut left = budget;
    let mut open: Vec<String> = Vec::new();
    let mut formatting: u64 = 0;
    // Attributes of all `html` and `body`, whose elements are one each: every further tag's are compared with those.
    let mut merged: u64 = 0;
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        let tag = tag.get(1..).unwrap_or_default();
        let in_table = open.last().is_some_and(|name| TABLE.contains(&&**name));
        if in_table && !text.trim_ascii().is_empty() {
            return Err(NotWellNested);
        }
        let (mut attributes, mut compared) = (0, 0);
        if let Some(comment) = tag.strip_prefix("!--") {
            // It may end with the dashes that it begins with.
            let from_dashes = tag.get(1..).unwrap_or(comment);
            rest = after_mark(from_dashes, "--", |rest| rest.starts_with('>') || rest.starts_with("!>"));
            rest = rest.split_once('>').map_or("", |(_, rest)| rest);
        } else if tag.starts_with('!') || tag.starts_with('?') {
            if tag.starts_with("![") {
                return Err(NotWellNested);
            }
            rest = tag.split_once('>').map_or("", |(_, rest)| rest);
        } else if let Some(end) = tag.strip_prefix('/') {
            if !end.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err(NotWellNested);
            }
            let name = name_of(end);
            (attributes, rest) = skip_attributes(end.get(name.len()..).unwrap_or_default());
            close(&mut open, &name)?;
            formatting -= u64::from(FORMATTING.contains(&&*name));
        } else if tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let name = name_of(tag);
            if OWN_RULES.contains(&&*name) || (in_table && !IN_TABLE.contains(&&*name)) {
                return Err(NotWellNested);
            }
            (attributes, rest) = skip_attributes(tag.get(name.len()..).unwrap_or_default());
            if matches!(&*name, "html" | "body") {
                merged += attributes as u64;
                compared = merged.saturating_mul(STEPS_PER_NODE); // they are copied, too
            }
            if matches!(&*name, "script" | "style") {
                rest = skip_raw(rest, &name)?;
            } else if !VOID.contains(&&*name) {
                formatting += u64::from(FORMATTING.contains(&&*name));
                open.push(name);
            }
        } else {
            if in_table {
                return Err(NotWellNested); // it is a text
            }
            rest = tag;
        }
        let (depth, attributes) = (open.len() as u64, attributes as u64);
        // An element that may not be in a paragraph ends it, and what was open in it comes back.
        match left.less(1 + formatting, 1 + depth + attributes * attributes / 2 + compared) {
            Some(less) => left = less,
            None => return Ok(None),
        }
    }
    Ok(Some(left))
}

/// Closes the innermost element, after those whose end tags may be omitted.
fn close(open: &mut Vec<String>, name: &str) -> Result<(), NotWellNested> {
    if CLOSING.contains(&name) {
        while open.last().is_some_and(|last| last != name && OPTIONAL_END.contains(&&**last)) {
            open.pop();
        }
    }
    if open.pop().as_deref() == Some(name) { Ok(()) } else { Err(NotWellNested) }
}

/// Returns a tag's name, in lower case.
fn name_of(tag: &str) -> String {
    let end = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(tag.len());
    tag.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// Returns whether a tag is one of [`FORMATTING`]. Reads no more of it than the length of those names, because the name of each
/// `<` in `<<<<` extends to the end of the text.
fn is_formatting(tag: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>');
    FORMATTING.iter().any(|name| {
        let start = tag.as_bytes().split_at_checked(name.len());
        start
            .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(name.as_bytes()) && rest.first().is_none_or(is_end))
    })
}

/// Counts the attributes after a tag's name, and returns the text after the tag (HTML, 13.2.5.32 to 13.2.5.40).
fn skip_attributes(text: &str) -> (usize, &str) {
    let is_blank = |c: char| c.is_ascii_whitespace();
    let (mut count, mut rest) = (0, text);
    loop {
        rest = rest.trim_start_matches(|c| is_blank(c) || c == '/');
        if rest.is_empty() {
            return (count, rest);
        }
        if let Some(behind) = rest.strip_prefix('>') {
            return (count, behind);
        }
        count += 1;
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let name = rest.get(first..).unwrap_or_default();
        rest = name.trim_start_matches(|c| !is_blank(c) && !matches!(c, '/' | '>' | '='));
        let Some(value) = rest.trim_start_matches(is_blank).strip_prefix('=') else { continue };
        let value = value.trim_start_matches(is_blank);
        rest = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                value.get(1..).and_then(|it| it.split_once(quote)).map_or("", |(_, rest)| rest)
            }
            _ => value.trim_start_matches(|c| !is_blank(c) && c != '>'),
        };
    }
}

/// Returns the text after a script or a style, whose content is no HTML.
fn skip_raw<'a>(text: &'a str, name: &str) -> Result<&'a str, NotWellNested> {
    let is_end = |rest: &str| {
        let (this, next) = rest.split_at_checked(name.len()).unwrap_or(("", ""));
        this.eq_ignore_ascii_case(name) && next.starts_with(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'))
    };
    let rest = after_mark(text, "</", is_end);
    // In a script, what looks like a comment may hide its end.
    if name == "script" && text.get(..text.len() - rest.len()).is_some_and(|script| script.contains("<!--")) {
        return Err(NotWellNested);
    }
    Ok(skip_attributes(rest.get(name.len()..).unwrap_or_default()).1)
}

/// Returns the text after the first mark that `is_one` accepts; an empty text if there is none.
fn after_mark<'a>(text: &'a str, mark: &str, is_one: impl Fn(&str) -> bool) -> &'a str {
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

    fn is_well_nested(html: &str) -> bool {
        after_well_nested(html, SanitizeBudget::default()).is_ok()
    }

    #[test]
    fn well_nested_is_what_no_parser_rearranges() {
        for html in [
            "<div><p><b>x</b></p></div>",
            "<DIV CLASS='a>b'></div ><br><img src=x/><hr/>",
            "<ul><li>a<li>b</ul><table><tr><td>1<td>2<tr><td>3</table>",
            "<table>\n <thead><tr><th></th></tr></thead> <!-- x --> </table>",
            "<style>td > b { content: '</b>' }</STYLE ><script>if (a < b) { '<b>' }</script>x < y",
            "<!doctype html><!-- <b> --><!--><b></b><!---><i></i><!----!><u></u>",
            "<style></stylex><x a=\"</style><b>\"></b>",
            "<div title=\"</div>\" a = b c=\"<b>\"></div>",
        ] {
            assert!(is_well_nested(html), "{html}");
        }
        for html in [
            "<b><p></b>",
            "<p><b></p>",
            "<div><table></div></table>",
            "<span><div></span></div>",
            "<table><b></b></table>",
            "<table>x</table>",
            "<table>< </table>",
            "</div>",
            "</ div>",
            "<div><textarea></div></textarea>",
            "<svg><style><b></style></svg>",
            "<![CDATA[x]]>",
            "<script><!--<script></script><x a=\"</script><b>\">",
        ] {
            assert!(!is_well_nested(html), "{html}");
        }
    }

    #[test]
    fn formatting_is_told_by_its_whole_name() {
        for (tag, is) in [
            ("b>", true),
            ("STRONG a=1>", true),
            ("tt/", true),
            ("a", true),
            ("br>", false),
            ("", false),
            ("/b>", false),
            ("bé>", false),
            ("é", false),
        ] {
            assert_eq!(is_formatting(tag), is, "{tag}");
        }
    }

    /// Were what is looked at behind each `<` not bounded, this would take days.
    #[test]
    fn finding_out_that_it_is_too_much_work_is_little_work() {
        for end in ["", "<b>"] {
            assert!(!SanitizeBudget::default().spend(&format!("</div>{}{end}", "<".repeat(16_000_000))));
        }
        // Few enough to be counted, and each with a name as long as the text.
        assert!(SanitizeBudget::default().spend(&format!("</div>{}{}", "<b".repeat(4_000), "b".repeat(16_000_000))));
    }

    #[test]
    fn a_large_table_is_little_work_and_a_small_bomb_is_too_much() {
        let row = "<tr style=\"text-align: right;\"><th>1</th><td>2</td><td><a href=\"x\">3</a></td></tr>";
        assert!(
            SanitizeBudget::default()
                .spend(&format!("<div><table><tbody>{}</tbody></table></div>", row.repeat(20_000)))
        );
        assert!(
            SanitizeBudget::default()
                .spend(&format!("<html a=1><head b=2></head><body c=3>{}</body></html>", row.repeat(20_000)))
        );
        let numbered = |html: &str| (0..20_000).map(|n| html.replace('#', &n.to_string())).collect::<Vec<_>>().concat();
        for bomb in [
            numbered("<p><b a=#></p>"),
            numbered("<p><b a=#><div>").chars().take(30_000).collect(),
            numbered("<p><b a=#><table></b></table></p>"),
            numbered("<div>"),
            numbered("<div><table></div></table>"),
            numbered("<span><div></span></div>"),
            format!("<table>{}</table>", numbered("x<i></i>")),
            format!("<div {}></div>", numbered(" a#")),
            numbered("<html a#></html>"),
            numbered("<body a#></body>"),
            format!(
                "<html {}></html>{}",
                numbered(" a#").chars().take(20_000).collect::<String>(),
                "<html></html>".repeat(20_000)
            ),
            numbered("<div><body a#></body></div>"),
            numbered("<frameset a#></frameset>"),
            "&".repeat(1_000_000),
            format!("<textarea><x a=\"</textarea>{}\">", numbered("<b a=#>")),
        ] {
            assert!(!SanitizeBudget::default().spend(&bomb), "{}", &bomb[..40]);
        }
        let mut budget = SanitizeBudget::default();
        assert!((0..2_000).any(|_| !budget.spend(&row.repeat(1_000))));
    }
}
