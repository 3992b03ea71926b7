//! Users, apart from their notebooks.

use std::fmt::Debug;

use async_trait::async_trait;
use quire_domain::UserId;

use crate::StoreError;

/// A user in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownUser {
    /// Set when the user may use the server.
    pub is_active: bool,
    /// Their e-mail address.
    pub email: Option<String>,
}

/// A directory of users. Apart from the notebooks' store, since only databases have one.
///
/// ```
/// use async_trait::async_trait;
/// use quire_domain::UserId;
/// use quire_storage::{KnownUser, StoreError, UserDirectory};
///
/// /// A directory in which every user is active.
/// #[derive(Debug)]
/// struct Open;
///
/// #[async_trait]
/// impl UserDirectory for Open {
///     async fn find(&self, _: &UserId) -> Result<Option<KnownUser>, StoreError> {
///         Ok(Some(KnownUser { is_active: true, email: None }))
///     }
///
///     async fn set_email(&self, _: &UserId, _: &str) -> Result<(), StoreError> {
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait UserDirectory: Debug + Send + Sync + 'static {
    /// Returns this user; `None` for one who has never made a notebook.
    ///
    /// # Errors
    /// When the directory fails.
    async fn find(&self, user: &UserId) -> Result<Option<KnownUser>, StoreError>;

    /// Sets a known user's e-mail address; does nothing for an unknown one.
    ///
    /// # Errors
    /// When the directory fails.
    async fn set_email(&self, user: &UserId, email: &str) -> Result<(), StoreError>;
}
