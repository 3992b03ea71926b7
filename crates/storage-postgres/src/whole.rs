//! Whole notebooks: creating, replacing, loading, digests.

use quire_domain::{Base, ContentDigest, Notebook, NotebookId, UserId};
use quire_storage::{CommitId, Digested, KeptAnswer, Loaded, Version};
use uuid::Uuid;

use crate::answers::{self, keeping};
use crate::columns::{self, CellColumns, OutputColumns, Statement};
use crate::commit::Decided;
use crate::database::Database;
use crate::error::Error;
use crate::rows;

const CREATE: &str =
    concat!(include_str!("sql/create.sql"), include_str!("sql/new_cells.sql"), "SELECT version FROM stored");
const CREATE_ANSWERING: &str = concat!(
    include_str!("sql/create.sql"),
    include_str!("sql/new_cells.sql"),
    keeping!("stored", "$30", "$31", "$32", "$33", "$34"),
    "SELECT version FROM stored"
);
const REPLACE: &str = concat!(include_str!("sql/replace.sql"), include_str!("sql/cells.sql"));

/// Stores a new notebook.
pub(crate) async fn create(
    database: &Database,
    notebook: &Notebook,
    answer: Option<&KeptAnswer>,
) -> Result<Version, Error> {
    let commit = CommitId(Uuid::new_v4());
    let decided = Decided { database, id: &notebook.id, commit, base: None };
    let statement = || match answer {
        None => statement(CREATE, notebook, commit),
        Some(answer) => Ok(answers::bind(statement(CREATE_ANSWERING, notebook, commit)?, std::slice::from_ref(answer))),
    };
    decided.run(statement).await
}

/// Stores a notebook in the place of the one that is the base.
pub(crate) async fn replace(database: &Database, base: Base, notebook: &Notebook) -> Result<Version, Error> {
    // Whoever edits on the base must find another life or revision: what they know of the notebook is gone.
    if notebook.life == base.life && notebook.revision <= base.revision {
        return Err(Error::Mismatch(base.revision));
    }
    let commit = CommitId(Uuid::new_v4());
    let decided = Decided { database, id: &notebook.id, commit, base: Some(base) };
    decided.run(|| Ok(statement(REPLACE, notebook, commit)?.bind(base.revision.0).bind(base.life.number()))).await
}

/// The twenty-nine parameters that both statements have.
fn statement(sql: &'static str, notebook: &Notebook, commit: CommitId) -> Result<Statement, serde_json::Error> {
    let (mut cells, mut outputs) = (CellColumns::default(), OutputColumns::default());
    for cell in notebook.cells.iter() {
        cells.push(cell)?;
        outputs.push(&cell.id, &cell.results);
    }
    let statement = sqlx::query(sql)
        .bind(notebook.id.as_str().to_owned())
        .bind(notebook.owner.as_str().to_owned())
        .bind(notebook.name.as_deref().map(str::to_owned))
        .bind(notebook.connection.as_ref().map(|connection| connection.expose().to_owned()))
        .bind(notebook.revision.0)
        .bind(columns::extra(&notebook.extra)?)
        .bind(notebook.content_digest().0.to_vec())
        .bind(commit.0)
        .bind(notebook.created_at)
        .bind(notebook.updated_at);
    Ok(outputs.bind(cells.bind(statement)).bind(notebook.life.number()))
}

/// Loads a notebook whole.
pub(crate) async fn load(database: &Database, id: &NotebookId) -> Result<Option<Loaded>, Error> {
    let rows = database.read(|| sqlx::query(include_str!("sql/load.sql")).bind(id.as_str())).await?;
    let loaded = rows::loaded(&rows)?;
    if let Some(loaded) = &loaded {
        database.doubts.saw(loaded.version);
    }
    Ok(loaded)
}

/// Whose a notebook is.
pub(crate) async fn owner(database: &Database, id: &NotebookId) -> Result<Option<UserId>, Error> {
    const SQL: &str = "SELECT user_id FROM notebooks WHERE id = $1";
    let rows = database.read(|| sqlx::query(SQL).bind(id.as_str())).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let owner: &str = rows::column(row, "notebooks", "user_id")?;
    UserId::new(owner).map(Some).map_err(|error| rows::refuse("notebooks", id.as_str(), "user_id")(&error))
}

/// The digests of these notebooks: stored ones where nothing has changed since, computed ones elsewhere.
pub(crate) async fn digests(database: &Database, ids: &[NotebookId]) -> Result<Vec<Digested>, Error> {
    const SQL: &str =
        "SELECT id, user_id, life, revision, version, content_digest, db_conn_sealed IS NOT NULL AS has_connection
        FROM notebooks WHERE id = ANY ($1)";
    const TABLE: &str = "notebooks";
    let wanted: Vec<&str> = ids.iter().map(NotebookId::as_str).collect();
    let mut found = Vec::with_capacity(ids.len());
    for row in database.read(|| sqlx::query(SQL).bind(wanted.clone())).await? {
        let (id, owner): (&str, &str) = (rows::column(&row, TABLE, "id")?, rows::column(&row, TABLE, "user_id")?);
        let (Ok(id), Ok(owner)) = (NotebookId::new(id), UserId::new(owner)) else { continue };
        let digest: Option<&[u8]> = rows::column(&row, TABLE, "content_digest")?;
        match digest.and_then(|digest| digest.try_into().ok()) {
            Some(digest) => found.push(Digested {
                id,
                owner,
                life: rows::base(&row)?.life,
                revision: rows::base(&row)?.revision,
                version: Version(rows::column(&row, TABLE, "version")?),
                digest: ContentDigest(digest),
                has_connection: rows::column(&row, TABLE, "has_connection")?,
            }),
            None => match load(database, &id).await {
                Ok(Some(Loaded { notebook, version })) => found.push(Digested {
                    digest: notebook.content_digest(),
                    has_connection: notebook.connection.is_some(),
                    life: notebook.life,
                    owner: notebook.owner,
                    revision: notebook.revision,
                    version,
                    id,
                }),
                Ok(None) | Err(Error::Row { .. }) => {}
                Err(error) => return Err(error),
            },
        }
    }
    Ok(found)
}

/// Deletes a notebook with everything in it, if it is still the base.
pub(crate) async fn delete(
    database: &Database,
    id: &NotebookId,
    base: Base,
    answer: Option<&KeptAnswer>,
) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM notebooks WHERE id = $1 AND life = $2 AND revision = $3 RETURNING id";
    const ANSWERING: &str = concat!(
        "WITH gone AS (DELETE FROM notebooks WHERE id = $1 AND life = $2 AND revision = $3 RETURNING id)",
        keeping!("gone", "$4", "$5", "$6", "$7", "$8"),
        "SELECT id FROM gone"
    );
    let bind = |sql| sqlx::query(sql).bind(id.as_str().to_owned()).bind(base.life.number()).bind(base.revision.0);
    let statement = match answer {
        None => bind(SQL),
        Some(answer) => answers::bind(bind(ANSWERING), std::slice::from_ref(answer)),
    };
    match database.fetch_optional(statement).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => match stored(database, id).await.map_err(Error::of_look)? {
            None => Err(Error::NotFound),
            Some(_other) => Err(Error::Mismatch(base.revision)),
        },
        // Gone is gone, also when another one has been made since.
        Err(error) if error.is_in_doubt() => {
            match stored(database, id).await.map(|stored| stored.filter(|now| now.life == base.life)) {
                Ok(None) => match answer {
                    None => Ok(()),
                    // Whether it was this that deleted it or not: what is answered now is to be answered again.
                    Some(answer) => answers::keep_if_missing(database, answer)
                        .await
                        .map_err(|error| Error::Unknown(Box::new(error))),
                },
                Ok(Some(_)) => Err(error),
                Err(later) => Err(Error::Unknown(Box::new(later))),
            }
        }
        Err(error) => Err(error),
    }
}

/// What is stored under this id now.
async fn stored(database: &Database, id: &NotebookId) -> Result<Option<Base>, Error> {
    const SQL: &str = "SELECT life, revision FROM notebooks WHERE id = $1";
    let rows = database.read(|| sqlx::query(SQL).bind(id.as_str())).await?;
    rows.first().map(rows::base).transpose()
}
