//! The budgets of heavy work: limits of running and waiting work of each kind, in all and for one user.

use std::ops::{Index, IndexMut};

use quire_domain::limits;

/// A kind of work with a lane of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Analysing a cell of up to 16 KiB.
    ShortAnalysis,
    /// Analysing a longer cell.
    LongAnalysis,
    /// Loading a notebook and analysing its cells when it becomes active.
    Opening,
    /// Loading an active notebook again because another server has changed it, and comparing the two states.
    Refresh,
    /// Building a dependency graph for readers.
    Graph,
    /// Writing a notebook as a file.
    Export,
    /// Importing a file as a notebook.
    Import,
    /// Copying a notebook.
    Duplicate,
    /// Listing and sorting a user's notebooks.
    List,
    /// Searching a user's notebooks.
    Search,
    /// Adding up the usage of a user.
    Usage,
    /// A store call that reads or writes much data: whole notebooks, lists, searches.
    SlowStoreCall,
    /// Any store call.
    StoreCall,
}

impl Kind {
    /// All kinds, in the order in which permits are acquired.
    pub const ALL: [Self; 13] = [
        Self::ShortAnalysis,
        Self::LongAnalysis,
        Self::Opening,
        Self::Refresh,
        Self::Graph,
        Self::Export,
        Self::Import,
        Self::Duplicate,
        Self::List,
        Self::Search,
        Self::Usage,
        Self::SlowStoreCall,
        Self::StoreCall,
    ];

    /// Returns the name of this kind in messages and documents, in the plural.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShortAnalysis => "analyses of short cells",
            Self::LongAnalysis => "analyses of long cells",
            Self::Opening => "openings of notebooks",
            Self::Refresh => "refreshes of notebooks",
            Self::Graph => "graphs",
            Self::Export => "exports",
            Self::Import => "imports",
            Self::Duplicate => "copies of notebooks",
            Self::List => "lists",
            Self::Search => "searches",
            Self::Usage => "counts of what is kept",
            Self::SlowStoreCall => "slow store calls",
            Self::StoreCall => "store calls",
        }
    }
}

impl Kind {
    /// Returns `true` if edits need such work.
    pub(super) const fn serves_edits(self) -> bool {
        matches!(self, Self::ShortAnalysis | Self::LongAnalysis | Self::SlowStoreCall | Self::StoreCall)
    }
}

/// The limits of one kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Maximum work that runs at once.
    pub at_once: usize,
    /// Maximum work that runs at once for one user.
    pub at_once_per_user: usize,
    /// Maximum work that waits; beyond it, further work is refused with [`ServiceError::Busy`](crate::ServiceError::Busy).
    pub waiting: usize,
    /// Maximum work that waits for one user; beyond it, further work is refused with
    /// [`ServiceError::TooMuchAtOnce`](crate::ServiceError::TooMuchAtOnce).
    pub waiting_per_user: usize,
    /// Maximum cost of one piece of work, in bytes; beyond it, the work is refused with
    /// [`ServiceError::TooCostly`](crate::ServiceError::TooCostly).
    pub max_cost: u64,
}

/// The budget of each [`Kind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets([Budget; Kind::ALL.len()]);

/// Maximum bytes of an exported file, which is in memory as a whole.
const MAX_EXPORT_BYTES: u64 = 256 * 1024 * 1024;
/// Store calls at once if the store sets no limit.
const STORE_CALLS: usize = 64;

impl Budgets {
    /// Creates the budgets for a machine with so many processors and a store that serves so many calls at once. A database
    /// serves one call on each connection.
    #[must_use]
    pub fn new(processors: usize, store_calls: usize) -> Self {
        let calls = store_calls.max(1);
        let part_of_calls = |numerator: usize, denominator: usize| (calls * numerator / denominator).max(1);
        // A quarter of all connections stay free for the short calls of edits, and for other users.
        let but_a_quarter = calls.saturating_sub(part_of_calls(1, 4)).max(1);
        let long = (processors / 4).max(1);
        let short = processors.saturating_sub(long).max(1);
        let heavy = processors.max(2);
        let source = limits::CELL_SOURCE_BYTES as u64;
        let any = u64::MAX;
        let of = |kind| match kind {
            Kind::ShortAnalysis => budget([short, short.div_ceil(2), 4_096, 256], source),
            Kind::LongAnalysis => budget([long, long.div_ceil(2), 1_024, 64], source),
            Kind::Opening | Kind::Refresh => budget([heavy, heavy / 2, 2_048, 128], any),
            Kind::Graph => budget([2, 1, 512, 32], any),
            Kind::Export => budget([2, 1, 256, 16], MAX_EXPORT_BYTES),
            // A waiting import has its file in memory.
            Kind::Import => budget([2, 1, 16, 4], limits::BODY_BYTES as u64),
            Kind::Duplicate => budget([2, 1, 256, 16], any),
            Kind::List | Kind::Search => budget([part_of_calls(1, 2), part_of_calls(1, 3).min(2), 1_024, 64], any),
            Kind::Usage => budget([part_of_calls(1, 3), 1, 4_096, 1_024], any),
            Kind::SlowStoreCall => budget([but_a_quarter, part_of_calls(1, 3), 4_096, 1_024], any),
            Kind::StoreCall => budget([calls, but_a_quarter, 8_192, 2_048], any),
        };
        Self(Kind::ALL.map(of))
    }
}

impl Budgets {
    /// Creates the budgets for this machine and a store that serves so many calls at once.
    #[must_use]
    pub fn for_store_calls(store_calls: usize) -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, usize::from), store_calls)
    }
}

const fn budget([at_once, at_once_per_user, waiting, waiting_per_user]: [usize; 4], max_cost: u64) -> Budget {
    Budget { at_once, at_once_per_user, waiting, waiting_per_user, max_cost }
}

impl Default for Budgets {
    /// Creates the budgets for this machine and a store that sets no limit.
    fn default() -> Self {
        Self::for_store_calls(STORE_CALLS)
    }
}

impl Index<Kind> for Budgets {
    type Output = Budget;

    fn index(&self, kind: Kind) -> &Budget {
        &self.0[kind as usize]
    }
}

impl IndexMut<Kind> for Budgets {
    fn index_mut(&mut self, kind: Kind) -> &mut Budget {
        &mut self.0[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_the_order_of_their_list() {
        for (place, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind:?}");
        }
    }

    #[test]
    fn any_machine_lets_each_user_do_each_kind_of_work() {
        for (processors, calls) in [(0, 0), (1, 1), (2, 10), (3, 30), (64, 64)] {
            let budgets = Budgets::new(processors, calls);
            for kind in Kind::ALL {
                let Budget { at_once, at_once_per_user, waiting, waiting_per_user, .. } = budgets[kind];
                assert!(at_once_per_user >= 1 && at_once_per_user <= at_once, "{kind:?}");
                assert!(waiting_per_user >= 1 && waiting_per_user < waiting, "{kind:?}");
            }
            let [slow, all] = [budgets[Kind::SlowStoreCall], budgets[Kind::StoreCall]];
            assert_eq!(slow.at_once_per_user, (calls / 3).max(1));
            assert!(calls < 2 || all.at_once_per_user < all.at_once, "{calls}");
        }
    }

    /// Tests the table in the documents, for two processors and the ten connections of a database by default.
    #[test]
    fn the_table_in_the_documents_is_true() {
        let budgets = Budgets::new(2, 10);
        let mut table = String::new();
        for kind in Kind::ALL {
            let Budget { at_once, at_once_per_user, waiting, waiting_per_user, max_cost } = budgets[kind];
            let max = if max_cost == u64::MAX { "—".to_owned() } else { format!("{} KiB", max_cost / 1024) };
            let name = kind.name();
            let numbers = [at_once, at_once_per_user, waiting, waiting_per_user].map(|number| number.to_string());
            table.extend(["| ", name, " | ", &numbers.join(" | "), " | ", &max, " |\n"]);
        }
        let documents = include_str!("../../../../docs/configuration.md");
        assert!(documents.contains(&table), "docs/configuration.md must hold\n{table}");
    }
}
