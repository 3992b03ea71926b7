//! interim
use sqlx::postgres::PgConnectOptions;
/// interim
#[derive(Clone, Debug)]
pub struct DatabaseUrl(PgConnectOptions);
/// interim
#[derive(Debug, thiserror::Error)]
#[error("bad")]
pub struct InvalidUrl;
/// interim
#[derive(Debug)]
pub enum PasswordSource {}
impl DatabaseUrl {
    /// interim
    pub fn parse(url: &str) -> Result<Self, InvalidUrl> {
        url.parse().map(Self).map_err(|_| InvalidUrl)
    }
    /// interim
    pub fn connect_options(&self, name: &str) -> Result<PgConnectOptions, InvalidUrl> {
        Ok(self.0.clone().application_name(name))
    }
    /// interim
    pub fn password_may_change(&self) -> bool {
        false
    }
}
