//! Keeping answers.

use std::sync::Arc;
use std::time::Duration;

use quire_domain::{Edit, Notebook, NotebookId, Timestamp, UserId};

use super::check::{Editor, exists, is_mismatch, is_not_found, is_stored, load, new_commit, refused, same, time};
use super::samples::{empty, printed, results, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{
    Commit, IdempotencyKey, IdempotencyRecord, ListFilter, NotebookStore, NotebookStoreExt as _, PageRequest,
    RequestDigest, StoreError,
};

/// Ann's answer number so much, kept then.
fn answer(number: u16, at: Timestamp) -> Result<IdempotencyRecord, Failure> {
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

/// An hour after [`answer`]s are kept.
fn soon() -> Timestamp {
    time(0) + Duration::from_hours(1)
}

async fn find(store: &dyn NotebookStore, like: &IdempotencyRecord) -> Result<Option<IdempotencyRecord>, Failure> {
    Ok(store.answer(&like.user, &like.key, soon()).await?)
}

async fn is_kept(store: &dyn NotebookStore, answer: &IdempotencyRecord) -> Result<(), Failure> {
    same("the answer", &Some(answer.clone()), &find(store, answer).await?)
}

async fn is_not_kept(store: &dyn NotebookStore, answer: &IdempotencyRecord) -> Result<(), Failure> {
    same("the answer", &None, &find(store, answer).await?)
}

fn is_answered(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyRecorded)
}

impl Editor<'_> {
    /// Edits the code and stores that with answers; takes it back in memory when it is refused.
    async fn edit_answering(&mut self, code: &str, answers: &[IdempotencyRecord]) -> Result<(), StoreError> {
        self.answering(update("a", code), answers).await
    }

    async fn answering(
        &mut self,
        edit: Result<Edit, Failure>,
        answers: &[IdempotencyRecord],
    ) -> Result<(), StoreError> {
        let base = self.notebook().base();
        let failed = |Failure(reason)| StoreError::Backend { action: "make an edit".into(), source: reason.into() };
        let change = self.apply(&edit.map_err(failed)?).map_err(failed)?;
        let changes = [Arc::clone(&change)];
        let commit = Commit { id: new_commit(), base, changes: &changes, after: self.notebook(), answers };
        let outcome = self.store.commit(commit).await;
        if outcome.is_err() {
            self.open.undo(&change);
        }
        outcome.map(drop)
    }
}

/// Whatever a request changes, its answer is kept with it, for its user alone; after a deletion too.
///
/// # Errors
/// When the store does not conform.
pub async fn an_answer_is_kept_with_its_change<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let answers: Vec<IdempotencyRecord> =
        (0..6).map(|number| answer(number, time(number.into()))).collect::<Result<_, _>>()?;
    let notebook = with_cells("answered", &[("a", "x = 1")])?;
    is_not_kept(&*store, &answers[0]).await?;
    store.create(&notebook, Some(&answers[0])).await?;
    let mut editor = Editor::load(&*store, &notebook.id).await?;
    editor.edit_answering("x = 2", &answers[1..2]).await?;
    editor.edit_answering("x = 3", &answers[2..4]).await?;
    is_stored(&*store, editor.notebook()).await?;
    store.keep(&answers[4..5]).await?;
    store.delete_current(&notebook.id, Some(&answers[5])).await?;
    for kept in &answers {
        is_kept(&*store, kept).await?;
        is_not_kept(&*store, &IdempotencyRecord { user: UserId::new("bob")?, ..kept.clone() }).await?;
    }
    let store = builder.reopen(store, &mut guard).await?;
    for kept in &answers {
        is_kept(&*store, kept).await?;
    }
    Ok(())
}

/// What was acknowledged with an answer and changed again without one has its answer after reopening.
///
/// # Errors
/// When the store does not conform.
pub async fn later_changes_leave_answers<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let (made, edited) = (answer(1, time(1))?, answer(2, time(2))?);
    for (name, last) in [("edited", false), ("deleted", true)] {
        let notebook = Notebook { owner: UserId::new(name)?, ..with_cells(name, &[("a", "")])? };
        let mine =
            |answer: &IdempotencyRecord| UserId::new(name).map(|user| IdempotencyRecord { user, ..answer.clone() });
        store.create(&notebook, Some(&mine(&made)?)).await?;
        let mut editor = Editor::load(&*store, &notebook.id).await?;
        editor.edit_answering("1", &[mine(&edited)?]).await?;
        editor.edit_answering("2", &[]).await?;
        if last {
            store.delete_current(&notebook.id, None).await?;
        }
    }
    let store = builder.reopen(store, &mut guard).await?;
    for name in ["edited", "deleted"] {
        for kept in [&made, &edited] {
            is_kept(&*store, &IdempotencyRecord { user: UserId::new(name)?, ..kept.clone() }).await?;
        }
    }
    Ok(())
}

/// A change that is refused leaves no answer behind, now or after reopening.
///
/// # Errors
/// When the store does not conform.
pub async fn a_refused_change_keeps_no_answer<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let one = answer(1, time(1))?;
    let notebook = with_cells("refused", &[("a", "")])?;
    store.create(&notebook, None).await?;
    let (mut first, mut second) =
        (Editor::load(&*store, &notebook.id).await?, Editor::load(&*store, &notebook.id).await?);
    first.edit_answering("first", &[]).await?;
    let answers = std::slice::from_ref(&one);
    refused("committing on a base that is gone", second.edit_answering("second", answers).await, is_mismatch)?;
    refused("creating what is there", store.create(&notebook, Some(&one)).await, exists)?;
    let missing = NotebookId::new("missing")?;
    refused("deleting what is not there", store.delete(&missing, notebook.base(), Some(&one)).await, is_not_found)?;
    is_not_kept(&*store, &one).await?;
    let stored = first.notebook().clone();
    let store = builder.reopen(store, &mut guard).await?;
    is_not_kept(&*store, &one).await?;
    is_stored(&*store, &stored).await
}

/// A change that comes with the key of an answer that is kept does not happen, and leaves the answer as it is; nor are
/// other answers kept that came with it.
///
/// # Errors
/// When the store does not conform.
pub async fn an_answered_request_is_refused_as_a_whole<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let (kept, other) = (answer(1, time(1))?, answer(2, time(2))?);
    let twin = IdempotencyRecord { outcome: Arc::from("{}"), request: RequestDigest([9; 32]), ..kept.clone() };
    let notebook = with_cells("twins", &[("a", "")])?;
    store.create(&notebook, None).await?;
    let mut editor = Editor::load(&*store, &notebook.id).await?;
    editor.edit_answering("once", std::slice::from_ref(&kept)).await?;
    let twins = [other.clone(), twin.clone()];
    refused("committing an answered edit", editor.edit_answering("twice", &twins).await, is_answered)?;
    let printing = results("a", printed("twice"));
    refused("committing answered results", editor.answering(printing, &twins).await, is_answered)?;
    refused("creating by an answered request", store.create(&empty("again")?, Some(&twin)).await, is_answered)?;
    refused("deleting by an answered request", store.delete_current(&notebook.id, Some(&twin)).await, is_answered)?;
    refused("keeping an answer again", store.keep(&twins).await, is_answered)?;
    is_kept(&*store, &kept).await?;
    is_not_kept(&*store, &other).await?;
    is_stored(&*store, editor.notebook()).await?;
    ensure!(store.load(&NotebookId::new("again")?).await?.is_none(), "a notebook was made by an answered request");
    // Nothing is in the way of what comes next.
    editor.edit_answering("next", &[other]).await?;
    is_stored(&*store, editor.notebook()).await
}

/// Repeating a commit with the same id, right after it, succeeds although its answers are kept by then.
///
/// # Errors
/// When the store does not conform.
pub async fn a_repeated_commit_keeps_its_answer<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let answers = [answer(1, time(1))?];
    let mut editor = Editor::create(&*store, with_cells("repeated", &[("a", "")])?).await?;
    let base = editor.notebook().base();
    let changes = [editor.apply(&update("a", "x = 1")?)?];
    let commit = Commit { id: new_commit(), base, changes: &changes, after: editor.notebook(), answers: &answers };
    let version = store.commit(commit).await?;
    same("the version of a repeated commit", &version, &store.commit(commit).await?)?;
    same("the version", &version, &load(&*store, &editor.notebook().id).await?.version)?;
    is_kept(&*store, &answers[0]).await
}

/// Of requests that come at once under one key, one has its effect.
///
/// # Errors
/// When the store does not conform.
pub async fn of_twins_at_once_one_has_its_effect<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    const TWINS: u16 = 16;
    let (store, _guard) = builder.build().await?;
    for round in 0..5 {
        let mut calls = Vec::new();
        for twin in 0..TWINS {
            let (store, kept) = (Arc::clone(&store), answer(round, time(twin.into()))?);
            let notebook = empty(&format!("twin-{round}-{twin}"))?;
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
        same("how many twins had their effect", &1, &made)?;
        let all = store.list(&ListFilter::default(), &PageRequest::default()).await?.notebooks;
        same("how many notebooks there are", &usize::from(round + 1), &all.len())?;
    }
    Ok(())
}

/// An answer counts for a day, and is in nobody's way then.
///
/// # Errors
/// When the store does not conform.
pub async fn an_answer_expires<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let old = answer(1, time(0))?;
    let mut editor = Editor::create(&*store, with_cells("expiring", &[("a", "")])?).await?;
    editor.edit_answering("first", std::slice::from_ref(&old)).await?;
    let last_moment = time(-1) + IdempotencyRecord::LIFE;
    same("the answer", &Some(old.clone()), &store.answer(&old.user, &old.key, last_moment).await?)?;
    let expired = time(0) + IdempotencyRecord::LIFE;
    same("the expired answer", &None, &store.answer(&old.user, &old.key, expired).await?)?;
    let new = IdempotencyRecord { at: expired, outcome: Arc::from("new"), ..old };
    editor.edit_answering("second", std::slice::from_ref(&new)).await?;
    same("the new answer", &Some(new.clone()), &store.answer(&new.user, &new.key, expired).await?)
}

/// Forgetting leaves of a user the newest answers, and of others what has not expired.
///
/// # Errors
/// When the store does not conform.
pub async fn answers_are_bounded<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let most = u16::try_from(IdempotencyRecord::MAX)?;
    // The newest last in the order of keys, and first in that of keeping.
    let many = (0..most + 10).rev().map(|number| answer(number, time(number.into())));
    let many: Vec<IdempotencyRecord> = many.collect::<Result<_, _>>()?;
    let bobs = |answer: &IdempotencyRecord| UserId::new("bob").map(|user| IdempotencyRecord { user, ..answer.clone() });
    let (old, fresh) =
        (bobs(&answer(1, time(0) + Duration::from_hours(1) - IdempotencyRecord::LIFE)?)?, bobs(&many[0])?);
    let mut editor = Editor::create(&*store, with_cells("bounded", &[("a", "")])?).await?;
    // A user is one who has made a notebook.
    store.create(&Notebook { owner: UserId::new("bob")?, ..empty("bobs")? }, None).await?;
    editor.edit_answering("many", &many).await?;
    store.keep(&[old.clone(), fresh.clone()]).await?;
    store.delete_old_records(&[UserId::new("ann")?], soon()).await?;
    let store = builder.reopen(store, &mut guard).await?;
    for (index, kept) in many.iter().enumerate() {
        let there = find(&*store, kept).await?;
        let expected = (index < IdempotencyRecord::MAX).then(|| kept.clone());
        same(&format!("answer {index} from the newest"), &expected, &there)?;
    }
    is_kept(&*store, &fresh).await?;
    let before = time(0);
    same("another user's expired answer", &None, &store.answer(&old.user, &old.key, before).await?)
}
