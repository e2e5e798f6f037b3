//! Addresses of upstreams as the several parts of nginx print them.
//!
//! Only a literal address with a port is an [`Endpoint`]; names of `upstream` groups and unix
//! sockets are not, and nothing is looked up.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memrchr};
use nom::IResult;
use nom::Parser;
use nom::bytes::complete::{tag, take_till, take_while1};
use nom::character::complete::char;
use nom::sequence::{delimited, separated_pair};
use why504_model::Endpoint;

/// The address in an `upstream: "..."` field or an element of `$upstream_addr`:
/// `http://10.0.0.9:80/uri`, `https://[2001:db8::9]:443/`, `10.0.0.9:80` (stream).
///
/// The URI follows the port without a separator when `proxy_pass` has none
/// (`http://127.0.0.1:5001version`), so the port is as many digits as there are and no more.
/// `complete` says that the field was closed: in a line that nginx cut, `:80` may once have been
/// `:8080`, so digits that run into the cut are not a port.
pub fn upstream_endpoint(value: &[u8], complete: bool) -> Option<Endpoint> {
    // A scheme is letters (`fastcgi`, `grpcs`); anything else before `://` is part of a URI.
    let letters = value.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let authority = value.get(letters..)?.strip_prefix(b"://").unwrap_or(value);
    let (rest, (ip, port)) = bracketed_or_v4(authority).ok()?;
    if rest.is_empty() && !complete {
        return None;
    }
    Some(Endpoint::new(ip, decimal_port(port)?))
}

/// `ADDR:PORT` as Lua cosockets print it (`%V:%ud`): IPv6 without brackets, so the port begins
/// after the **last** colon (lua-nginx-module v0.10.29 ngx_http_lua_socket_tcp.c).
pub(crate) fn unbracketed_endpoint(value: &[u8]) -> Option<Endpoint> {
    let colon = memrchr(b':', value)?;
    let ip = ip_address(value.get(..colon)?)?;
    Some(Endpoint::new(ip, decimal_port(value.get(colon + 1..)?)?))
}

/// `HOST:PORT(IP)` as Lua cosockets print it since v0.10.30: HOST is what the code passed, cut to
/// 28 bytes and `...`; IP may be empty when nothing was resolved.
pub(crate) fn cosocket_endpoint(value: &[u8]) -> Option<Endpoint> {
    let inner = value.strip_suffix(b")")?;
    let open = memrchr(b'(', inner)?;
    let (host_port, resolved) = (inner.get(..open)?, inner.get(open + 1..)?);
    let colon = memrchr(b':', host_port)?;
    let ip = ip_address(resolved).or_else(|| ip_address(host_port.get(..colon)?))?;
    Some(Endpoint::new(ip, decimal_port(host_port.get(colon + 1..)?)?))
}

/// An IP address without a port, with or without brackets.
pub(crate) fn ip_address(value: &[u8]) -> Option<IpAddr> {
    let bare = value.strip_prefix(b"[").and_then(|v| v.strip_suffix(b"]")).unwrap_or(value);
    core::str::from_utf8(bare).ok()?.parse().ok()
}

fn bracketed_or_v4(input: &[u8]) -> IResult<&[u8], (IpAddr, &[u8])> {
    let digits = take_while1(|b: u8| b.is_ascii_digit());
    if memchr(b'[', input) == Some(0) {
        let address = delimited(char('['), take_till(|b| b == b']'), char(']'));
        return separated_pair(address.map_opt(ipv6), char(':'), digits).parse(input);
    }
    let address = take_while1(|b: u8| b.is_ascii_digit() || b == b'.');
    separated_pair(address.map_opt(ipv4), tag(":"), digits).parse(input)
}

fn ipv4(text: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(text).ok()?.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

fn ipv6(text: &[u8]) -> Option<IpAddr> {
    core::str::from_utf8(text).ok()?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// A port from 1 to 65535; nginx prints no leading zeros.
fn decimal_port(digits: &[u8]) -> Option<u16> {
    let add = |port: u16, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    };
    digits.iter().try_fold(0, add).filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(endpoint: Option<Endpoint>) -> String {
        endpoint.map_or_else(|| "none".into(), |e| e.to_string())
    }

    #[test]
    fn an_upstream_field_names_an_address_only_when_it_holds_one() {
        let rows: [(&str, &str); 16] = [
            ("http://10.0.0.9:8080/v1", "10.0.0.9:8080"),
            ("https://[2001:db8::9]:443/oauth2", "[2001:db8::9]:443"),
            ("fastcgi://127.0.0.1:9000", "127.0.0.1:9000"),
            ("grpcs://10.0.0.9:1", "10.0.0.9:1"),
            ("10.0.0.9:3306", "10.0.0.9:3306"),
            ("[::1]:3306", "[::1]:3306"),
            ("http://127.0.0.1:5001version", "127.0.0.1:5001"),
            ("http://127.0.0.1:80?a=http://1.2.3.4:5/", "127.0.0.1:80"),
            ("http://backend/uri", "none"),
            ("http://backend:80/x://10.0.0.9:80", "none"),
            ("http://unix:/run/a.sock:/", "none"),
            ("http://10.0.0.9/", "none"),
            ("http://10.0.0.9:0/", "none"),
            ("http://10.0.0.9:99999/", "none"),
            ("http://a.b.c.d:80/", "none"),
            ("", "none"),
        ];
        for (value, expected) in rows {
            assert_eq!(shown(upstream_endpoint(value.as_bytes(), true)), expected, "{value}");
        }
    }

    #[test]
    fn a_port_that_runs_into_the_cut_of_a_line_is_not_a_port() {
        assert_eq!(upstream_endpoint(b"http://10.0.0.9:80", false), None);
        assert_eq!(shown(upstream_endpoint(b"http://10.0.0.9:80/", false)), "10.0.0.9:80");
    }

    #[test]
    fn the_two_spellings_of_cosocket_addresses() {
        let rows = [("10.0.0.9:6379", "10.0.0.9:6379"), ("2001:db8::9:6379", "[2001:db8::9]:6379")];
        for (value, expected) in rows {
            assert_eq!(shown(unbracketed_endpoint(value.as_bytes())), expected);
        }
        assert_eq!(unbracketed_endpoint(b"unix:/run/redis.sock:0"), None);
        let rows = [
            ("redis.internal:6379(10.0.0.9)", "10.0.0.9:6379"),
            ("2001:db8::9:6379(2001:db8::9)", "[2001:db8::9]:6379"),
            ("10.0.0.9:80()", "10.0.0.9:80"),
            ("a-very-long-name-that-was-cu...:80(10.0.0.9)", "10.0.0.9:80"),
            ("redis.internal:6379()", "none"),
            ("redis.internal(10.0.0.9)", "none"),
        ];
        for (value, expected) in rows {
            assert_eq!(shown(cosocket_endpoint(value.as_bytes())), expected, "{value}");
        }
    }
}
