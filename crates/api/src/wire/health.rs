//! The state of the server.

use serde::Serialize;
use utoipa::ToSchema;

use super::names::{DatabaseName, ProbeName};

/// The state of the server.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HealthStatus {
    Healthy,
    Degraded,
    Unhealthy,
}

/// The state of the server and its store.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthOut {
    pub(crate) status: HealthStatus,
    #[schema(value_type = DatabaseName)]
    pub(crate) database: &'static str,
}

/// The response to a probe.
#[derive(Serialize, ToSchema)]
#[schema(as = Probe)]
pub(crate) struct ProbeOut {
    #[schema(value_type = ProbeName)]
    pub(crate) status: &'static str,
}
