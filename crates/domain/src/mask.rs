//! The text of a connection string that its owner is shown: all of it except its passwords.
//!
//! Connection strings have many forms, and passwords in them are often not encoded as they should be. So every part that may be
//! a password in any form is hidden, rather too much than too little: the text after a password is shown only from a point on
//! that is certainly no part of it.

mod names;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use self::names::{PLAIN_NAMES, SCHEMES, SECRET_NAMES};
use crate::{ConnectionString, limits};

/// The mask shown in place of a password. It consists of a character that no keyboard has and that URLs hold only encoded, so
/// that a text with that character was shown before, not typed.
pub(crate) const MASK: &str = "\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}\u{2022}";
pub(crate) const MASK_CHAR: char = '\u{2022}';

/// The text shown in place of a string that cannot be opened, and its beginning.
const UNAVAILABLE: &str = "(unavailable: the server cannot open the stored connection string; enter it again)";
const UNAVAILABLE_PREFIX: &str = "(unavailable";

/// A connection string as its owner is shown it. `Debug` hides it all the same: hosts and users are private, and a password may
/// be in an unexpected place.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownConnection(Arc<str>);

impl ShownConnection {
    /// The text to show in place of a string that cannot be opened.
    #[must_use]
    pub fn unavailable() -> Self {
        Self(Arc::from(UNAVAILABLE))
    }

    /// The text to show.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShownConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownConnection(hidden)")
    }
}

impl ConnectionString {
    /// Returns the text to show to its owner: itself, with a mask in place of each password.
    #[must_use]
    pub fn shown(&self) -> ShownConnection {
        let shown = masked(self.expose());
        // The shown text is sent back when it was not changed, and must not be too long then.
        let fits = shown.chars().count() <= limits::CONNECTION_CHARS;
        ShownConnection(Arc::from(if fits { &shown } else { MASK }))
    }

    /// Returns `true` if this holds a mask, or a part of one, in place of a password, so that it cannot be used to connect.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        // One character is enough, because an edited mask may have no more left.
        self.expose().contains(MASK_CHAR) || self.expose().starts_with(UNAVAILABLE_PREFIX)
    }
}

fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for secret in hidden(text) {
        shown.push_str(&text[at..secret.start]);
        shown.push_str(MASK);
        at = secret.end;
    }
    shown.push_str(&text[at..]);
    shown
}

/// Returns the parts of a text that masks replace, in order.
pub(crate) fn hidden(text: &str) -> Vec<Range<usize>> {
    // Byte offsets stay the same.
    let lower = text.to_ascii_lowercase();
    let mut secrets: Vec<Range<usize>> = parameters(&lower);
    secrets.extend(userinfo(&lower));
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_unstable_by_key(|secret| secret.start);
    let mut hidden: Vec<Range<usize>> = Vec::new();
    for secret in secrets {
        match hidden.last_mut() {
            Some(last) if secret.start <= last.end => last.end = last.end.max(secret.end),
            _ => hidden.push(secret),
        }
    }
    hidden
}

/// Finds the password between a user and a host. It may hold the characters that should end it, unencoded, so it is assumed to
/// extend from the first colon to the last `@`, wherever they are.
fn userinfo(text: &str) -> Option<Range<usize>> {
    let Some(end) = text.rfind('@') else {
        return bad_port(text, authority(text)?.1).map(|begin| begin..text.len());
    };
    // Before another word, `://` may well be the beginning of a password.
    let authority = authority(text).filter(|(scheme, _)| SCHEMES.contains(scheme));
    let begin = authority.map_or(0, |(_, begin)| begin);
    let before = text.get(begin..end)?;
    let colon = colon(before).map(|colon| colon.end);
    // Oracle's `user/password@host`.
    let may_have_slash = authority.is_none_or(|(scheme, _)| scheme == "oracle");
    let slash =
        if may_have_slash && !is_parameter(text.trim_start()) { before.find('/').map(|slash| slash + 1) } else { None };
    let first = [colon, slash].into_iter().flatten().min()?;
    Some(begin + first..end)
}

/// Returns the scheme of a text that looks like a URL, without a driver, and the beginning of the authority.
fn authority(text: &str) -> Option<(&str, usize)> {
    let (scheme, _) = text.split_once("://")?;
    let name = scheme.trim_start();
    let name = name.strip_prefix("jdbc:").unwrap_or(name);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(is_name);
    is_scheme.then_some((name.split('+').next()?, scheme.len() + "://".len()))
}

/// Returns the beginning of a port that cannot be one. In a URL without `@`, the text after a colon should be a port; if it
/// cannot be one, the host is missing, and the text may be a password.
fn bad_port(text: &str, authority: usize) -> Option<usize> {
    let rest = &text[authority..];
    let hosts = &rest[..rest.find(['/', '?', '#', ';']).unwrap_or(rest.len())];
    let mut begin = authority;
    for host in hosts.split(',') {
        let address = if host.starts_with('[') { host.find(']').map_or(0, |end| end + 1) } else { 0 };
        if let Some(colon) = colon(&host[address..]) {
            let port = &host[address + colon.end..];
            if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return Some(begin + address + colon.end);
            }
        }
        begin += host.len() + 1;
    }
    None
}

/// Finds the first colon, encoded or not.
fn colon(text: &str) -> Option<Range<usize>> {
    let found = [":", "%3a"].map(|colon| text.find(colon).map(|at| at..at + colon.len()));
    found.into_iter().flatten().min_by_key(|colon| colon.start)
}

/// Finds the values of all parameters that are passwords: `name=value` in a query, between blanks or between semicolons, and
/// `name: value` with or without quotes, as in JSON. Names are read both as written and percent-decoded, because either may be
/// meant: in `%0api_key` the name may begin with `api`.
fn parameters(text: &str) -> Vec<Range<usize>> {
    // Found once, because a hostile text may hold very many passwords.
    let followers = plain_parameters(text);
    let written = text.bytes().zip(1..).unzip();
    let begins = [written, percent_decoded(text)].into_iter().flat_map(|(bytes, ends)| value_begins(&bytes, &ends));
    begins.map(|begin| value(text, begin, &followers)).collect()
}

/// Returns the beginnings of the values of passwords. `bytes` are those of the text, and `ends` the end of each in the text as
/// written.
fn value_begins(bytes: &[u8], ends: &[usize]) -> Vec<usize> {
    let is_password = |&(index, _): &(usize, &usize)| {
        matches!(bytes[index], b'=' | b':') && is_secret(bytes[..index].trim_ascii_end())
    };
    ends.iter().enumerate().filter(is_password).map(|(_, end)| *end).collect()
}

/// Decodes the percent-encoding of a text once. Returns its bytes in lower case, and the end of each in the text as written.
fn percent_decoded(text: &str) -> (Vec<u8>, Vec<usize>) {
    let written = text.as_bytes();
    let digit = |at: usize| written.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(&byte) = written.get(at) {
        let pair = digit(at + 1).zip(digit(at + 2)).filter(|_| byte == b'%');
        let pair = pair.and_then(|(high, low)| u8::try_from(16 * high + low).ok());
        at += if pair.is_some() { 3 } else { 1 };
        bytes.push(pair.unwrap_or(byte).to_ascii_lowercase());
        ends.push(at);
    }
    (bytes, ends)
}

/// Returns `true` if a text ends in the name of a password.
fn is_secret(text: &[u8]) -> bool {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'') || byte.is_ascii_whitespace();
    let is_separator = |byte: &u8| matches!(byte, b'_' | b'-' | b'.');
    let name = text.iter().rev().skip_while(|byte| is_quote(byte));
    let name = name.take_while(|byte| byte.is_ascii_alphanumeric() || is_separator(byte));
    let mut name: Vec<u8> = name.filter(|byte| !is_separator(byte)).copied().collect();
    name.reverse();
    let name = String::from_utf8_lossy(&name);
    // `key` alone may be the last word of "Access Key".
    name == "key" || name.ends_with("pw") || SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

/// Finds the extent of a password that begins here, or after blanks. It ends only where it certainly does: before another
/// parameter and, if it is in quotes, after them.
fn value(text: &str, begin: usize, followers: &[usize]) -> Range<usize> {
    let value = text[begin..].trim_start();
    let begin = text.len() - value.len();
    let quoted = match value.chars().next() {
        Some('{') => closing(value, '}'),
        Some(quote @ ('\'' | '"')) => closing(value, quote),
        _ => Some(0),
    };
    let next = |from| followers.get(followers.partition_point(|at| *at < from)).copied();
    begin..quoted.and_then(|quoted| next(begin + quoted)).unwrap_or(text.len())
}

/// Returns the length of a quoted value, quotes included; `None` when it does not end before a separator. Depending on the form,
/// quotes are escaped by a backslash or doubled; if either may be meant, the value is assumed to go on.
fn closing(value: &str, quote: char) -> Option<usize> {
    let mut characters = value.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        if character == '\\' || character == quote && next == Some(quote) {
            characters.next();
        } else if character == quote {
            return next.is_none_or(is_separator).then_some(index + 1);
        }
    }
    None
}

/// Returns the positions of separators before a parameter that is no password.
fn plain_parameters(text: &str) -> Vec<usize> {
    let separators = text.char_indices().filter(|(_, character)| is_separator(*character));
    let follows = |(at, separator): &(usize, char)| is_parameter(&text[at + separator.len_utf8()..]);
    separators.filter(follows).map(|(at, _)| at).collect()
}

/// Returns `true` if a text begins with a parameter that is no password.
fn is_parameter(text: &str) -> bool {
    PLAIN_NAMES.iter().any(|&name| text.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('=')))
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, '&' | ';')
}
