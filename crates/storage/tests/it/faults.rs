//! Ways of being wrong.

use std::sync::Arc;

use quire_domain::{Cell, CellId, Extra, Json, Notebook, NotebookId, OrderKey, Output, Results, Timestamp};

/// A mistake of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    LosesConnection,
    FoldsCase,
    DropsNul,
    CutsLongCode,
    NormalisesNumbers,
    LosesExtra,
    LosesRuns,
    IsAlwaysReactive,
    LosesMicroseconds,
    TrimsPrintedText,
    ForgetsOnReopening,
    DeletesWhatIsMissing,
    OverwritesOnCreate,
    ChecksThenCreates,
    KeepsResultsOfDeletedNotebooks,
    MixesUpEqualCellIds,
    IgnoresMoves,
    OrdersById,
    IgnoresShiftedCells,
    StoresTheLastChangeOnly,
    IgnoresBase,
    IgnoresLives,
    DeletesBlindly,
    RefusesRepetition,
    KeepsVersions,
    CountsResultsAsEdits,
    WritesResultsWithEdits,
    TellsNoPreviousVersion,
    LosesResultsInGroups,
    DropsResultsOnEdit,
    KeepsResultsOfDeletedCells,
    ListsById,
    ListsEverybody,
    ListsNobodyWithoutOwner,
    ListsStaleNames,
    RepeatsAtPageBorders,
    ForgetsCursors,
    SearchesAsStored,
    SearchesEverybody,
    CutsSearches,
    ChecksThenCommits,
    CommitsInTwoSteps,
    StopsHalfWayWhenDropped,
    LocksOutOthers,
    SaysItIsIll,
    KeepsCellsOnReplace,
    ReplacesBlindly,
    KeepsOldDigests,
    KeepsOldVersions,
    CountsEverybodysUsage,
    ForgetsOwners,
    SharesRecords,
    ForgetsRecordsOfDeletions,
    DropsRecordsOfDeletedNotebooks,
    StoresRecordsFirst,
    AppliesRepetitions,
    ChecksRecordsFirst,
    RefusesOwnRecords,
    KeepsRecordsForEver,
    DeletesTheNewestRecords,
}

impl Fault {
    /// Each fault with the behaviour that it contradicts.
    pub(crate) const ALL: &'static [(Self, &'static str)] = &[
        (Self::LosesConnection, "everything_in_a_notebook_is_kept"),
        (Self::FoldsCase, "odd_ids_are_kept_apart"),
        (Self::DropsNul, "odd_text_is_kept"),
        (Self::CutsLongCode, "values_at_the_limits_are_kept"),
        (Self::NormalisesNumbers, "output_data_is_kept_as_text"),
        (Self::LosesExtra, "unknown_fields_are_kept"),
        (Self::LosesRuns, "everything_in_a_notebook_is_kept"),
        (Self::IsAlwaysReactive, "every_kind_of_edit_is_stored"),
        (Self::LosesMicroseconds, "times_are_kept"),
        (Self::TrimsPrintedText, "random_notebooks_are_kept"),
        (Self::ForgetsOnReopening, "what_was_acknowledged_survives_reopening"),
        (Self::DeletesWhatIsMissing, "missing_notebooks_are_reported"),
        (Self::OverwritesOnCreate, "an_existing_notebook_is_not_created_again"),
        (Self::ChecksThenCreates, "of_concurrent_creations_one_succeeds"),
        (Self::KeepsResultsOfDeletedNotebooks, "deleting_leaves_nothing"),
        (Self::MixesUpEqualCellIds, "cells_belong_to_their_notebook"),
        (Self::IgnoresMoves, "every_kind_of_edit_is_stored"),
        (Self::OrdersById, "cells_stay_in_order"),
        (Self::IgnoresShiftedCells, "cells_with_equal_keys_can_be_told_apart"),
        (Self::StoresTheLastChangeOnly, "a_group_is_stored_as_a_whole"),
        (Self::IgnoresBase, "a_stale_base_is_refused"),
        (Self::IgnoresLives, "a_notebook_made_again_is_another_one"),
        (Self::DeletesBlindly, "deleting_compares_the_base"),
        (Self::RefusesRepetition, "a_repeated_commit_changes_nothing"),
        (Self::KeepsVersions, "versions_rise_with_every_commit"),
        (Self::CountsResultsAsEdits, "results_are_stored_without_a_revision"),
        (Self::WritesResultsWithEdits, "results_and_edits_on_one_base_both_succeed"),
        (Self::TellsNoPreviousVersion, "results_and_edits_on_one_base_both_succeed"),
        (Self::LosesResultsInGroups, "results_and_edits_in_one_group_are_stored"),
        (Self::DropsResultsOnEdit, "edits_keep_results"),
        (Self::KeepsResultsOfDeletedCells, "a_deleted_cell_takes_its_results_along"),
        (Self::ListsById, "lists_are_ordered_and_complete"),
        (Self::ListsEverybody, "lists_show_the_owners_notebooks_only"),
        (Self::ListsNobodyWithoutOwner, "a_list_without_an_owner_holds_everybodys"),
        (Self::ListsStaleNames, "lists_show_the_last_edit"),
        (Self::RepeatsAtPageBorders, "pages_make_up_the_list"),
        (Self::ForgetsCursors, "a_cursor_outlives_its_notebook"),
        (Self::SearchesAsStored, "a_search_finds_names_and_code"),
        (Self::SearchesEverybody, "a_search_finds_the_owners_notebooks_only"),
        (Self::CutsSearches, "a_search_comes_in_pages"),
        (Self::ChecksThenCommits, "of_two_commits_on_one_base_one_succeeds"),
        (Self::ChecksThenCommits, "many_writers_lose_nothing"),
        (Self::CommitsInTwoSteps, "a_load_never_shows_half_a_group"),
        (Self::StopsHalfWayWhenDropped, "a_dropped_call_is_done_wholly_or_not_at_all"),
        (Self::LocksOutOthers, "notebooks_do_not_disturb_each_other"),
        (Self::SaysItIsIll, "a_healthy_store_says_so"),
        (Self::KeepsCellsOnReplace, "a_notebook_is_replaced_as_a_whole"),
        (Self::ReplacesBlindly, "replacing_compares_the_revision"),
        (Self::KeepsOldDigests, "digests_tell_what_is_stored"),
        (Self::KeepsOldVersions, "versions_tell_what_is_stored"),
        (Self::ForgetsOwners, "the_owner_of_a_notebook_is_told"),
        (Self::CountsEverybodysUsage, "usage_tells_what_an_owner_keeps"),
        (Self::SharesRecords, "a_record_is_stored_with_its_change"),
        (Self::ForgetsRecordsOfDeletions, "a_record_is_stored_with_its_change"),
        (Self::DropsRecordsOfDeletedNotebooks, "later_changes_leave_records"),
        (Self::StoresRecordsFirst, "a_refused_change_leaves_no_record"),
        (Self::AppliesRepetitions, "a_recorded_request_is_refused_as_a_whole"),
        (Self::ChecksRecordsFirst, "of_concurrent_requests_with_one_key_one_has_its_effect"),
        (Self::RefusesOwnRecords, "a_repeated_commit_keeps_its_record"),
        (Self::KeepsRecordsForEver, "a_record_expires"),
        (Self::DeletesTheNewestRecords, "records_are_bounded"),
    ];

    /// Returns the id under which a notebook is stored.
    pub(crate) fn key(self, id: &NotebookId) -> NotebookId {
        match self {
            Self::FoldsCase => NotebookId::new(id.as_str().to_lowercase()).unwrap(),
            _ => id.clone(),
        }
    }

    /// Damages a notebook on its way into the store.
    pub(crate) fn spoil(self, mut notebook: Notebook) -> Notebook {
        match self {
            Self::LosesConnection => notebook.connection = None,
            Self::LosesExtra => notebook.extra = Extra::default(),
            Self::IsAlwaysReactive => notebook.reactive = true,
            Self::LosesMicroseconds => {
                let millis = notebook.created_at.timestamp_millis();
                notebook.created_at = Timestamp::from_timestamp_millis(millis).unwrap();
            }
            _ => {}
        }
        notebook.cells = notebook.cells.iter().map(|cell| self.spoil_cell(Cell::clone(cell))).collect();
        notebook
    }

    fn spoil_cell(self, mut cell: Cell) -> Cell {
        match self {
            Self::DropsNul => cell.code = cell.code.replace('\0', "").into(),
            Self::CutsLongCode => cell.code = cell.code.get(..65_535).unwrap_or(&cell.code).into(),
            Self::OrdersById => cell.order = OrderKey::at(0),
            Self::NormalisesNumbers => {
                let outputs = cell.results.outputs.iter().map(|output| Output {
                    data: Json::parse(&output.data.as_str().replace("1e2", "100")).unwrap(),
                    ..output.clone()
                });
                cell.results = Arc::new(Results { outputs: outputs.collect(), ..(*cell.results).clone() });
            }
            Self::TrimsPrintedText => {
                let stdout = cell.results.stdout.trim().to_owned();
                cell.results = Arc::new(Results { stdout, ..(*cell.results).clone() });
            }
            Self::LosesRuns => {
                let results = Results::clone(&cell.results);
                cell.results = Arc::new(Results { run_digest: None, started_at: None, finished_at: None, ..results });
            }
            _ => {}
        }
        cell
    }

    /// Returns the key under which a cell's results are stored.
    pub(crate) fn results_key(self, notebook: &NotebookId, cell: &CellId) -> (NotebookId, CellId) {
        let notebook =
            if self == Self::MixesUpEqualCellIds { NotebookId::new("any").unwrap() } else { notebook.clone() };
        (notebook, cell.clone())
    }
}
