//! Caps on the HTML that is sanitised.
//!
//! A parser that follows the rules of HTML makes something of everything, and may take the square of the length for it: a
//! tag is compared with all elements that are open, an attribute with all others of its tag, and formatting that was not
//! closed comes back in each further paragraph. So what is capped is the product of how much there is and how deep it may
//! be nested. Nothing is parsed to find that out: what is not surely closed counts as open to the end.

/// Maximum nodes of one output, which are in memory together.
const MAX_NODES: u64 = 500_000;
/// Maximum steps for one notebook, a step being a comparison of a tag with an open element, or of two attributes.
const MAX_STEPS: u64 = 40_000_000;
/// Steps in the time of which a node is made.
const STEPS_PER_NODE: u64 = 50;
/// Steps in the time of which an attribute is merged.
const STEPS_PER_MERGE: u64 = 8;
/// Bytes that are copied or compared in the time of a step.
const BYTES_PER_STEP: u64 = 1_000;

/// Elements that come back where they were not closed.
const FORMATTING: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Steps that are left for the HTML of one notebook.
#[derive(Debug)]
pub(super) struct SanitizeBudget(u64);

impl Default for SanitizeBudget {
    fn default() -> Self {
        Self(MAX_STEPS)
    }
}

impl SanitizeBudget {
    /// Takes the steps for this HTML, unless it is too much.
    pub(super) fn spend(&mut self, html: &str) -> bool {
        let left = max_steps(html).and_then(|steps| self.0.checked_sub(steps));
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

/// Maximum steps that parsing takes; `None` when it may make too many nodes.
fn max_steps(html: &str) -> Option<u64> {
    let (mut steps, mut nodes, mut open, mut formatting) = (0_u64, 0_u64, 0_u64, 0_u64);
    let (mut attributes_left, mut is_row) = (None, false);
    // Attributes of all `html` and `body` tags are merged into one element each.
    let (mut documents, mut all_attributes) = (0_u64, 0_u64);
    let mut pieces = html.split('<').peekable();
    steps += copying(pieces.next().unwrap_or_default());
    while let Some(piece) = pieces.next() {
        steps += copying(piece) + open;
        nodes += 1 + formatting;
        // A text or a comment, which has no attributes and nothing in it.
        if !piece.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') {
            continue;
        }
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"/>".contains(byte);
        let name_end = piece.bytes().skip(1).position(|byte| is_end(&byte)).map_or(piece.len(), |end| end + 1);
        let (name, rest) = piece.split_at(name_end);
        let is_one_of = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        match (attributes_left, attributes(rest)) {
            (None, Some(count)) => {
                steps += comparing(count, piece.len());
                all_attributes += count;
            }
            // From here on, quotes may begin where they seem to end, and all may be attributes of one tag.
            (unsure, _) => {
                let separators = piece.bytes().filter(|byte| byte.is_ascii_whitespace() || b"/\"'".contains(byte));
                attributes_left = Some(unsure.unwrap_or(0) + separators.count() as u64);
            }
        }
        // What large tables consist of: a cell that is closed at once stays in its place, and leaves nothing open; so does a
        // row of such cells.
        let is_sure = attributes_left.is_none();
        let next = pieces.peek().copied().unwrap_or_default();
        let is_closed_next =
            || next.strip_prefix('/').and_then(|end| end.strip_prefix(name)).is_some_and(|end| end.starts_with('>'));
        if is_sure && matches!(name, "td" | "th") && is_closed_next() {
            continue;
        }
        // The end of a paragraph that is not open makes one.
        if name.starts_with('/') && !is_one_of(&["/p", "/br"]) {
            if is_sure && is_row && piece.starts_with("/tr>") {
                (open, is_row) = (open - 1, false);
            }
        } else {
            (open, is_row) = (open + 1, name == "tr");
            formatting += u64::from(is_one_of(&FORMATTING));
            documents += u64::from(is_one_of(&["html", "body"]));
        }
    }
    let attributes_left = attributes_left.unwrap_or(0);
    steps += comparing(attributes_left, html.len());
    steps += documents * (all_attributes + attributes_left) * STEPS_PER_MERGE;
    (nodes <= MAX_NODES).then(|| steps + nodes * STEPS_PER_NODE)
}

/// Maximum steps to put a text together again behind each `&`, which may copy what comes before it.
fn copying(text: &str) -> u64 {
    let breaks = text.bytes().filter(|byte| *byte == b'&').count() as u64;
    breaks.saturating_mul(text.len() as u64) / BYTES_PER_STEP
}

/// Maximum steps to compare as many attributes, of so many bytes together, with one another.
fn comparing(attributes: u64, bytes: usize) -> u64 {
    attributes.saturating_mul(attributes + bytes as u64 / BYTES_PER_STEP)
}

/// Counts the attributes behind a tag's name, if they are plain names alone, or with values in double quotes: then the tag
/// surely ends at the first `>`.
fn attributes(behind_name: &str) -> Option<u64> {
    let plain = |names: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:".contains(&byte);
        let mut names = names.split_ascii_whitespace();
        names.try_fold(0, |count, name| name.bytes().all(is_plain).then_some(count + 1))
    };
    let (mut rest, mut count) = (behind_name.split_once('>')?.0, 0);
    while let Some((names, value)) = rest.split_once('"') {
        let names = names.strip_suffix('=').filter(|names| names.ends_with(|c: char| c.is_ascii_alphanumeric()))?;
        count += plain(names)?;
        rest = value.split_once('"')?.1;
    }
    Some(count + plain(rest.strip_suffix('/').unwrap_or(rest))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(html: &str) -> bool {
        SanitizeBudget::default().spend(html)
    }

    /// Pieces of HTML, each with another number in the place of `#`.
    fn numbered(html: &str, times: usize) -> String {
        (0..times).map(|n| html.replace('#', &n.to_string())).collect()
    }

    #[test]
    fn attributes_are_counted_where_a_tag_surely_ends() {
        for (text, expected) in [
            (">", Some(0)),
            (" class=\"a b\" id=\"x>", None),
            (" class=\"a <b>\" id=\"x\">", None),
            (" class=\"a b\" id=\"x\" scoped>y\"", Some(3)),
            (" a=\"\"b=\"\" / >", None),
            (" a=\"\"b=\"\" />", Some(2)),
            (" a=b>", None),
            (" a=b\" c=\">\"", None),
            (" a=\"x\"=\"y>z\">", None),
            (" =\"y>z\">", None),
            (" a='b'>", None),
            (" a", None),
        ] {
            assert_eq!(attributes(text), expected, "{text}");
        }
    }

    #[test]
    fn what_notebooks_hold_fits_many_times() {
        let row = numbered("<tr style=\"text-align: right;\"><th>#</th>", 1)
            + &"<td class=\"x\">2.5</td>".repeat(10)
            + "</tr>\n";
        let frame = |rows| {
            format!(
                "<div>\n<style scoped>td {{ color: red; }}</style>\n<table border=\"1\" class=\"dataframe\">\n<tbody>{}</tbody></table>\n</div>",
                row.repeat(rows)
            )
        };
        assert!(fits(&frame(20_000)));
        let mut budget = SanitizeBudget::default();
        assert!((0..300).all(|_| budget.spend(&frame(60))), "300 frames as pandas shows them");
        assert!(fits(&format!(
            "<html lang=\"en\"><head></head><body class=\"x\"><!-- y -->{}</body></html>",
            "<p>a <b>b</b> <a href='x'>c</a></p>".repeat(100)
        )));
        assert!(fits(&format!("<img src=\"data:image/png;base64,{}\">", "A".repeat(4_000_000))));
        assert!(!(0..2_000).all(|_| budget.spend(&frame(60))), "there is an end");
    }

    #[test]
    fn a_small_bomb_is_too_much() {
        for bomb in [
            numbered("<p><b a=#></p>", 20_000),
            numbered("<p><b a=#>", 1_000),
            numbered("<p><b a=#><table></b></table></p>", 20_000),
            numbered("<div>", 20_000),
            numbered("<div><table></div></table>", 20_000),
            format!("<table>{}", "x<i></i>".repeat(20_000)),
            format!("<table>{}", "<td>x</td ><td>x</TD>".repeat(20_000)),
            "<tr><td>x</td><p></tr>".repeat(20_000),
            "<tr></ tr>".repeat(20_000),
            "<td-x>x</td>".repeat(20_000),
            "<tr-x></tr>".repeat(20_000),
            numbered("<p><b/a=#></p>", 1_000),
            format!("<table>{}", "</p>".repeat(20_000)),
            format!("<html {}></html>{}", numbered(" a#=\"\"", 3_000), "<html a=\"\"></html>".repeat(8_000)),
            "<tr></tr></tr><div>".repeat(20_000),
            format!("<x a=\"><td></td>{}\">", "<td></td>".repeat(20_000)),
            format!("<div {}></div>", numbered(" a#", 20_000)),
            format!("<div {}>", numbered(" a#=\"<td>\"", 20_000)),
            format!("<div {}>", numbered(&format!(" {}#", "a".repeat(500)), 12_000)),
            format!("<html {}></html>{}", numbered(" a#", 6_000), "<html></html>".repeat(20_000)),
            numbered("<div><body a#></body></div>", 20_000),
            "&".repeat(1_000_000),
            format!("<textarea><x a=\"</textarea>{}\">", numbered("<b a=#>", 20_000)),
            "<td></td>".repeat(300_000),
        ] {
            assert!(!fits(&bomb), "{}", &bomb[..40]);
        }
    }

    /// Were what is looked at behind each `<` not bounded, this would take days.
    #[test]
    fn finding_out_that_it_is_too_much_work_is_little_work() {
        for end in ["", "<b>"] {
            assert!(!fits(&format!("</div>{}{end}", "<".repeat(16_000_000))));
        }
        assert!(fits(&format!("</div>{}{}", "<b".repeat(600), "b".repeat(16_000_000))));
    }
}
