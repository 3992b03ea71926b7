//! Probes of the server's state, for load balancers and orchestrators.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use quire_storage::{DatabaseState, Health};

use crate::app_state::AppState;
use crate::problem::{Code, Problem};
use crate::response::{HandlerResult, json, read, resource};
use crate::wire::{HealthOut, HealthStatus, ProbeOut};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/health", "GET, HEAD").route(read().to(health)))
        .service(resource("/livez", "GET, HEAD").route(read().to(alive)))
        .service(resource("/readyz", "GET, HEAD").route(read().to(ready)));
}

/// Reads the state of the server.
///
/// For load balancers and people. Needs no sign-in.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "Server",
    security(()),
    responses(
        (status = 200, description = "The server is healthy, or degraded: some notebooks can be read, and other requests fail.", body = HealthOut),
        (status = 503, description = "The server is unhealthy: it shuts down, or no notebook can be read.", body = HealthOut),
    ),
)]
pub(crate) async fn health(state: web::Data<AppState>) -> HandlerResult {
    let health = state.service.health().await;
    let status = status(&health, is_closing(&state));
    let database = match health.database {
        DatabaseState::Connected => "connected",
        DatabaseState::ReadOnly => "read_only",
        DatabaseState::Disconnected => "disconnected",
        DatabaseState::NotConfigured => "not_configured",
    };
    let failed = status == HealthStatus::Unhealthy;
    let mut response = json(64, &HealthOut { status, database })?;
    if failed {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

fn status(health: &Health, closing: bool) -> HealthStatus {
    let whole = matches!(health.database, DatabaseState::Connected | DatabaseState::NotConfigured);
    match (health.reads, health.writes) {
        _ if closing => HealthStatus::Unhealthy,
        (false, false) => HealthStatus::Unhealthy,
        (true, true) if whole => HealthStatus::Healthy,
        _ => HealthStatus::Degraded,
    }
}

/// Time limit of the service's response.
const RESPONDS_WITHIN: Duration = Duration::from_secs(2);

/// Checks that the server works: an edit would reach the store in time.
///
/// For an orchestrator, which restarts a server that fails this probe. Needs no sign-in.
#[utoipa::path(
    get,
    path = "/livez",
    operation_id = "livez",
    tag = "Server",
    security(()),
    responses((status = 200, description = "The server works.", body = ProbeOut)),
)]
pub(crate) async fn alive(state: web::Data<AppState>) -> HandlerResult {
    if !state.service.responds(RESPONDS_WITHIN).await {
        let detail = format!("The server has not got to a task of its own in {} s.", RESPONDS_WITHIN.as_secs());
        return Err(Problem::new(Code::NotResponding, detail).after(5));
    }
    json(32, &ProbeOut { status: "alive" })
}

/// Checks that the server accepts requests.
///
/// For load balancers. Needs no sign-in.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "readyz",
    tag = "Server",
    security(()),
    responses((status = 200, description = "The server accepts requests.", body = ProbeOut)),
)]
pub(crate) async fn ready(state: web::Data<AppState>) -> HandlerResult {
    if is_closing(&state) {
        return Err(Problem::new(Code::ShuttingDown, "The server is shutting down.").after(5));
    }
    json(32, &ProbeOut { status: "ready" })
}

fn is_closing(state: &AppState) -> bool {
    state.in_flight.is_draining() || state.service.is_closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unhealthy_only_when_closing_or_when_nothing_works() {
        let health = |reads, writes, database| Health { reads, writes, database };
        let cases = [
            (health(true, true, DatabaseState::Connected), HealthStatus::Healthy),
            (health(true, true, DatabaseState::NotConfigured), HealthStatus::Healthy),
            (health(true, false, DatabaseState::NotConfigured), HealthStatus::Degraded),
            (health(true, false, DatabaseState::ReadOnly), HealthStatus::Degraded),
            (health(true, true, DatabaseState::Disconnected), HealthStatus::Degraded),
            // Away, and notebooks in memory can be read.
            (health(true, false, DatabaseState::Disconnected), HealthStatus::Degraded),
            (health(false, true, DatabaseState::Connected), HealthStatus::Degraded),
            (health(false, false, DatabaseState::Disconnected), HealthStatus::Unhealthy),
        ];
        for (health, expected) in cases {
            assert_eq!(status(&health, false), expected, "{health:?}");
            assert_eq!(status(&health, true), HealthStatus::Unhealthy, "{health:?}");
        }
    }
}
