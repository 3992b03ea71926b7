//! A list that compares the places of two items in O(1), and inserts and removes items anywhere.
//!
//! Items carry labels; where the labels leave no room, some of the following ones are spread out, which is O(log n)
//! an insert, amortised. The algorithm is that of P. Dietz and D. Sleator, "Two algorithms for maintaining order in a
//! list", STOC 1987, section 2.

use super::work;

/// The list's head, which stands before the first item and behind the last.
const HEAD: usize = 0;
/// Distance of labels where there is enough room, so that items inserted one after the other do not halve the rest each time.
const STEP: u64 = 1 << 32;

/// An ordered list of small numbers.
#[derive(Clone, Debug)]
pub(super) struct OrderList {
    /// Item `i` is entry `i + 1`. Labels count from the head's, around the end of the number range if need be.
    label: Vec<u64>,
    next: Vec<usize>,
    previous: Vec<usize>,
}

impl Default for OrderList {
    fn default() -> Self {
        Self { label: vec![0], next: vec![HEAD], previous: vec![HEAD] }
    }
}

impl OrderList {
    /// Returns the item's rank, which is comparable with those of other items until the next insert.
    pub(super) fn rank(&self, item: usize) -> u64 {
        self.distance(HEAD, item + 1)
    }

    /// Returns the item before this one.
    pub(super) fn before(&self, item: usize) -> Option<usize> {
        self.previous[item + 1].checked_sub(1)
    }

    /// Inserts an item directly after another one, or first.
    pub(super) fn insert_after(&mut self, before: Option<usize>, item: usize) {
        let entry = item + 1;
        if entry >= self.label.len() {
            self.label.resize(entry + 1, 0);
            self.next.resize(entry + 1, entry);
            self.previous.resize(entry + 1, entry);
        }
        let before = before.map_or(HEAD, |item| item + 1);
        self.make_room(before);
        let after = self.next[before];
        let room = self.distance(before, after);
        self.label[entry] = self.label[before].wrapping_add((room / 2).min(STEP));
        self.link(before, entry);
        self.link(entry, after);
    }

    /// Removes an item.
    pub(super) fn remove(&mut self, item: usize) {
        let (before, after) = (self.previous[item + 1], self.next[item + 1]);
        self.link(before, after);
    }

    /// Spreads out as many of the entries after `first` as necessary to make room there.
    fn make_room(&mut self, first: usize) {
        let mut count: u64 = 1;
        let mut end = self.next[first];
        while self.distance(first, end) <= count * count && end != first {
            end = self.next[end];
            count += 1;
            work::step();
        }
        let step = self.distance(first, end) / count;
        let mut entry = first;
        for _ in 1..count {
            let label = self.label[entry].wrapping_add(step);
            entry = self.next[entry];
            self.label[entry] = label;
        }
    }

    /// Returns the distance of the entry `to` after `from`; the whole range when they are the same.
    fn distance(&self, from: usize, to: usize) -> u64 {
        match self.label[to].wrapping_sub(self.label[from]) {
            0 => u64::MAX,
            distance => distance,
        }
    }

    fn link(&mut self, before: usize, after: usize) {
        self.next[before] = after;
        self.previous[after] = before;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Random inserts and removals, and many at one place: ranks always sort as the list does.
        #[test]
        fn ranks_sort_as_the_list_does(edits in prop::collection::vec((0..4_u8, any::<prop::sample::Index>()), 1..400)) {
            let (mut list, mut model) = (OrderList::default(), Vec::new());
            for (new, (what, place)) in edits.into_iter().enumerate() {
                let index = place.index(model.len() + 1);
                match what {
                    0 if index < model.len() => list.remove(model.remove(index)),
                    1 => {
                        list.insert_after(None, new);
                        model.insert(0, new);
                    }
                    2 => {
                        list.insert_after(model.last().copied(), new);
                        model.push(new);
                    }
                    _ => {
                        list.insert_after(index.checked_sub(1).map(|i| model[i]), new);
                        model.insert(index, new);
                    }
                }
                prop_assert!(model.is_sorted_by(|&a, &b| list.rank(a) < list.rank(b)));
                for pair in model.windows(2) {
                    prop_assert_eq!(list.before(pair[1]), Some(pair[0]));
                }
            }
        }
    }

    #[test]
    fn inserts_at_one_place_cost_little() {
        for at_front in [true, false] {
            let mut list = OrderList::default();
            let start = work::steps();
            list.insert_after(None, 0);
            list.insert_after(Some(0), 1);
            for item in 2..20_000 {
                list.insert_after(Some(if at_front { 0 } else { item - 1 }), item);
            }
            let steps = work::steps() - start;
            assert!(steps < 20_000 * 15, "{steps} steps");
        }
    }
}
