//! The address of the client: that of the connection's peer or, behind trusted proxies, the one that they forward.

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Maximum bytes of all `X-Forwarded-For` fields of a request together. A longer header is not read.
const MAX_HEADER_BYTES: usize = 4096;

/// Returns the client's address, with `trusted_proxies` proxies in front of the server. Each proxy appends the address of
/// its own peer to `X-Forwarded-For`, so the entry of the outermost trusted proxy is that many from the right; what is
/// further left was written by the client. A header that does not hold such an entry leaves the peer's address.
pub(crate) fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    forwarded(headers, trusted_proxies).or(peer)
}

/// The network of a client's address, as far as it tells clients apart: an IPv4 address, or the /64 of an IPv6 address, which
/// one customer gets. Clients without an address are one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Network(u128);

impl Network {
    pub(crate) fn of(address: Option<IpAddr>) -> Self {
        Self(match address {
            None => 0,
            Some(IpAddr::V4(address)) => u128::from(address.to_ipv6_mapped()),
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(_) => u128::from(address),
                None => u128::from(address) >> 64 << 64,
            },
        })
    }
}

fn forwarded(headers: &HeaderMap, trusted_proxies: usize) -> Option<IpAddr> {
    let from_right = trusted_proxies.checked_sub(1)?;
    let mut fields = Vec::new();
    let mut length = 0;
    for value in headers.get_all(X_FORWARDED_FOR) {
        length += value.len();
        if length > MAX_HEADER_BYTES {
            return None;
        }
        fields.push(value.to_str().ok()?);
    }
    let mut entries = fields.iter().rev().flat_map(|field| field.rsplit(','));
    address(entries.nth(from_right)?.trim())
}

/// Parses an entry: an address, which some proxies put in brackets or follow with the port.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    entry.parse().ok().or_else(|| entry.parse().map(|socket: std::net::SocketAddr| socket.ip()).ok())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn of(fields: &[&str], trusted_proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        client_address(Some(PEER), &headers, trusted_proxies).unwrap().to_string()
    }

    #[test]
    fn the_entry_of_the_outermost_trusted_proxy_counts() {
        let long = format!("{},192.0.2.7", "9".repeat(MAX_HEADER_BYTES));
        for (fields, trusted_proxies, expected) in [
            (&["192.0.2.7"][..], 0, "10.0.0.1"),
            (&["192.0.2.7"], 1, "192.0.2.7"),
            (&["6.6.6.6, 192.0.2.7"], 1, "192.0.2.7"),
            (&["6.6.6.6, 192.0.2.7,172.16.0.9"], 2, "192.0.2.7"),
            (&["6.6.6.6", "192.0.2.7", "172.16.0.9"], 2, "192.0.2.7"),
            (&["2001:db8::1"], 1, "2001:db8::1"),
            (&["[2001:db8::1]"], 1, "2001:db8::1"),
            (&["[2001:db8::1]:443"], 1, "2001:db8::1"),
            (&["192.0.2.7:443"], 1, "192.0.2.7"),
            // Fewer entries than proxies, and texts that are no address.
            (&["192.0.2.7"], 2, "10.0.0.1"),
            (&[], 1, "10.0.0.1"),
            (&["", ""], 1, "10.0.0.1"),
            (&["192.0.2.7, unknown"], 1, "10.0.0.1"),
            (&["192.0.2.7\u{e9}"], 1, "10.0.0.1"),
            (&["127.1"], 1, "10.0.0.1"),
            (&[&long], 1, "10.0.0.1"),
            (&["192.0.2.7"], usize::MAX, "10.0.0.1"),
        ] {
            assert_eq!(of(fields, trusted_proxies), expected, "{fields:?} behind {trusted_proxies}");
        }
    }
}
