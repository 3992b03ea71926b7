//! The search that a new edge against the list's order needs: see [`super::components`].

use std::collections::HashSet;

use super::bindings::Binding;
use super::components::{ComponentId, Components};
use super::index::Index;
use super::work;

/// Result of a search; lists are in the order of the components' list.
#[derive(Debug)]
pub(super) enum SearchResult {
    /// No cycle; these, the parent among them, can move before the child.
    Ancestors(Vec<ComponentId>),
    /// No cycle; these, the child among them, can move behind the parent.
    Descendants(Vec<ComponentId>),
    /// The edge closes a cycle.
    Cycle {
        /// The components that become one, parent and child among them.
        component: Vec<ComponentId>,
        /// The components that depend on it and stand before the parent.
        beyond: Vec<ComponentId>,
    },
}

/// A search for a way from `child` to `parent`, where `child` stands before `parent` in the list.
///
/// Only edges that agree with the list count, so that new edges can be taken in one after the other.
pub(super) struct Search<'a> {
    index: &'a Index,
    components: &'a Components,
    parent: ComponentId,
    child: ComponentId,
}

/// One of the two ends from which the search goes on, depth first.
struct Side<'a> {
    seen: HashSet<ComponentId>,
    /// The neighbours of each component on the way that have not been visited yet.
    path: Vec<Box<dyn Iterator<Item = ComponentId> + 'a>>,
}

/// Result of one step of a side.
#[derive(PartialEq)]
enum Step {
    More,
    MetOtherEnd,
    Exhausted,
}

impl<'a> Search<'a> {
    pub(super) fn new(index: &'a Index, components: &'a Components, parent: ComponentId, child: ComponentId) -> Self {
        Self { index, components, parent, child }
    }

    /// Visits as many edges from one end as from the other until one side is exhausted or meets the other end; all
    /// descendants within the bounds, once there is a cycle.
    pub(super) fn run(&self) -> SearchResult {
        let mut up = Side::new(self.parent, self.parents(self.parent));
        let mut down = Side::new(self.child, self.children(self.child));
        loop {
            match up.step(self.child, |next| self.parents(next)) {
                Step::Exhausted => return SearchResult::Ancestors(self.sorted(up.seen)),
                Step::MetOtherEnd => break,
                Step::More => {}
            }
            match down.step(self.parent, |next| self.children(next)) {
                Step::Exhausted => return SearchResult::Descendants(self.sorted(down.seen)),
                Step::MetOtherEnd => break,
                Step::More => {}
            }
        }
        while down.step(self.parent, |next| self.children(next)) != Step::Exhausted {}
        self.cycle(&down.seen)
    }

    /// Finds the cycle: those of the child's descendants that the parent depends on.
    fn cycle(&self, descendants: &HashSet<ComponentId>) -> SearchResult {
        let mut component = HashSet::from([self.parent]);
        let mut path = vec![self.parent];
        while let Some(next) = path.pop() {
            let parents = self.parents(next).filter(|parent| descendants.contains(parent));
            path.extend(parents.filter(|&parent| component.insert(parent)));
        }
        let beyond = descendants.difference(&component).copied().collect();
        SearchResult::Cycle { beyond: self.sorted(beyond), component: self.sorted(component) }
    }

    /// Iterates over the components that this one depends on, down to the child.
    fn parents(&self, component: ComponentId) -> Box<dyn Iterator<Item = ComponentId> + 'a> {
        let (index, components) = (self.index, self.components);
        let bounds = components.rank(self.child)..components.rank(component);
        let edges = components.members(component).flat_map(|slot| index.parents(slot));
        let parents = edges.filter(Binding::is_hard).map(|edge| components.of(edge.cell));
        Box::new(parents.filter(move |&parent| bounds.contains(&components.rank(parent))))
    }

    /// Iterates over the components that depend on this one, up to the parent.
    fn children(&self, component: ComponentId) -> Box<dyn Iterator<Item = ComponentId> + 'a> {
        let (index, components) = (self.index, self.components);
        let bounds = components.rank(component) + 1..=components.rank(self.parent);
        let edges = components.members(component).flat_map(|slot| index.children(slot));
        let children = edges.filter(Binding::is_hard).map(|edge| components.of(edge.cell));
        Box::new(children.filter(move |&child| bounds.contains(&components.rank(child))))
    }

    fn sorted(&self, components: HashSet<ComponentId>) -> Vec<ComponentId> {
        let mut components: Vec<_> = components.into_iter().collect();
        components.sort_unstable_by_key(|&component| self.components.rank(component));
        components
    }
}

impl<'a> Side<'a> {
    fn new(end: ComponentId, neighbours: Box<dyn Iterator<Item = ComponentId> + 'a>) -> Self {
        Self { seen: HashSet::from([end]), path: vec![neighbours] }
    }

    /// Visits one edge.
    fn step(
        &mut self,
        other_end: ComponentId,
        neighbours: impl Fn(ComponentId) -> Box<dyn Iterator<Item = ComponentId> + 'a>,
    ) -> Step {
        work::step();
        let Some(last) = self.path.last_mut() else {
            return Step::Exhausted;
        };
        match last.next() {
            None => {
                self.path.pop();
            }
            Some(next) if next == other_end => return Step::MetOtherEnd,
            Some(next) => {
                if self.seen.insert(next) {
                    self.path.push(neighbours(next));
                }
            }
        }
        if self.path.is_empty() { Step::Exhausted } else { Step::More }
    }
}
