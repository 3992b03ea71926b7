//! Order keys: a cell's place as a text between its neighbours' texts, so that an insert or a move writes one cell.
//!
//! A key is a sequence of integers, compared component by component, a prefix before what extends it. Each integer is
//! written so that comparing bytes compares numbers: a head that gives sign and number of digits (`a` one digit, `b` two,
//! …; `Z` one digit of a negative number, `Y` two, …), then digits in base 62. Counting up or down at one place
//! therefore grows a key with the logarithm of the count. The head letters are those of the widely used
//! "fractional indexing" scheme (David Greenspan, "Implementing Fractional Indexing", 2020); components in place of its
//! fraction keep runs of inserts at one place short too.

use std::fmt;

/// Base-62 digits in byte order, the order of `COLLATE "C"`.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The heads of numbers with one digit, two digits, …
const HEADS: &[u8; MAX_DIGITS as usize] = b"abcdefghi";
/// The heads of negative numbers.
const NEGATIVE_HEADS: &[u8; MAX_DIGITS as usize] = b"ZYXWVUTSR";
/// Maximum digits of a number: enough for any number of inserts.
const MAX_DIGITS: u32 = 9;

/// A text that is no order key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an order key")]
pub struct InvalidOrderKey(pub String);

/// A cell's place among its notebook's cells. Cells with equal keys are ordered by their ids.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(Box<str>);

impl OrderKey {
    /// Returns the key of the cell at `index` in a fresh sequence of cells.
    #[must_use]
    pub fn at(index: usize) -> Self {
        Self::from_parts(&[i64::try_from(index).unwrap_or(i64::MAX)])
    }

    /// Reads a stored key.
    ///
    /// # Errors
    /// When this module cannot have made the text.
    pub fn parse(text: &str) -> Result<Self, InvalidOrderKey> {
        match decode(text) {
            Some(parts) if !parts.is_empty() => Ok(Self(text.into())),
            _ => Err(InvalidOrderKey(text.to_owned())),
        }
    }

    /// Returns a key after `low` and before `high`, where absent means no bound; `None` unless `low < high`.
    #[must_use]
    pub fn between(low: Option<&Self>, high: Option<&Self>) -> Option<Self> {
        Some(Self::from_parts(&match (low.map(Self::parts), high.map(Self::parts)) {
            (None, None) => vec![0],
            (Some(low), None) => after(&low),
            (None, Some(high)) => before(&high),
            (Some(low), Some(high)) => middle(&low, &high)?,
        }))
    }

    /// Returns the text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parts(&self) -> Vec<i64> {
        decode(&self.0).unwrap_or_default()
    }

    fn from_parts(parts: &[i64]) -> Self {
        let mut text = String::new();
        for &part in parts {
            encode(part, &mut text);
        }
        Self(text.into())
    }
}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn after(parts: &[i64]) -> Vec<i64> {
    vec![parts.first().map_or(0, |first| first + 1)]
}

fn before(parts: &[i64]) -> Vec<i64> {
    vec![parts.first().map_or(0, |first| first - 1)]
}

fn middle(low: &[i64], high: &[i64]) -> Option<Vec<i64>> {
    if low >= high {
        return None;
    }
    let common = low.iter().zip(high).take_while(|(a, b)| a == b).count();
    let mut key = high.get(..common)?.to_vec();
    match (low.get(common), high.get(common)) {
        (Some(&a), Some(&b)) if b - a >= 2 => key.push(a + 1),
        // No number between the two: go on below `low`, after all that extends it there.
        (Some(&a), Some(_)) => {
            key.push(a);
            key.extend(after(low.get(common + 1..)?));
        }
        // `low` is a prefix of `high`: stay above it, before what `high` adds.
        _ => key.extend(before(high.get(common..)?)),
    }
    Some(key)
}

fn encode(number: i64, text: &mut String) {
    // Negative numbers are written as their distance from the smallest of the same length, so that digits compare.
    let size = if number < 0 { number.unsigned_abs() - 1 } else { number.unsigned_abs() };
    let mut digits = 1;
    let mut start = 0_u64;
    while digits < MAX_DIGITS && size >= start + 62_u64.pow(digits) {
        start += 62_u64.pow(digits);
        digits += 1;
    }
    let offset = (size - start).min(62_u64.pow(digits) - 1);
    let (heads, value) = if number < 0 { (NEGATIVE_HEADS, 62_u64.pow(digits) - 1 - offset) } else { (HEADS, offset) };
    text.push(heads[digits as usize - 1] as char);
    for place in (0..digits).rev() {
        text.push(DIGITS[(value / 62_u64.pow(place) % 62) as usize] as char);
    }
}

fn decode(text: &str) -> Option<Vec<i64>> {
    let mut parts = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&head, tail)) = rest.split_first() {
        let (negative, digits) = match head {
            b'a'..=b'i' => (false, u32::from(head - b'a') + 1),
            b'R'..=b'Z' => (true, u32::from(b'Z' - head) + 1),
            _ => return None,
        };
        let (number, tail) = tail.split_at_checked(digits as usize)?;
        let mut value = 0_u64;
        for digit in number {
            value = value * 62 + DIGITS.iter().position(|d| d == digit)? as u64;
        }
        let start: u64 = (1..digits).map(|d| 62_u64.pow(d)).sum();
        parts.push(if negative {
            -1 - i64::try_from(start + (62_u64.pow(digits) - 1 - value)).ok()?
        } else {
            i64::try_from(start + value).ok()?
        });
        rest = tail;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_and_compare(a in -60_000_000_i64..60_000_000, b in -5_000_i64..5_000) {
            let text = |n| { let mut t = String::new(); encode(n, &mut t); t };
            prop_assert_eq!(decode(&text(a)), Some(vec![a]));
            prop_assert_eq!(text(a).cmp(&text(b)), a.cmp(&b));
        }

        /// Random inserts into a list: the keys always sort as the list does.
        #[test]
        fn keys_sort_as_the_cells_were_placed(places in prop::collection::vec(any::<prop::sample::Index>(), 1..200)) {
            let mut keys: Vec<OrderKey> = Vec::new();
            for place in places {
                let index = place.index(keys.len() + 1);
                let low = index.checked_sub(1).and_then(|i| keys.get(i));
                keys.insert(index, OrderKey::between(low, keys.get(index)).unwrap());
            }
            prop_assert!(keys.is_sorted_by(|a, b| a < b));
            for key in &keys {
                prop_assert_eq!(&OrderKey::parse(key.as_str()).unwrap(), key);
            }
        }

        #[test]
        fn nonsense_is_refused_not_trusted(text in "\\PC{0,12}") {
            if let Ok(key) = OrderKey::parse(&text) {
                prop_assert_eq!(OrderKey::from_parts(&key.parts()), key);
            }
        }
    }

    #[test]
    fn ten_thousand_inserts_at_one_place_stay_short() {
        let (low, high) = (OrderKey::at(4), OrderKey::at(5));
        let (mut up, mut down) = (low.clone(), high.clone());
        let (mut first, mut last) = (low.clone(), low.clone());
        for _ in 0..10_000 {
            up = OrderKey::between(Some(&up), Some(&high)).unwrap();
            down = OrderKey::between(Some(&low), Some(&down)).unwrap();
            first = OrderKey::between(None, Some(&first)).unwrap();
            last = OrderKey::between(Some(&last), None).unwrap();
        }
        for key in [up, down, first, last] {
            assert!(key.as_str().len() <= 8, "{key:?}");
        }
    }

    #[test]
    fn equal_or_reversed_bounds_have_nothing_between() {
        let (a, b) = (OrderKey::at(1), OrderKey::at(2));
        assert_eq!(OrderKey::between(Some(&a), Some(&a)), None);
        assert_eq!(OrderKey::between(Some(&b), Some(&a)), None);
    }
}
