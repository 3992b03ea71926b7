//! Idempotency records.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::{Edit, Notebook, NotebookId, Timestamp, UserId};

use super::check::{Editor, exists, is_mismatch, is_not_found, is_stored, load, new_commit, refused, same, time};
use super::samples::{empty, printed, results, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{
    Commit, Delete, IdempotencyKey, IdempotencyRecord, ListFilter, NotebookStore, NotebookStoreExt as _, PageRequest,
    RecordLookup, RequestDigest, StoreError,
};

/// Makes ann's record of this number and time.
fn record(number: u16, at: Timestamp) -> Result<IdempotencyRecord, Failure> {
    let [high, low] = number.to_be_bytes();
    let mut key = [7; 32];
    (key[0], key[31]) = (high, low);
    let outcome = Arc::from(format!(r#"{{"revision":{number},"text":"é \u0000"}}"#));
    Ok(IdempotencyRecord {
        user: UserId::new("ann")?,
        key: IdempotencyKey(key),
        request: RequestDigest([low; 32]),
        outcome,
        at,
    })
}

/// An hour after [`record`]s are made.
fn soon() -> Timestamp {
    time(0) + Duration::from_hours(1)
}

/// Looks for the record of the same key.
async fn find(
    store: &dyn NotebookStore,
    like: &IdempotencyRecord,
    now: Timestamp,
) -> Result<Option<IdempotencyRecord>, Failure> {
    Ok(store.record(RecordLookup { user: &like.user, key: like.key, now }).await?)
}

async fn is_recorded(store: &dyn NotebookStore, record: &IdempotencyRecord) -> Result<(), Failure> {
    same("the record", &Some(record.clone()), &find(store, record, soon()).await?)
}

async fn is_not_recorded(store: &dyn NotebookStore, record: &IdempotencyRecord) -> Result<(), Failure> {
    same("the record", &None, &find(store, record, soon()).await?)
}

fn is_repetition(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyRecorded)
}

impl Editor<'_> {
    /// Edits the code and stores that with records; takes it back in memory when it is refused.
    async fn edit_recording(&mut self, code: &str, records: &[IdempotencyRecord]) -> Result<(), StoreError> {
        self.recording(update("a", code), records).await
    }

    async fn recording(
        &mut self,
        edit: Result<Edit, Failure>,
        records: &[IdempotencyRecord],
    ) -> Result<(), StoreError> {
        let base = self.notebook().base();
        let failed = |Failure(reason)| StoreError::Backend { action: "make an edit".into(), source: reason.into() };
        let change = self.apply(&edit.map_err(failed)?).map_err(failed)?;
        let changes = [Arc::clone(&change)];
        let commit = Commit { id: new_commit(), base, changes: &changes, after: self.notebook(), records };
        let outcome = self.store.commit(commit).await;
        if outcome.is_err() {
            self.open.undo(&change);
        }
        outcome.map(drop)
    }
}

/// The record of a request is stored with its change, of any kind, for its user alone; a deletion's too.
///
/// # Errors
/// When the store does not conform.
pub async fn a_record_is_stored_with_its_change<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let records: Vec<IdempotencyRecord> =
        (0..6).map(|number| record(number, time(number.into()))).collect::<Result<_, _>>()?;
    let notebook = with_cells("recorded", &[("a", "x = 1")])?;
    is_not_recorded(&*store, &records[0]).await?;
    store.create(&notebook, Some(&records[0])).await?;
    let mut editor = Editor::load(&*store, &notebook.id).await?;
    editor.edit_recording("x = 2", &records[1..2]).await?;
    editor.edit_recording("x = 3", &records[2..4]).await?;
    is_stored(&*store, editor.notebook()).await?;
    store.put_records(&records[4..5]).await?;
    store.delete_current(&notebook.id, Some(&records[5])).await?;
    for kept in &records {
        is_recorded(&*store, kept).await?;
        is_not_recorded(&*store, &IdempotencyRecord { user: UserId::new("bob")?, ..kept.clone() }).await?;
    }
    let store = builder.reopen(store, &mut guard).await?;
    for kept in &records {
        is_recorded(&*store, kept).await?;
    }
    Ok(())
}

/// A change that came with a record, followed by one without, has its record after reopening.
///
/// # Errors
/// When the store does not conform.
pub async fn later_changes_leave_records<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let (made, edited) = (record(1, time(1))?, record(2, time(2))?);
    for (name, last) in [("edited", false), ("deleted", true)] {
        let notebook = Notebook { owner: UserId::new(name)?, ..with_cells(name, &[("a", "")])? };
        let mine =
            |record: &IdempotencyRecord| UserId::new(name).map(|user| IdempotencyRecord { user, ..record.clone() });
        store.create(&notebook, Some(&mine(&made)?)).await?;
        let mut editor = Editor::load(&*store, &notebook.id).await?;
        editor.edit_recording("1", &[mine(&edited)?]).await?;
        editor.edit_recording("2", &[]).await?;
        if last {
            store.delete_current(&notebook.id, None).await?;
        }
    }
    let store = builder.reopen(store, &mut guard).await?;
    for name in ["edited", "deleted"] {
        for kept in [&made, &edited] {
            is_recorded(&*store, &IdempotencyRecord { user: UserId::new(name)?, ..kept.clone() }).await?;
        }
    }
    Ok(())
}

/// A change that is refused leaves no record behind, now or after reopening.
///
/// # Errors
/// When the store does not conform.
pub async fn a_refused_change_leaves_no_record<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let one = record(1, time(1))?;
    let notebook = with_cells("refused", &[("a", "")])?;
    store.create(&notebook, None).await?;
    let (mut first, mut second) =
        (Editor::load(&*store, &notebook.id).await?, Editor::load(&*store, &notebook.id).await?);
    first.edit_recording("first", &[]).await?;
    let records = std::slice::from_ref(&one);
    refused("committing on a base that is gone", second.edit_recording("second", records).await, is_mismatch)?;
    refused("creating what is there", store.create(&notebook, Some(&one)).await, exists)?;
    let missing = NotebookId::new("missing")?;
    let deletion = Delete { id: &missing, base: notebook.base(), record: Some(&one) };
    refused("deleting what is not there", store.delete(deletion).await, is_not_found)?;
    is_not_recorded(&*store, &one).await?;
    let stored = first.notebook().clone();
    let store = builder.reopen(store, &mut guard).await?;
    is_not_recorded(&*store, &one).await?;
    is_stored(&*store, &stored).await
}

/// A change that comes with the key of a stored record does not happen, and leaves the record as it is; nor are other records
/// stored that came with it.
///
/// # Errors
/// When the store does not conform.
pub async fn a_recorded_request_is_refused_as_a_whole<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let (kept, other) = (record(1, time(1))?, record(2, time(2))?);
    let repetition = IdempotencyRecord { outcome: Arc::from("{}"), request: RequestDigest([9; 32]), ..kept.clone() };
    let notebook = with_cells("repetitions", &[("a", "")])?;
    store.create(&notebook, None).await?;
    let mut editor = Editor::load(&*store, &notebook.id).await?;
    editor.edit_recording("once", std::slice::from_ref(&kept)).await?;
    let repetitions = [other.clone(), repetition.clone()];
    refused("committing a recorded edit", editor.edit_recording("twice", &repetitions).await, is_repetition)?;
    let printing = results("a", printed("twice"));
    refused("committing recorded results", editor.recording(printing, &repetitions).await, is_repetition)?;
    refused("creating by a recorded request", store.create(&empty("again")?, Some(&repetition)).await, is_repetition)?;
    refused(
        "deleting by a recorded request",
        store.delete_current(&notebook.id, Some(&repetition)).await,
        is_repetition,
    )?;
    refused("storing a record again", store.put_records(&repetitions).await, is_repetition)?;
    is_recorded(&*store, &kept).await?;
    is_not_recorded(&*store, &other).await?;
    is_stored(&*store, editor.notebook()).await?;
    ensure!(store.load(&NotebookId::new("again")?).await?.is_none(), "a notebook was made by a recorded request");
    // The next change is not refused.
    editor.edit_recording("next", &[other]).await?;
    is_stored(&*store, editor.notebook()).await
}

/// Repeating a commit with the same id, right after it, succeeds although its records are stored by then.
///
/// # Errors
/// When the store does not conform.
pub async fn a_repeated_commit_keeps_its_record<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let records = [record(1, time(1))?];
    let mut editor = Editor::create(&*store, with_cells("repeated", &[("a", "")])?).await?;
    let base = editor.notebook().base();
    let changes = [editor.apply(&update("a", "x = 1")?)?];
    let commit = Commit { id: new_commit(), base, changes: &changes, after: editor.notebook(), records: &records };
    let version = store.commit(commit).await?.version;
    same("the version of a repeated commit", &version, &store.commit(commit).await?.version)?;
    same("the version", &version, &load(&*store, &editor.notebook().id).await?.version)?;
    is_recorded(&*store, &records[0]).await
}

/// Of concurrent requests with one key, one has its effect.
///
/// # Errors
/// When the store does not conform.
pub async fn of_concurrent_requests_with_one_key_one_has_its_effect<B: StoreBuilder>(
    builder: &B,
) -> Result<(), Failure> {
    const REQUESTS: u16 = 16;
    let (store, _guard) = builder.build().await?;
    for round in 0..5 {
        let mut calls = Vec::new();
        for number in 0..REQUESTS {
            let (store, kept) = (Arc::clone(&store), record(round, time(number.into()))?);
            let notebook = empty(&format!("request-{round}-{number}"))?;
            calls.push(tokio::spawn(async move { store.create(&notebook, Some(&kept)).await }));
        }
        let mut made = 0;
        for call in calls {
            match call.await? {
                Ok(_) => made += 1,
                Err(StoreError::AlreadyRecorded) => {}
                Err(error) => return Err(error.into()),
            }
        }
        same("the number of requests that had their effect", &1, &made)?;
        let all = store.list(&ListFilter::default(), &PageRequest::default()).await?.notebooks;
        same("the number of notebooks", &usize::from(round + 1), &all.len())?;
    }
    Ok(())
}

/// A record expires after a day, and its key can be used again.
///
/// # Errors
/// When the store does not conform.
pub async fn a_record_expires<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let old = record(1, time(0))?;
    let mut editor = Editor::create(&*store, with_cells("expiring", &[("a", "")])?).await?;
    editor.edit_recording("first", std::slice::from_ref(&old)).await?;
    let last_moment = time(-1) + IdempotencyRecord::LIFE;
    same("the record", &Some(old.clone()), &find(&*store, &old, last_moment).await?)?;
    let expired = time(0) + IdempotencyRecord::LIFE;
    same("the expired record", &None, &find(&*store, &old, expired).await?)?;
    let new = IdempotencyRecord { at: expired, outcome: Arc::from("new"), ..old };
    editor.edit_recording("second", std::slice::from_ref(&new)).await?;
    same("the new record", &Some(new.clone()), &find(&*store, &new, expired).await?)
}

/// Deleting old records leaves a user the newest ones, and others those that have not expired.
///
/// # Errors
/// When the store does not conform.
pub async fn records_are_bounded<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let most = u16::try_from(IdempotencyRecord::MAX)?;
    // The newest last in the order of keys, and first in that of storing.
    let many = (0..most + 10).rev().map(|number| record(number, time(number.into())));
    let many: Vec<IdempotencyRecord> = many.collect::<Result<_, _>>()?;
    let bobs = |record: &IdempotencyRecord| UserId::new("bob").map(|user| IdempotencyRecord { user, ..record.clone() });
    let (old, fresh) =
        (bobs(&record(1, time(0) + Duration::from_hours(1) - IdempotencyRecord::LIFE)?)?, bobs(&many[0])?);
    let mut editor = Editor::create(&*store, with_cells("bounded", &[("a", "")])?).await?;
    // A user is one who has made a notebook.
    store.create(&Notebook { owner: UserId::new("bob")?, ..empty("bobs")? }, None).await?;
    editor.edit_recording("many", &many).await?;
    store.put_records(&[old.clone(), fresh.clone()]).await?;
    store.delete_old_records(&[UserId::new("ann")?], soon()).await?;
    let store = builder.reopen(store, &mut guard).await?;
    for (index, kept) in many.iter().enumerate() {
        let there = find(&*store, kept, soon()).await?;
        let expected = (index < IdempotencyRecord::MAX).then(|| kept.clone());
        same(&format!("record {index} from the newest"), &expected, &there)?;
    }
    is_recorded(&*store, &fresh).await?;
    let before = time(0);
    same("another user's expired record", &None, &find(&*store, &old, before).await?)
}
