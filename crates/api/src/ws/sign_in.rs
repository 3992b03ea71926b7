//! Signing in by the first message, and again later.

use actix_web::rt::time::{sleep, timeout};

use super::end::End;
use super::lifetime::Lifetime;
use super::messages::{self, In};
use super::seats::Waiting;
use super::socket::{Frame, Socket, failed, stopped, unwritable};
use crate::auth::{AuthError, SignedIn};
use crate::problem::Problem;

impl Socket {
    /// Waits for the client to sign in. Returns who it is and what it has seen when it was last here.
    pub(crate) async fn sign_in(&mut self, mut waiting: Waiting) -> Result<(Waiting, SignedIn, Option<String>), End> {
        let (mut stopping, limit) = (self.stopping.clone(), self.shared.settings.sockets.sign_in_within);
        let (signed_in, resume) = tokio::select! {
            signed_in = self.authenticate() => signed_in?,
            _ = &mut waiting.evicted => {
                return Err(End::overloaded("Too many sockets have not signed in; sign in at once after connecting."));
            }
            () = stopped(&mut stopping) => return Err(End::restart()),
            () = sleep(limit) => {
                return Err(End::refused(format!("Sign in within {} s: nothing to that end has come.", limit.as_secs())));
            }
        };
        Ok((waiting, signed_in, resume))
    }

    async fn authenticate(&mut self) -> Result<(SignedIn, Option<String>), End> {
        let (token, resume) = loop {
            self.outbox.send().await?;
            let frame = tokio::select! {
                frame = self.stream.recv() => frame,
                () = self.outbox.room() => continue,
            };
            let frame = self.received(frame).map_err(|end| match end.message {
                Some(message) => End::refused(message),
                None => end,
            })?;
            match frame {
                None => {}
                Some(Frame::Text(text)) => match serde_json::from_str(&text) {
                    Ok(In::Authenticate { token, resume }) => break (token, resume),
                    // The old client may ask before it has an answer.
                    Ok(In::RunCell {}) => {}
                    _ => return Err(not_signed_in()),
                },
                Some(Frame::Binary) => return Err(not_signed_in()),
            }
        };
        let signed_in = self.shared.settings.authenticator.authenticate(&token).await;
        Ok((signed_in.map_err(|error| failed(&error.into()))?, resume))
    }

    /// Takes another token of the same user.
    pub(crate) async fn refresh(&mut self, token: &str, lifetime: &mut Lifetime) -> Result<(), End> {
        let (authenticator, limit) = (&self.shared.settings.authenticator, self.shared.settings.request_timeout);
        let told = match timeout(limit, authenticator.authenticate(token)).await {
            Ok(Ok(signed_in)) if Some(&signed_in.user) == self.user.as_ref() => {
                lifetime.refresh(signed_in.expires_at);
                messages::auth_refreshed()
            }
            Ok(Ok(_)) => messages::error("The token is another user's; the socket stays as it was."),
            Ok(Err(error @ AuthError::Inactive)) => return Err(failed(&error.into())),
            Ok(Err(error)) => messages::error(&Problem::from(error).to_string()),
            Err(_elapsed) => messages::error("Signing in takes too long for the moment; try again."),
        };
        self.outbox.push(told.map_err(unwritable)?);
        Ok(())
    }

    /// Ends the socket of a user who may not use the server any more.
    pub(crate) async fn check_active(&self) -> Result<(), End> {
        let Some(user) = &self.user else { return Ok(()) };
        let (authenticator, limit) = (&self.shared.settings.authenticator, self.shared.settings.request_timeout);
        match timeout(limit, authenticator.check_active(user)).await {
            Ok(Err(error @ AuthError::Inactive)) => Err(failed(&error.into())),
            // That it cannot be said now is no reason to throw anybody out.
            _ => Ok(()),
        }
    }
}

fn not_signed_in() -> End {
    End::refused("Sign in first: the first message must be {\"type\": \"authenticate\", \"token\": …}.")
}
