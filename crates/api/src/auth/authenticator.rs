//! The one way to sign in, for requests and for sockets.

use std::sync::Arc;

use quire_domain::UserId;
use quire_storage::UserDirectory;

use super::clerk::{Clerk, ClerkSettings, InvalidClerk};
use super::error::AuthError;
use super::signed_in::SignedIn;
use super::user_status_cache::UserStatusCache;

/// Says who is calling. A clone is the same authenticator.
#[derive(Clone, Debug)]
pub struct Authenticator {
    way: Way,
    user_statuses: Option<Arc<UserStatusCache>>,
}

#[derive(Clone, Debug)]
enum Way {
    /// Everybody is this user; for the user's own machine.
    Development(UserId),
    /// Clerk's session tokens.
    Clerk(Arc<Clerk>),
}

impl Authenticator {
    /// Takes everybody for this user, whatever the token; only for a server that none but the user's own programs reach.
    #[must_use]
    pub fn development(user: UserId) -> Self {
        Self { way: Way::Development(user), user_statuses: None }
    }

    /// Takes Clerk's session tokens.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub fn clerk(settings: ClerkSettings) -> Result<Self, InvalidClerk> {
        Ok(Self { way: Way::Clerk(Arc::new(Clerk::new(settings)?)), user_statuses: None })
    }

    /// This, letting in only users who are active in the directory.
    #[must_use]
    pub fn with_users(self, directory: Arc<dyn UserDirectory>) -> Self {
        Self { user_statuses: Some(Arc::new(UserStatusCache::new(directory))), ..self }
    }

    /// Whether everybody is one user, and no token is asked for.
    #[must_use]
    pub fn is_development(&self) -> bool {
        matches!(self.way, Way::Development(_))
    }

    /// Says whose token this is. In development mode any will do, the empty one too.
    ///
    /// # Errors
    /// [`AuthError`] says why not.
    pub async fn authenticate(&self, token: &str) -> Result<SignedIn, AuthError> {
        let signed_in = match &self.way {
            Way::Development(user) => SignedIn { user: user.clone(), email: None, expires_at: None },
            Way::Clerk(_) if token.is_empty() => return Err(AuthError::Missing),
            Way::Clerk(clerk) => clerk.check(token).await?,
        };
        if let Some(user_statuses) = &self.user_statuses {
            user_statuses.check(&signed_in.user, signed_in.email.as_deref()).await?;
        }
        Ok(signed_in)
    }

    /// Whether a user who has signed in may still go on; for connections that outlive their first question. Costs little:
    /// what the directory says is remembered for some seconds.
    ///
    /// # Errors
    /// [`AuthError::Inactive`], or [`AuthError::NoDirectory`] when nothing is known of the user.
    pub async fn check_active(&self, user: &UserId) -> Result<(), AuthError> {
        match &self.user_statuses {
            Some(user_statuses) => user_statuses.check(user, None).await,
            None => Ok(()),
        }
    }

    /// Fetches the issuer's keys, so that the first who signs in need not wait for them. That they cannot be had is
    /// logged; they are asked for again when they are needed.
    pub async fn warm_up(&self) {
        if let Way::Clerk(clerk) = &self.way {
            clerk.warm_up().await;
        }
    }
}
