//! Who may use the server: the choice between development mode and Clerk, and what hangs on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use quire_api::{Authenticator, ClerkKeys, ClerkSettings, InvalidClerk, RequestLimit};
use quire_domain::{NotebookId, UserId};

use super::{number, switch};
use crate::sources::{Refusal, Setting, Sources};

/// The settings of which one is enough for sign-in to be wanted.
const CLERK: [&str; 4] = ["clerk_issuer", "clerk_publishable_key", "clerk_jwks_url", "clerk_jwt_key"];

/// Who says who is calling.
pub(super) fn authenticator(sources: &Sources, allowed_origins: &[String]) -> Result<Authenticator, Refusal> {
    // Checked either way, so that a mistake does not wait for the day when the setting counts.
    let user = sources.get("dev_user", user)?;
    let party_may_be_missing = sources.get("clerk_missing_azp", switch)?;
    let Some((name, clerk)) = CLERK.iter().find_map(|name| Some((name, sources.written(name)?))) else {
        return Ok(Authenticator::development(user));
    };
    if let Some(Setting { origin, .. }) = sources.asked_for("dev_user") {
        let (what, by) = (format!("dev_user from {origin}"), format!("{name} from {}", clerk.origin));
        return Err(Refusal(format!(
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
        authorized_parties: allowed_origins.to_vec(),
        party_may_be_missing,
    };
    Authenticator::clerk(settings).map_err(|error| {
        let key = match error {
            InvalidClerk::KeysUrl => "clerk_jwks_url",
            InvalidClerk::Pem => "clerk_jwt_key",
            _ => "clerk_issuer",
        };
        let from = sources.written(key).map(|Setting { origin, .. }| format!(" from {origin}"));
        Refusal(format!("Invalid {key}{}: {error}.", from.unwrap_or_default()))
    })
}

fn issuer(sources: &Sources) -> Result<String, Refusal> {
    if let Some(issuer) = sources.written("clerk_issuer") {
        return Ok(issuer.text.clone());
    }
    let Some(Setting { text, origin }) = sources.written("clerk_publishable_key") else {
        return Err(Refusal(
            "Missing clerk_issuer: sign-in is configured, but not whose tokens are taken; set CLERK_ISSUER, or \
             CLERK_PUBLISHABLE_KEY, which names the issuer."
                .to_owned(),
        ));
    };
    // Not repeated: what was taken for the publishable key may be the secret one.
    let must = "it must be the publishable key from Clerk's dashboard, pk_live_… or pk_test_…";
    issuer_of(text).ok_or_else(|| Refusal(format!("Invalid clerk_publishable_key from {origin}: {must}.")))
}

/// The issuer that a publishable key names: behind its prefix, the host and a dollar sign in base64.
fn issuer_of(key: &str) -> Option<String> {
    let encoded = key.strip_prefix("pk_live_").or_else(|| key.strip_prefix("pk_test_")).unwrap_or_default();
    let host = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).ok().and_then(|host| String::from_utf8(host).ok());
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
    };
    let host = host.as_deref().and_then(|host| host.strip_suffix('$')).filter(|host| is_host(host))?;
    Some(format!("https://{host}"))
}

/// How many requests a user may make.
pub(super) fn request_limit(sources: &Sources) -> Result<Option<RequestLimit>, Refusal> {
    let count = |name, least| {
        let count = sources.get(name, |text| number(text, least, 1_000_000))?;
        Ok(u32::try_from(count).ok().and_then(NonZeroU32::new))
    };
    let (per_second, burst) = (count("requests_per_second", 0)?, count("requests_burst", 1)?);
    Ok(per_second.zip(burst).map(|(per_second, burst)| RequestLimit { per_second, burst }))
}

/// An address that only this machine reaches, and that requests may name as their host.
pub(super) fn loopback(text: &str) -> Result<IpAddr, String> {
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

/// Any address of this machine.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    named(text)
        .map_err(|_name| "it must be an address of this machine, such as 0.0.0.0 for all, or localhost".to_owned())
}

fn named(text: &str) -> Result<IpAddr, std::net::AddrParseError> {
    if text == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { text.parse() }
}

fn user(text: &str) -> Result<UserId, String> {
    let user = UserId::new(text).map_err(|error| error.to_string())?;
    // Both are made for every user, so their ids must fit too.
    NotebookId::blank_of(&user).map_err(|error| format!("its notebook blank-{text} could not exist: {error}"))?;
    Ok(user)
}
