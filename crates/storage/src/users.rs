//! What is known of users beside their notebooks.

use std::fmt::Debug;

use async_trait::async_trait;
use quire_domain::UserId;

use crate::StoreError;

/// What a directory knows of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownUser {
    /// Whether the user may use the server.
    pub is_active: bool,
    /// Their e-mail address.
    pub email: Option<String>,
}

/// Knows users. Apart from the notebooks' store, since only databases have one.
#[async_trait]
pub trait UserDirectory: Debug + Send + Sync + 'static {
    /// What is known of this user; nothing of one who has never made a notebook.
    ///
    /// # Errors
    /// When the directory fails.
    async fn find(&self, user: &UserId) -> Result<Option<KnownUser>, StoreError>;

    /// Notes a known user's e-mail address; does nothing for one who is not known.
    ///
    /// # Errors
    /// When the directory fails.
    async fn set_email(&self, user: &UserId, email: &str) -> Result<(), StoreError>;
}
