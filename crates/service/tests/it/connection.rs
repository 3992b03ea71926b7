//! Connection strings: sealed in the store, masked for their owner, and never changed by what was only shown.

use std::sync::Arc;

use quire_domain::{
    CannotOpen, ConnectionString, Edit, NotebookId, Revision, SecretKey, SecretKeys, ShownConnection, StoredConnection,
};
use quire_service::{Edited, EventKind, NotebookService, Options, ServiceError};

use crate::support::{World, ann, options};

const PLAIN: &str = "postgres://me:hunter2@h/d";
const SHOWN: &str = "postgres://me:••••••••@h/d";
const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const TWO: &str = "BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Returns the options for a database.
fn sealing(current: &str, old: Option<&str>) -> Options {
    let key = |text| SecretKey::parse(text).unwrap();
    let keys = SecretKeys { current: key(current), old: old.map(key) };
    Options { keys: Some(Arc::new(keys)), ..Options::default() }
}

/// Another service on the same store, which knows the notebook only as it is stored.
fn again(world: &World, options: Options) -> NotebookService {
    NotebookService::new(Arc::clone(&world.store), options).unwrap()
}

async fn set(service: &NotebookService, id: &NotebookId, text: &str) -> Result<Edited, ServiceError> {
    service.set_connection(&ann(), id, None, ConnectionString::new(text).unwrap()).await
}

async fn shown(service: &NotebookService, id: &NotebookId) -> Option<String> {
    let published = service.get(&ann(), id).await.unwrap();
    published.connection.as_ref().map(|shown| shown.as_str().to_owned())
}

async fn opened(service: &NotebookService, id: &NotebookId) -> Result<Option<String>, CannotOpen> {
    let published = service.get(&ann(), id).await.unwrap();
    Ok(service.connection(&published)?.map(|connection| connection.expose().to_owned()))
}

async fn stored(world: &World, id: &NotebookId) -> Option<StoredConnection> {
    world.store.load(id).await.unwrap().unwrap().notebook.connection
}

#[tokio::test]
async fn with_a_key_the_store_gets_it_sealed_and_the_owner_sees_a_mask() {
    let world = World::with(sealing(ONE, None));
    let (id, _) = world.notebook().await;
    assert_eq!(set(&world.service, &id, PLAIN).await.unwrap().revision, Revision(1));
    let sealed = stored(&world, &id).await.unwrap();
    assert!(sealed.is_sealed() && !sealed.expose().contains("hunter2"));
    assert_eq!(shown(&world.service, &id).await.as_deref(), Some(SHOWN));
    assert_eq!(opened(&world.service, &id).await.unwrap().as_deref(), Some(PLAIN));
    let other = again(&world, sealing(TWO, Some(ONE)));
    assert_eq!(opened(&other, &id).await.unwrap().as_deref(), Some(PLAIN), "the old key still opens it");
}

#[tokio::test]
async fn what_was_shown_changes_nothing_and_is_never_taken_for_a_password() {
    for options in [sealing(ONE, None), options()] {
        let world = World::with(options);
        let (id, _) = world.notebook().await;
        set(&world.service, &id, PLAIN).await.unwrap();
        let before = stored(&world, &id).await;
        for same in [SHOWN, PLAIN] {
            let edited = set(&world.service, &id, same).await.unwrap();
            assert_eq!((edited.revision, edited.change.is_none()), (Revision(1), true), "{same}");
        }
        for edited in [
            &SHOWN.replace("@h", "@other"),
            &SHOWN.replacen('•', "", 1),
            &format!("{SHOWN} "),
            ShownConnection::unavailable().as_str(),
        ] {
            let refused = set(&world.service, &id, edited).await;
            assert!(matches!(refused, Err(ServiceError::PasswordMasked)), "{edited}: {refused:?}");
        }
        let sealed = format!("{}x.y", StoredConnection::SEALED_PREFIX);
        assert!(matches!(set(&world.service, &id, &sealed).await, Err(ServiceError::LooksSealed)));
        assert_eq!(world.faults.commits.lock().unwrap().len(), 1);
        assert_eq!(stored(&world, &id).await, before);
        assert_eq!(set(&world.service, &id, "postgres://me:other@h/d").await.unwrap().revision, Revision(2));
        assert_eq!(shown(&world.service, &id).await.as_deref(), Some(SHOWN), "the same mask for every password");
        assert_eq!(set(&world.service, &id, "").await.unwrap().revision, Revision(3));
        assert_eq!((shown(&world.service, &id).await, opened(&world.service, &id).await), (None, Ok(None)));
        assert_eq!(set(&world.service, &id, "").await.unwrap().revision, Revision(3));
    }
}

#[tokio::test]
async fn another_database_keeps_the_password() {
    let world = World::with(sealing(ONE, None));
    let (id, _) = world.notebook().await;
    set(&world.service, &id, PLAIN).await.unwrap();
    let other = SHOWN.replace("/d", "/other?application_name=x");
    assert_eq!(set(&world.service, &id, &other).await.unwrap().revision, Revision(2));
    let expected = PLAIN.replace("/d", "/other?application_name=x");
    assert_eq!(opened(&world.service, &id).await.unwrap().as_deref(), Some(&*expected));
    assert_eq!(shown(&world.service, &id).await, Some(other));
    assert!(stored(&world, &id).await.unwrap().is_sealed());
}

#[tokio::test]
async fn edits_of_a_group_are_decided_in_their_order() {
    let world = World::with(sealing(ONE, None));
    let (id, _) = world.notebook().await;
    world.close_gate();
    let ask = |text: &'static str| {
        let (service, id) = (world.service.clone(), id.clone());
        tokio::spawn(async move { set(&service, &id, text).await })
    };
    let rename = {
        let (service, id) = (world.service.clone(), id.clone());
        tokio::spawn(async move { service.edit(&ann(), &id, None, Edit::Rename { name: "n".to_owned() }).await })
    };
    world.commits_waiting(1).await;
    let mut asked = Vec::new();
    for text in [SHOWN, PLAIN, SHOWN, "postgres://h/d", SHOWN] {
        asked.push(ask(text));
        tokio::task::yield_now().await; // on this one-threaded runtime it is in the queue then
        tokio::task::yield_now().await;
    }
    world.open_gate();
    rename.await.unwrap().unwrap();
    let mut revisions = Vec::new();
    for answer in asked {
        revisions.push(answer.await.unwrap().map(|edited| edited.revision.0).ok());
    }
    assert_eq!(revisions, [None, Some(2), Some(2), Some(3), None]);
    assert_eq!(*world.faults.commits.lock().unwrap(), [1, 2]);
}

#[tokio::test]
async fn an_edit_that_is_applied_again_is_decided_anew() {
    let world = World::with(sealing(ONE, None));
    let (id, _) = world.notebook().await;
    shown(&world.service, &id).await;
    let other = again(&world, sealing(ONE, None));
    set(&other, &id, PLAIN).await.unwrap();
    // This service may not know the other's edit yet. Its commit is refused then, and it refreshes the notebook.
    assert_eq!(set(&world.service, &id, "postgres://me:x@h2/d").await.unwrap().revision, Revision(2));
    assert_eq!(opened(&again(&world, sealing(ONE, None)), &id).await.unwrap().as_deref(), Some("postgres://me:x@h2/d"));
}

#[tokio::test]
async fn without_a_key_a_store_of_sealed_strings_gets_none() {
    let world = World::with(Options::default());
    let (id, _) = world.notebook().await;
    for text in [PLAIN, "postgres://h/d"] {
        assert!(matches!(set(&world.service, &id, text).await, Err(ServiceError::NoSecretKey)));
    }
    let edit = Edit::SetConnection { connection: StoredConnection::new(PLAIN).unwrap() };
    let refused = world.service.edit(&ann(), &id, None, edit).await;
    assert!(matches!(refused, Err(ServiceError::NoSecretKey)), "not by the other way either");
    assert_eq!(set(&world.service, &id, "").await.unwrap().revision, Revision(0));
    assert_eq!(stored(&world, &id).await, None);
}

#[tokio::test]
async fn a_plain_string_of_a_file_is_used_as_it_is_and_sealed_when_it_changes() {
    let world = World::new();
    let (id, _) = world.notebook().await;
    set(&world.service, &id, PLAIN).await.unwrap();
    assert_eq!(stored(&world, &id).await.unwrap().expose(), PLAIN);
    let keyed = again(&world, Options { plain_connections: true, ..sealing(ONE, None) });
    assert_eq!(shown(&keyed, &id).await.as_deref(), Some(SHOWN));
    assert_eq!(set(&keyed, &id, PLAIN).await.unwrap().revision, Revision(1));
    assert_eq!(stored(&world, &id).await.unwrap().expose(), PLAIN);
    set(&keyed, &id, "postgres://me:new@h/d").await.unwrap();
    assert!(stored(&world, &id).await.unwrap().is_sealed());
    // An edit that was made elsewhere takes the same way.
    let edit = Edit::SetConnection { connection: StoredConnection::new(PLAIN).unwrap() };
    assert_eq!(keyed.edit(&ann(), &id, None, edit).await.unwrap().revision, Revision(3));
    assert!(stored(&world, &id).await.unwrap().is_sealed());
    assert_eq!(opened(&keyed, &id).await.unwrap().as_deref(), Some(PLAIN));
}

#[tokio::test]
async fn what_cannot_be_opened_is_shown_as_unavailable_and_the_notebook_opens() {
    let world = World::with(sealing(ONE, None));
    let (id, _) = world.notebook().await;
    set(&world.service, &id, PLAIN).await.unwrap();
    let sealed = stored(&world, &id).await.unwrap();
    // The same text in another notebook, as somebody would put it there who can write to the store.
    let (moved, _) = world.notebook().await;
    let edit = Edit::SetConnection { connection: Some(sealed) };
    world.service.edit(&ann(), &moved, None, edit).await.unwrap();
    let plain = World::new();
    let (unsealed, _) = plain.notebook().await;
    set(&plain.service, &unsealed, PLAIN).await.unwrap();

    let unavailable = ShownConnection::unavailable();
    for (world, options, id, reason) in [
        (&world, options(), &id, CannotOpen::NoKey),
        (&world, sealing(TWO, None), &id, CannotOpen::OtherKey),
        (&world, sealing(ONE, None), &moved, CannotOpen::Altered),
        (&plain, sealing(ONE, None), &unsealed, CannotOpen::NotSealed),
    ] {
        let service = again(world, options);
        assert_eq!(opened(&service, id).await, Err(reason));
        assert_eq!(shown(&service, id).await.as_deref(), Some(unavailable.as_str()));
        let edited = set(&service, id, unavailable.as_str()).await.unwrap();
        assert!(edited.change.is_none());
        let refused = set(&service, id, &format!("{} ", unavailable.as_str())).await;
        assert!(matches!(refused, Err(ServiceError::PasswordMasked)));
    }
    let service = again(&world, sealing(TWO, None));
    set(&service, &id, PLAIN).await.unwrap();
    assert_eq!(shown(&service, &id).await.as_deref(), Some(SHOWN), "entered again, it is there again");
}

#[tokio::test]
async fn debugging_a_service_or_what_it_gives_shows_no_connection_string() {
    for options in [sealing(ONE, None), options()] {
        let world = World::with(options);
        let (id, _) = world.notebook().await;
        let mut watch = world.service.watch(&ann(), &id).await.unwrap();
        let edited = set(&world.service, &id, PLAIN).await.unwrap();
        let event = watch.next().await.unwrap();
        assert!(matches!(&event.kind, EventKind::Changed(change) if change.connection.is_some()));
        let published = world.service.get(&ann(), &id).await.unwrap();
        let connection = world.service.connection(&published);
        let refused = set(&world.service, &id, &SHOWN.replace("@h", "@other")).await;
        let all =
            format!("{:?} {published:?} {edited:?} {event:?} {watch:?} {connection:?} {refused:?}", world.service);
        assert!(all.contains("hidden"));
        for secret in ["hunter2", "postgres:", "q1.", &ONE[..8]] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
    }
}
