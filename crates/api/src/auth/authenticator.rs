//! The one way to sign in, for requests and for sockets.

use std::sync::Arc;

use quire_domain::UserId;
use quire_storage::UserDirectory;

use super::clerk::{Clerk, ClerkSettings, InvalidClerk};
use super::error::AuthError;
use super::signed_in::SignedIn;
use super::user_status_cache::UserStatusCache;

/// An authenticator of callers. A clone is the same authenticator.
///
/// ```
/// # actix_web::rt::System::new().block_on(async {
/// use quire_api::Authenticator;
/// use quire_domain::UserId;
///
/// let authenticator = Authenticator::development(UserId::new("ann")?);
/// assert_eq!(authenticator.authenticate("any token").await?.user.as_str(), "ann");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Authenticator {
    method: Method,
    user_statuses: Option<Arc<UserStatusCache>>,
}

#[derive(Clone, Debug)]
enum Method {
    /// Every caller is this user; for the user's own machine.
    Development(UserId),
    /// Clerk's session tokens.
    Clerk(Arc<Clerk>),
}

impl Authenticator {
    /// Makes an authenticator that takes every caller for this user, with any token; only for a server that no programs but the
    /// user's own can reach.
    #[must_use]
    pub fn development(user: UserId) -> Self {
        Self { method: Method::Development(user), user_statuses: None }
    }

    /// Makes an authenticator of Clerk's session tokens.
    ///
    /// # Errors
    /// [`InvalidClerk`] when the settings cannot be used.
    pub fn clerk(settings: ClerkSettings) -> Result<Self, InvalidClerk> {
        Ok(Self { method: Method::Clerk(Arc::new(Clerk::new(settings)?)), user_statuses: None })
    }

    /// Adds a directory: only users who are active in it may sign in.
    #[must_use]
    pub fn with_users(self, directory: Arc<dyn UserDirectory>) -> Self {
        Self { user_statuses: Some(Arc::new(UserStatusCache::new(directory))), ..self }
    }

    /// Returns whether every caller is one user, without a token.
    #[must_use]
    pub fn is_development(&self) -> bool {
        matches!(self.method, Method::Development(_))
    }

    /// Returns the user of a token. In development mode any token will do, the empty one too.
    ///
    /// # Errors
    /// [`AuthError`] when the token or its user is refused, or cannot be checked now.
    pub async fn authenticate(&self, token: &str) -> Result<SignedIn, AuthError> {
        let signed_in = match &self.method {
            Method::Development(user) => SignedIn { user: user.clone(), email: None, expires_at: None },
            Method::Clerk(_) if token.is_empty() => return Err(AuthError::Missing),
            Method::Clerk(clerk) => clerk.check(token).await?,
        };
        if let Some(user_statuses) = &self.user_statuses {
            user_statuses.check(&signed_in.user, signed_in.email.as_deref()).await?;
        }
        Ok(signed_in)
    }

    /// Checks that a user who has signed in is still active; for connections that outlive one request. The directory's
    /// reports are cached for some seconds.
    ///
    /// # Errors
    /// [`AuthError::Inactive`], or [`AuthError::NoDirectory`] when the directory is unavailable and no report on the user is cached.
    pub async fn check_active(&self, user: &UserId) -> Result<(), AuthError> {
        match &self.user_statuses {
            Some(user_statuses) => user_statuses.check(user, None).await,
            None => Ok(()),
        }
    }

    /// Fetches the issuer's keys, so that the first sign-in does not wait for them. A failure is logged, and the fetch is
    /// retried when a key is needed.
    pub async fn warm_up(&self) {
        if let Method::Clerk(clerk) = &self.method {
            clerk.warm_up().await;
        }
    }
}
