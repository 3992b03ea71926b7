//! The choice between development mode and sign-in with Clerk, and the settings that depend on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use quire_api::{Authenticator, ClerkKeys, ClerkSettings, InvalidClerk};
use quire_config::{ConfigError, Origin, Sources, Written};

use crate::options::{DEFAULT_DEV_USER, Options};

/// The settings of which each one enables sign-in.
const CLERK: [&str; 4] = ["clerk_issuer", "clerk_publishable_key", "clerk_jwks_url", "clerk_jwt_key"];

/// Creates the authentication of requests.
pub(crate) fn authenticator(options: &Options, sources: &Sources) -> Result<Authenticator, ConfigError> {
    let Some((name, clerk)) = CLERK.iter().find_map(|name| Some((name, sources.written(name)?))) else {
        return Ok(Authenticator::development(options.dev_user.clone()));
    };
    // The value in a copy of the default file is no choice of the operator.
    let is_default = |user: &&Written| matches!(user.origin, Origin::File { .. }) && user.text == DEFAULT_DEV_USER;
    if let Some(Written { origin, .. }) = sources.written("dev_user").filter(|user| !is_default(user)) {
        let (what, by) = (format!("dev_user from {origin}"), format!("{name} from {}", clerk.origin));
        return Err(ConfigError::Invalid(format!(
            "Invalid {what}: with sign-in, which {by} asks for, no request may be taken for one of somebody who has not \
             signed in, so leave one of the two out."
        )));
    }
    let keys = match (sources.written("clerk_jwt_key"), sources.written("clerk_jwks_url")) {
        (Some(pem), _) => ClerkKeys::Pem(pem.text.clone()),
        (None, Some(url)) => ClerkKeys::At(url.text.clone()),
        (None, None) => ClerkKeys::OfIssuer,
    };
    let settings = ClerkSettings {
        issuer: issuer(sources)?,
        keys,
        authorized_parties: options.allowed_origins.clone(),
        party_may_be_missing: options.clerk_missing_azp,
    };
    Authenticator::clerk(settings).map_err(|error| {
        let key = match error {
            InvalidClerk::KeysUrl => "clerk_jwks_url",
            InvalidClerk::Pem => "clerk_jwt_key",
            _ => "clerk_issuer",
        };
        let from = sources.written(key).map(|Written { origin, .. }| format!(" from {origin}"));
        ConfigError::Invalid(format!("Invalid {key}{}: {error}.", from.unwrap_or_default()))
    })
}

fn issuer(sources: &Sources) -> Result<String, ConfigError> {
    if let Some(issuer) = sources.written("clerk_issuer") {
        return Ok(issuer.text.clone());
    }
    let Some(Written { text, origin }) = sources.written("clerk_publishable_key") else {
        return Err(ConfigError::Invalid(
            "Missing clerk_issuer: sign-in is configured, but not whose tokens are taken; set CLERK_ISSUER, or \
             CLERK_PUBLISHABLE_KEY, which names the issuer."
                .to_owned(),
        ));
    };
    // The message does not repeat the value, which may be the secret key by mistake.
    let must = "it must be the publishable key from Clerk's dashboard, pk_live_… or pk_test_…";
    issuer_of(text).ok_or_else(|| ConfigError::Invalid(format!("Invalid clerk_publishable_key from {origin}: {must}.")))
}

/// Returns the issuer of a publishable key, which is a prefix, then the host and a dollar sign in base64.
fn issuer_of(key: &str) -> Option<String> {
    let encoded = key.strip_prefix("pk_live_").or_else(|| key.strip_prefix("pk_test_")).unwrap_or_default();
    let host = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok().and_then(|host| String::from_utf8(host).ok());
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    let host = host.as_deref().and_then(|host| host.strip_suffix('$')).filter(|host| is_host(host))?;
    Some(format!("https://{host}"))
}

/// Parses an address that only this machine reaches, and that requests may name as their host.
pub(crate) fn loopback(text: &str) -> Result<IpAddr, String> {
    let address = named(text).map_err(|_name| "it must be 127.0.0.1, ::1 or localhost".to_owned())?;
    if [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&address) {
        return Ok(address);
    }
    if address.is_loopback() {
        return Err(
            "it must be 127.0.0.1, ::1 or localhost, since requests to any other address are refused".to_owned()
        );
    }
    Err("without sign-in, anybody who reaches the server could read and change every notebook, so it must be \
         127.0.0.1, ::1 or localhost; to reach it from elsewhere, configure sign-in (CLERK_ISSUER), or forward the \
         port, for example with ssh -L"
        .to_owned())
}

/// Parses any address of this machine.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    named(text)
        .map_err(|_name| "it must be an address of this machine, such as 0.0.0.0 for all, or localhost".to_owned())
}

fn named(text: &str) -> Result<IpAddr, std::net::AddrParseError> {
    if text == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { text.parse() }
}
