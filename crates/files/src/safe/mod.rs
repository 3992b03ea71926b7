//! Sanitising of outputs from untrusted sources, so that nothing in them can run in a page that shows the notebook.
//!
//! The invariant: an output that came in a file is one of those that clients are shown only if its MIME type is one of
//! [`SHOWN`], spelled exactly so, and its data have the form that is safe for that type:
//!
//! - HTML, which existing clients put into the page as it is, is what the sanitiser made of it;
//! - a picture is base 64 and nothing else, so that it cannot break out of an attribute;
//! - a chart is an object, and none for Vega-Lite brings options for the program that draws it, some of which are HTML. Plotly
//!   sanitises its texts itself;
//! - JSON and plain text are anything, since clients show them as text.
//!
//! Outputs of any other type (SVG, scripts, Markdown, types with parameters) are preserved for an export and shown to no client.

mod sanitize_budget;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use quire_domain::Json;
use quire_domain::mime::SHOWN;
use serde_json::value::RawValue;

use self::sanitize_budget::SanitizeBudget;
use crate::fields::{self, Fields};

/// A sanitiser of the outputs of one notebook, with counts for the notices.
#[derive(Debug, Default)]
pub(crate) struct Sanitiser {
    budget: SanitizeBudget,
    trusts: bool,
    /// Number of outputs that were changed.
    pub(crate) changed: usize,
    /// Number of outputs that are not shown, because they could not be made safe.
    left_out: usize,
    /// Number of outputs that are not shown, because none of their types is.
    unknown: usize,
}

impl Sanitiser {
    /// Makes a sanitiser that changes nothing, for reading outputs that will not be shown.
    pub(crate) fn trusting() -> Self {
        Self { trusts: true, ..Self::default() }
    }

    /// Returns the safe part of an output's data; `None` when nothing is safe.
    pub(crate) fn data<'a>(&mut self, mime_type: &str, json: &'a Json) -> Option<Cow<'a, Json>> {
        if self.trusts { Some(Cow::Borrowed(json)) } else { data(mime_type, json, &mut self.budget) }
    }

    /// Counts an output that is not shown, of these MIME types.
    pub(crate) fn not_shown<'a>(&mut self, mime_types: impl IntoIterator<Item = &'a str>) {
        let mut mime_types = mime_types.into_iter().peekable();
        if mime_types.peek().is_none() {
            return; // there was nothing to show
        }
        let count = if mime_types.any(|name| SHOWN.contains(&name)) { &mut self.left_out } else { &mut self.unknown };
        *count += 1;
    }

    /// Returns notices about the counts for people, in clauses.
    pub(crate) fn notices(&self) -> impl Iterator<Item = String> {
        let notice = |count: usize, what: &str| {
            let outputs = if count == 1 { "1 output".to_owned() } else { format!("{count} outputs") };
            (count > 0).then(|| format!("{outputs} {what}"))
        };
        let notices = [
            notice(self.changed, "lost what could have run in a page"),
            notice(self.left_out, "could not be made safe to show and had to be left out"),
            notice(self.unknown, "had no type that is shown, and will be in an export only"),
        ];
        notices.into_iter().flatten()
    }
}

fn data<'a>(mime_type: &str, data: &'a Json, budget: &mut SanitizeBudget) -> Option<Cow<'a, Json>> {
    if !SHOWN.contains(&mime_type) {
        return None;
    }
    match mime_type {
        "text/html" => html(data, budget).map(Cow::Owned),
        "application/vnd.plotly.v1+json" => data.is_object().then_some(Cow::Borrowed(data)),
        _ if mime_type.starts_with("image/") => is_base64(data.as_str()).then_some(Cow::Borrowed(data)),
        _ if mime_type.starts_with("application/vnd.vegalite") => without_options(data),
        _ => Some(Cow::Borrowed(data)),
    }
}

/// Returns whether the sanitised data would show nothing: HTML without characters, pictures and rules.
pub(crate) fn is_blank(mime_type: &str, data: &Json) -> bool {
    if mime_type != "text/html" {
        return false;
    }
    let Ok(html) = serde_json::from_str::<String>(data.as_str()) else { return false };
    let is_seen = |c: char| !c.is_whitespace() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    // The sanitiser closes every tag, and puts every value of an attribute between quotes.
    let mut rest = &*html;
    while let Some((text, tag)) = rest.split_once('<') {
        if text.replace("&nbsp;", "").contains(is_seen) {
            return false;
        }
        let mut quoted = false;
        let end = tag.find(|c: char| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let (tag, behind) = tag.split_at(end.unwrap_or(tag.len()));
        if tag.starts_with("hr") || (tag.starts_with("img ") && (tag.contains(" src=") || tag.contains(" alt="))) {
            return false;
        }
        rest = behind.strip_prefix('>').unwrap_or(behind);
    }
    !rest.replace("&nbsp;", "").contains(is_seen)
}

/// Sanitises the HTML in a string, or in a list of strings, which a page would join; `None` when the budget does not suffice.
fn html(data: &Json, budget: &mut SanitizeBudget) -> Option<Json> {
    let value: &RawValue = serde_json::from_str(data.as_str()).ok()?;
    let text = if let Some((text, _)) = fields::lenient_text(value) {
        text
    } else {
        let lines = fields::array(data.as_str()).ok()?;
        let lines: Option<Vec<_>> = lines.into_iter().map(|line| Some(fields::lenient_text(line)?.0)).collect();
        lines?.concat().into()
    };
    let clean = budget.spend(&text).then(|| CLEANER.clean(&text).to_string())?;
    Json::parse(&serde_json::to_string(&clean).ok()?).ok()
}

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::default();
    builder
        // Pictures that are in the text itself; the filter below lets no others through, and nothing else begin with `data:`.
        .add_url_schemes(&["data"])
        .url_relative(UrlRelative::Deny)
        // What data frames have.
        .add_tag_attributes("table", &["border"])
        .allowed_classes(HashMap::from([("table", HashSet::from(["dataframe"]))]))
        .add_generic_attributes(&["style"])
        .filter_style_properties(HashSet::from(["text-align"]))
        .attribute_filter(|element, attribute, value| {
            // Browsers skip blanks and control characters before an address, and some of them anywhere.
            let seen = value.chars().filter(|c| *c > ' ').take(40);
            let start = seen.collect::<String>().to_ascii_lowercase();
            let is_data = start.starts_with("data");
            let is_picture = ["png", "jpeg", "gif", "webp"].iter().any(|kind| {
                start
                    .strip_prefix("data:image/")
                    .and_then(|rest| rest.strip_prefix(kind))
                    .is_some_and(|rest| rest.starts_with(";base64,"))
            });
            let stays = match attribute {
                // From elsewhere, a picture would tell its author who opens the notebook, and when.
                "src" => element == "img" && is_picture,
                "href" | "cite" => !is_data,
                _ => true,
            };
            stays.then_some(Cow::Borrowed(value))
        });
    builder
});

/// Returns whether a JSON text is a string of base 64, with or without line breaks.
fn is_base64(json: &str) -> bool {
    let Some(text) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    text.replace("\\n", "").bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// Removes the options for the drawing program from a chart; `None` when the chart is no object: a string would be the address
/// of a chart, which has options of its own.
fn without_options(data: &Json) -> Option<Cow<'_, Json>> {
    let mut found = Fields::new();
    fields::object(data.as_str(), &mut found).ok()?;
    if !found.iter().any(|(name, _)| name == "usermeta") {
        return Some(Cow::Borrowed(data));
    }
    let without = |text: &RawValue, name: &str| -> Option<String> {
        let mut found = Fields::new();
        fields::object(text.get(), &mut found).ok()?;
        let kept = found.iter().filter(|(key, _)| key != name);
        Some(fields::write_object(kept.map(|(key, value)| (&**key, value.get()))))
    };
    let cleaned: Vec<(&str, String)> = found
        .iter()
        .filter_map(|(name, value)| match &**name {
            "usermeta" => Some(("usermeta", without(value, "embedOptions")?)),
            other => Some((other, value.get().to_owned())),
        })
        .collect();
    let text = fields::write_object(cleaned.iter().map(|(name, value)| (*name, &**value)));
    Json::parse(&text).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
