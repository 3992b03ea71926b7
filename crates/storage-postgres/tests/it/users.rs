use quire_domain::UserId;
use quire_storage::prelude::*;
use quire_storage::{KnownUser, StoreError, UserDirectory as _};
use quire_storage_postgres::Options;
use quire_test_postgres::Database;

use crate::support::{ann, notebook, open, open_with};

#[tokio::test]
async fn a_user_is_known_from_the_first_notebook_on_and_active_until_told_otherwise() {
    let database = Database::fresh().await;
    let store = open(&database);
    assert_eq!(store.find(&ann()).await.unwrap(), None);
    store.set_email(&ann(), "ann@example.com").await.unwrap();
    assert_eq!(store.find(&ann()).await.unwrap(), None, "an address makes nobody known");

    store.create(&notebook("n", &[]), None).await.unwrap();
    assert_eq!(store.find(&ann()).await.unwrap(), Some(KnownUser { is_active: true, email: None }));
    for email in ["ann@example.com", "ann@example.com", "änn\u{FDD0}@example.com"] {
        store.set_email(&ann(), email).await.unwrap();
        let known = store.find(&ann()).await.unwrap();
        assert_eq!(known, Some(KnownUser { is_active: true, email: Some(email.to_owned()) }));
    }
    let mut connection = database.connect().await;
    let end = "UPDATE users SET is_active = false WHERE id = 'ann'";
    sqlx::raw_sql(end).execute(&mut connection).await.unwrap();
    assert!(!store.find(&ann()).await.unwrap().unwrap().is_active);
    assert_eq!(store.find(&UserId::new("Ann").unwrap()).await.unwrap(), None, "ids are exact");
}

#[tokio::test]
async fn an_address_is_written_only_when_it_is_another_one() {
    let database = Database::fresh().await;
    let store = open(&database);
    store.create(&notebook("n", &[]), None).await.unwrap();
    let mut connection = database.connect().await;
    let mut row = async || {
        let place: (String,) = sqlx::query_as("SELECT ctid::text FROM users").fetch_one(&mut connection).await.unwrap();
        place.0
    };
    store.set_email(&ann(), "ann@example.com").await.unwrap();
    let written = row().await;
    store.set_email(&ann(), "ann@example.com").await.unwrap();
    assert_eq!(row().await, written);
    store.set_email(&ann(), "ann@example.org").await.unwrap();
    assert_ne!(row().await, written);
}

#[tokio::test]
async fn a_database_that_is_away_is_told() {
    let url = "postgres://nobody@127.0.0.1:1/none";
    let away = open_with(url, Options::default());
    assert!(matches!(away.find(&ann()).await, Err(StoreError::Unavailable { .. })));
}
