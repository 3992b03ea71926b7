//! Searching.

use std::sync::Arc;

use quire_domain::{Edit, UserId};

use super::check::{Editor, same, time};
use super::samples::{empty, update, with_cells};
use super::{Failure, StoreBuilder, ensure};
use crate::{Hit, NotebookStore, PageRequest, SearchRequest, SearchText};

async fn search(store: &dyn NotebookStore, owner: &str, text: &str) -> Result<Vec<Hit>, Failure> {
    let (owner, text) = (&UserId::new(owner)?, &SearchText::new(text)?);
    let page = store.search(SearchRequest { owner, text, page: &PageRequest::default() }).await?;
    ensure!(page.next.is_none(), "a search without a limit has a next page");
    Ok(page.hits)
}

/// What is found, as texts: the notebook, whether in its name, and cells with line and text.
fn told(hits: &[Hit]) -> Vec<String> {
    let told = hits.iter().map(|hit| {
        let cells: Vec<_> = hit.cells.iter().map(|cell| format!("{}:{}:{}", cell.id, cell.line, cell.text)).collect();
        format!("{} {} {}", hit.notebook.id, hit.in_name, cells.join("|"))
    });
    told.collect()
}

/// A search finds names and code as they are now, whatever the case of the letters A to Z, and nothing else.
///
/// # Errors
/// When the store does not conform.
pub async fn a_search_finds_names_and_code<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, mut guard) = builder.build().await?;
    let mut first = with_cells("first", &[("a", "x = 1\ny = Revenue_2026"), ("b", "plain"), ("c", "revenue%")])?;
    first.created_at = time(1);
    let mut second = with_cells("second", &[("a", "nothing\0of\u{FDD0}it É 0 1")])?;
    (second.created_at, second.name) = (time(0), Some(Arc::from("All REVENUES é")));
    store.create(&second, None).await?;
    let mut editor = Editor::create(&*store, first).await?;
    for (text, expected) in [
        ("revenue", vec!["second true ", "first false a:2:y = Revenue_2026|c:1:revenue%"]),
        ("REVENUE_2026", vec!["first false a:2:y = Revenue_2026"]),
        ("revenue%", vec!["first false c:1:revenue%"]),
        ("revenue_%", vec![]),
        ("1\ny", vec!["first false a:1:x = 1"]),
        ("é", vec!["second true "]),
        ("g\0o", vec!["second false a:1:nothing\0of\u{FDD0}it É 0 1"]),
        ("\0", vec!["second false a:1:nothing\0of\u{FDD0}it É 0 1"]),
        ("\u{FDD0}", vec!["second false a:1:nothing\0of\u{FDD0}it É 0 1"]),
        // Neither how a store writes what it cannot hold, nor ids, owners, types.
        ("0of", vec![]),
        ("1it", vec![]),
        ("\\0", vec![]),
        ("second", vec![]),
        ("python", vec![]),
        ("ann", vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
        same(&format!("what is found of {text:?}"), &expected, &told(&search(&*store, "ann", text).await?))?;
    }
    editor.edit(&update("a", "costs")?).await?;
    editor.edit(&Edit::Rename { name: "Costs".into() }).await?;
    let store = builder.reopen(store, &mut guard).await?;
    same("the costs", &vec!["first true a:1:costs".to_owned()], &told(&search(&*store, "ann", "cOSts").await?))?;
    same("the rest", &vec!["second true ".to_owned(), "first false c:1:revenue%".to_owned()], &{
        told(&search(&*store, "ann", "revenue").await?)
    })
}

/// Nobody finds what is in somebody else's notebooks.
///
/// # Errors
/// When the store does not conform.
pub async fn a_search_finds_the_owners_notebooks_only<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    for owner in ["ann", "Ann", "bob", "a%"] {
        let mut notebook = with_cells(&format!("of-{owner}"), &[("a", "shared")])?;
        notebook.owner = UserId::new(owner)?;
        notebook.name = Some(Arc::from("shared"));
        store.create(&notebook, None).await?;
    }
    for owner in ["ann", "Ann", "bob", "a%"] {
        same(
            "what is found",
            &vec![format!("of-{owner} true a:1:shared")],
            &told(&search(&*store, owner, "shared").await?),
        )?;
    }
    ensure!(search(&*store, "nobody", "shared").await?.is_empty(), "nobody finds something");
    Ok(())
}

/// What is found comes in the order of lists, on full pages that make up the whole; of many cells the first are told.
///
/// # Errors
/// When the store does not conform.
pub async fn a_search_comes_in_pages<B: StoreBuilder>(builder: &B) -> Result<(), Failure> {
    let (store, _guard) = builder.build().await?;
    let ids: Vec<_> = (0..20).map(|number| format!("c{number:02}")).collect();
    let cells: Vec<_> = ids.iter().map(|id| (id.as_str(), "found\0")).collect();
    let mut expected = Vec::new();
    for number in 0..9 {
        let mut notebook = match number % 3 {
            0 => with_cells(&format!("n{number}"), &cells)?,
            // Looks like it where a store writes it another way.
            1 => with_cells(&format!("n{number}"), &[("a", "found0"), ("b", "found\u{FDD0}")])?,
            _ => empty(&format!("n{number}"))?,
        };
        notebook.created_at = time(-number / 2);
        store.create(&notebook, None).await?;
        expected.push((-number / 2, notebook.id.to_string()));
    }
    expected.retain(|(_, id)| ["n0", "n3", "n6"].contains(&id.as_str()));
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    let (owner, text) = (UserId::new("ann")?, SearchText::new("found\0")?);
    for limit in 1..=4 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = PageRequest { limit: Some(limit), after };
            let page = store.search(SearchRequest { owner: &owner, text: &text, page: &page }).await?;
            for hit in &page.hits {
                let told: Vec<_> = hit.cells.iter().map(|cell| cell.id.to_string()).collect();
                same("the first cells", &ids[..Hit::MAX_CELLS].to_vec(), &told)?;
            }
            found.extend(page.hits.iter().map(|hit| hit.notebook.id.to_string()));
            ensure!(found.len() <= expected.len(), "pages of {limit} repeat themselves: {found:?}");
            after = page.next;
            if after.is_none() {
                break;
            }
            ensure!(page.hits.len() == limit, "a page that is not the last has only {}", page.hits.len());
        }
        same(&format!("pages of {limit}"), &expected, &found)?;
    }
    Ok(())
}
