//! Changes of a connection string whose passwords are masked.
//!
//! A mask that is sent back stands for the password behind it, which may be used only for the same server, and as safely as
//! before. So the whole string must be as it was shown, except the database and parameters that are known to affect neither the
//! place nor the safety of the connection. Only the two forms of PostgreSQL's own clients are supported: URLs, and names with
//! values between blanks.

use crate::ConnectionString;
use crate::mask::{self, MASK, MASK_CHAR};

/// The parameters that may change beside a mask. `options` and `target_session_attrs` are not among them: some providers choose the
/// server by them.
const CHANGEABLE: [&str; 11] = [
    "application_name",
    "client_encoding",
    "connect_timeout",
    "database",
    "dbname",
    "fallback_application_name",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "tcp_user_timeout",
];

/// The parts of a connection string that determine the place and the safety of the connection, in order.
type Fixed<'a> = Vec<&'a str>;

impl ConnectionString {
    /// Puts the passwords of `current` in the place of their masks. Returns `None` when this differs in a part that may not change
    /// from the text that the owner was shown for `current`, or when that cannot be determined.
    #[must_use]
    pub fn unmasked(&self, current: &Self) -> Option<Self> {
        let (entered, shown) = (self.expose(), current.shown());
        if fixed(entered)? != fixed(shown.as_str())? {
            return None;
        }
        let hidden = mask::hidden(current.expose());
        if [entered, shown.as_str()].iter().any(|text| text.matches(MASK).count() != hidden.len()) {
            return None;
        }
        let mut unmasked = String::new();
        let mut passwords = hidden.into_iter();
        for (index, piece) in entered.split(MASK).enumerate() {
            if index > 0 {
                unmasked.push_str(&current.expose()[passwords.next()?]);
            }
            unmasked.push_str(piece);
        }
        let unmasked = Self::new(&unmasked).ok()??;
        // Otherwise another part of the entered text would be the password.
        (unmasked.shown().as_str() == entered).then_some(unmasked)
    }
}

fn fixed(text: &str) -> Option<Fixed<'_>> {
    if text.contains("://") { fixed_of_url(text) } else { fixed_of_words(text) }
}

/// `postgres://user:password@host:port/database?name=value&…`.
fn fixed_of_url(text: &str) -> Option<Fixed<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    let is_postgres = ["postgres", "postgresql"].contains(&scheme.split('+').next()?);
    if !is_postgres || rest.contains('#') {
        return None;
    }
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    if !is_plain(database) {
        return None;
    }
    let mut fixed = vec![scheme, authority];
    for parameter in query.into_iter().flat_map(|query| query.split('&')) {
        add_fixed(&mut fixed, parameter)?;
    }
    Some(fixed)
}

/// `host=… dbname=… password=…`, without quotes.
fn fixed_of_words(text: &str) -> Option<Fixed<'_>> {
    if text.contains(['\'', '"', '\\', '{', ';']) {
        return None;
    }
    let mut fixed = Vec::new();
    for parameter in text.split_ascii_whitespace() {
        add_fixed(&mut fixed, parameter)?;
    }
    Some(fixed)
}

/// Adds a parameter unless it may change; `None` when that cannot be determined.
fn add_fixed<'a>(fixed: &mut Fixed<'a>, parameter: &'a str) -> Option<()> {
    let (name, value) = parameter.split_once('=')?;
    if !CHANGEABLE.contains(&name) {
        fixed.push(parameter);
    } else if !is_plain(value) {
        return None;
    }
    Some(())
}

/// Returns `true` if a value has one reading: it holds no separator of any form of connection strings, as it is or
/// percent-encoded.
fn is_plain(value: &str) -> bool {
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('%') {
        let code = after.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        // Beyond ASCII, a byte is part of a letter; a blank is the one separator that names are encoded for.
        if !code.is_some_and(|code| code == b' ' || code >= 0x80 || is_plain_char(char::from(code)))
            || !before.chars().all(is_plain_char)
        {
            return false;
        }
        rest = &after[2..];
    }
    rest.chars().all(is_plain_char)
}

fn is_plain_char(character: char) -> bool {
    character != MASK_CHAR && (character.is_alphanumeric() || "_-.$~+".contains(character))
}
