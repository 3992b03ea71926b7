//! Lists of notebooks.

use quire_domain::{Edit, NotebookId, Revision, UserId};

use super::check::{Editor, same, time};
use super::samples::{empty, printed, results, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{Cursor, ListFilter, NotebookStore, NotebookStoreExt as _, Page, PageRequest, Summary};

async fn list(store: &dyn NotebookStore, owner: &str, page: &PageRequest) -> Result<Page, Failure> {
    Ok(store.list(&ListFilter::of(UserId::new(owner)?), page).await?)
}

fn ids(notebooks: &[Summary]) -> Vec<&str> {
    notebooks.iter().map(|notebook| notebook.id.as_str()).collect()
}

/// Stores notebooks whose ids are not in the order of creation, some created at the same time; returns their ids in order.
async fn store_some(store: &dyn NotebookStore) -> Result<Vec<&'static str>, Failure> {
    let some = [
        ("é", 3),
        ("b", 1),
        ("Z", 1),
        ("a", 2),
        ("_", 1),
        ("z", 0),
        ("10", 5),
        ("9", 5),
        ("a-b", 5),
        ("ab", 5),
        ("a b", 5),
        ("B", 1),
        ("😀", 3),
        ("\u{FFFD}", 3),
        ("0", -4_000_000_000_000_000),
    ];
    for (id, micros) in some {
        let mut notebook = empty(id)?;
        notebook.created_at = time(micros);
        store.create(&notebook, None).await?;
    }
    let mut expected = some;
    expected.sort_by_key(|&(id, micros)| (micros, id));
    Ok(expected.into_iter().map(|(id, _)| id).collect())
}

/// A list holds all of the owner's notebooks, the oldest first, those created at the same time by the bytes of their ids.
///
/// # Errors
/// When the store does not conform.
pub async fn lists_are_ordered_and_complete<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let nothing = list(&*store, "ann", &PageRequest::default()).await?;
    ensure!(nothing.notebooks.is_empty() && nothing.next.is_none(), "the list of an empty store is not empty");
    let expected = store_some(&*store).await?;
    let page = list(&*store, "ann", &PageRequest::default()).await?;
    same("the list", &expected, &ids(&page.notebooks))?;
    ensure!(page.next.is_none(), "a list without a limit has a next page");
    ensure!(page.damaged.is_empty(), "sound notebooks are called damaged: {:?}", page.damaged);
    let store = builder.reopen(store, &mut guard).await?;
    same("the list after reopening", &expected, &ids(&list(&*store, "ann", &PageRequest::default()).await?.notebooks))
}

/// A list holds no notebook of another owner.
///
/// # Errors
/// When the store does not conform.
pub async fn lists_show_the_owners_notebooks_only<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let owners = ["ann", "Ann", "ann ", "bob", "a%", "_nn", "änn"];
    for owner in owners {
        for number in 0..3 {
            let mut notebook = empty(&format!("{owner}-{number}"))?;
            notebook.owner = UserId::new(owner)?;
            store.create(&notebook, None).await?;
        }
    }
    for owner in owners {
        let page = list(&*store, owner, &PageRequest::default()).await?;
        let expected: Vec<_> = (0..3).map(|number| format!("{owner}-{number}")).collect();
        same("the list", &expected, &ids(&page.notebooks).into_iter().map(str::to_owned).collect())?;
        ensure!(page.notebooks.iter().all(|n| n.owner.as_str() == owner), "a summary names another owner");
    }
    ensure!(list(&*store, "nobody", &PageRequest::default()).await?.notebooks.is_empty(), "nobody has notebooks");
    Ok(())
}

/// A list without an owner holds the notebooks of all owners in one order, page by page too, each with its owner.
///
/// # Errors
/// When the store does not conform.
pub async fn a_list_without_an_owner_holds_everybodys<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut expected = Vec::new();
    for (number, owner) in ["bob", "ann", "Ann", "änn", "bob", "ann"].into_iter().enumerate() {
        let mut notebook = empty(&format!("{owner}-{number}"))?;
        notebook.owner = UserId::new(owner)?;
        notebook.created_at = time(i64::try_from(number / 3)?);
        store.create(&notebook, None).await?;
        expected.push((number / 3, notebook.id.to_string(), owner.to_owned()));
    }
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, id, owner)| (id, owner)).collect();
    for limit in [None, Some(1), Some(4), Some(6)] {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(&ListFilter::default(), &PageRequest { limit, after }).await?;
            found.extend(page.notebooks.iter().map(|listed| (listed.id.to_string(), listed.owner.to_string())));
            ensure!(found.len() <= expected.len(), "everybody's notebooks repeat themselves: {found:?}");
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        same("everybody's notebooks", &expected, &found)?;
    }
    Ok(())
}

/// A list shows the name, the revision and the times of each notebook as they are after its last edit.
///
/// # Errors
/// When the store does not conform.
pub async fn lists_show_the_last_edit<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let mut editor = Editor::create(&*store, with_cells("shown", &[("a", "1")])?).await?;
    for edit in [
        Edit::Rename { name: "Quarterly \"figures\" é".into() },
        update("a", "2")?,
        results("a", printed("2"))?,
        Edit::Rename { name: String::new() },
    ] {
        editor.edit(&edit).await?;
        let page = list(&*store, "ann", &PageRequest::default()).await?;
        let notebook = editor.notebook();
        let expected = Summary {
            id: notebook.id.clone(),
            owner: notebook.owner.clone(),
            name: notebook.name.clone(),
            revision: notebook.revision,
            created_at: notebook.created_at,
            updated_at: notebook.updated_at,
        };
        same("the list", &vec![expected], &page.notebooks)?;
    }
    same("the revision", &Revision(3), &editor.notebook().revision)
}

/// Pages of any size, put together, are the list; only the last page has no cursor.
///
/// # Errors
/// When the store does not conform.
pub async fn pages_make_up_the_list<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let expected = store_some(&*store).await?;
    let mut other = empty("other")?;
    other.owner = UserId::new("bob")?;
    store.create(&other, None).await?;
    for limit in [1, 2, 4, expected.len() - 1, expected.len(), expected.len() + 1] {
        let mut found = Vec::new();
        let mut after: Option<Cursor> = None;
        loop {
            let page = list(&*store, "ann", &PageRequest { limit: Some(limit), after: after.take() }).await?;
            ensure!(page.notebooks.len() <= limit, "a page of {} with a limit of {limit}", page.notebooks.len());
            found.extend(page.notebooks.iter().map(|notebook| notebook.id.to_string()));
            ensure!(found.len() <= expected.len(), "pages of {limit} repeat themselves: {found:?}");
            // Through its text, as clients hand it back.
            let Some(next) = page.next else { break };
            ensure!(page.notebooks.len() == limit, "a page that is not the last has only {}", page.notebooks.len());
            after = Some(next.to_string().parse()?);
        }
        same(&format!("pages of {limit}"), &expected.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), &found)?;
    }
    Ok(())
}

/// A cursor is valid after its notebook was deleted.
///
/// # Errors
/// When the store does not conform.
pub async fn a_cursor_outlives_its_notebook<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let expected = store_some(&*store).await?;
    let first = list(&*store, "ann", &PageRequest { limit: Some(4), after: None }).await?;
    let after = first.next.ok_or_else(|| Failure::new("there is no next page"))?;
    store.delete_current(&after.id, None).await?;
    store.delete_current(&NotebookId::new("10")?, None).await?;
    let rest = list(&*store, "ann", &PageRequest { limit: None, after: Some(after) }).await?;
    let expected: Vec<_> = expected.into_iter().skip(4).filter(|id| *id != "10").collect();
    same("the rest of the list", &expected, &ids(&rest.notebooks))
}
