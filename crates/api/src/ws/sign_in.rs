//! Signing in by the first message, and again later.

use actix_web::rt::time::sleep;
use quire_domain::UserId;

use super::end::End;
use super::lifetime::Lifetime;
use super::messages::{self, ClientMessage};
use super::socket::{Frame, Socket, failed, limit_reached, stopped, unwritable};
use super::timers::ticks;
use crate::app_state::AppState;
use crate::auth::{AuthError, SignedIn};
use crate::limiters::socket_limiter::{PendingSocket, SocketPermit};
use crate::problem::Problem;

impl Socket {
    /// Waits for the client to sign in. Returns the permit, the user, and the position to resume from.
    pub(crate) async fn sign_in(
        &mut self,
        mut pending: PendingSocket,
    ) -> Result<(SocketPermit, SignedIn, Option<String>), End> {
        let (state, mut stopping) = (self.state.clone(), self.stopping.clone());
        let limit = state.settings.sockets.sign_in_within;
        let (token, resume) = tokio::select! {
            shown = self.token() => shown?,
            _ = &mut pending.evicted => {
                return Err(End::overloaded("Too many sockets have not signed in; sign in at once after connecting."));
            }
            () = stopped(&mut stopping) => return Err(End::restart()),
            () = sleep(limit) => {
                return Err(End::refused(format!("Sign in within {} s: nothing to that end has come.", limit.as_secs())));
            }
        };
        let mut permit = pending.into_permit().map_err(limit_reached)?;
        let signed_in = tokio::select! {
            signed_in = state.sign_in(&token) => signed_in.map_err(|problem| failed(&problem))?,
            () = stopped(&mut stopping) => return Err(End::restart()),
        };
        permit.sign_in(&signed_in.user, &state.settings.sockets).map_err(limit_reached)?;
        Ok((permit, signed_in, resume))
    }

    /// Waits for the client's token.
    async fn token(&mut self) -> Result<(String, Option<String>), End> {
        loop {
            self.outbox.send().await?;
            let frame = tokio::select! {
                frame = self.stream.recv() => frame,
                () = self.outbox.room() => continue,
            };
            match self.received(frame)? {
                None => {}
                Some(Frame::Text(text)) => match serde_json::from_str(&text) {
                    Ok(ClientMessage::Authenticate { token, resume }) => return Ok((token, resume)),
                    // The old client may send this before it is signed in.
                    Ok(ClientMessage::RunCell { cell_id }) => self.queue_run(&cell_id)?,
                    _ => return Err(not_signed_in()),
                },
                Some(Frame::Binary) => return Err(not_signed_in()),
            }
        }
    }

    /// Takes in the outcome of a renewed sign-in: a token of the same user, or an error to report.
    pub(crate) fn refresh(&mut self, renewed: Result<SignedIn, Problem>, lifetime: &mut Lifetime) -> Result<(), End> {
        let told = match renewed {
            Ok(signed_in) if Some(&signed_in.user) == self.user.as_ref() => {
                lifetime.refresh(signed_in.expires_at);
                messages::auth_refreshed()
            }
            Ok(_) => messages::error("The token is another user's; the socket stays as it was."),
            Err(problem) if problem.name() == "inactive_user" => return Err(failed(&problem)),
            Err(problem) => messages::error(&problem.to_string()),
        };
        self.outbox.push(told.map_err(unwritable)?);
        Ok(())
    }
}

/// Waits until the user is deactivated.
pub(crate) async fn inactive(state: &AppState, user: &UserId) -> End {
    let authenticator = &state.settings.authenticator;
    let mut checks = ticks(state.settings.sockets.check_every);
    loop {
        checks.tick().await;
        // An unavailable directory disconnects no user.
        if let Err(error @ AuthError::Inactive) = authenticator.check_active(user).await {
            return failed(&error.into());
        }
    }
}

fn not_signed_in() -> End {
    End::refused("Sign in first: the first message must be {\"type\": \"authenticate\", \"token\": …}.")
}
