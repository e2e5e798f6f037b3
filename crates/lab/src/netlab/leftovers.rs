//! Connections that the upstream host still has and the gateway has forgotten: what a client leaves
//! behind whose last packets were lost.
//!
//! Each is opened from the very address and port that a later request will use, and ended by a RST
//! that the router drops; or it ends in order, and the upstream waits.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use super::namespaces::Addresses;
use super::plan::plan;
use crate::scenario::Scenario;

/// Opens and forgets a connection for every request of the plan that is to meet one; returns how
/// many.
pub fn leave(scenario: &Scenario) -> Result<usize> {
    let to = Addresses::of(scenario);
    let gateway: IpAddr = to.gateway.parse()?;
    let upstream: IpAddr = to.upstream.parse()?;
    let stale: BTreeSet<u16> = scenario
        .upstream
        .iter()
        .filter(|up| Scenario::behaviours(up).iter().any(|(b, _)| b.needs_leftovers()))
        .map(|up| up.port)
        .collect();
    let mut left = BTreeSet::new();
    for request in plan(scenario) {
        let Some((port, bind)) = proxied(&request.target) else { continue };
        if stale.contains(&port) && left.insert((bind, port)) {
            let (from, to) =
                (SocketAddr::from((gateway, bind)), SocketAddr::from((upstream, port)));
            // Some connections never come about: another behaviour of the port may be theirs.
            let _ = if scenario.leftovers_closed {
                end_one(from, to)
            } else {
                leave_one(from, to, left.len())
            };
        }
    }
    Ok(left.len())
}

/// The upstream port and the local port of a marked proxy request.
fn proxied(target: &str) -> Option<(u16, u16)> {
    let (port, rest) = target.strip_prefix("/proxy/")?.split_once("?bind=")?;
    Some((port.parse().ok()?, rest.split('&').next()?.parse().ok()?))
}

/// Leaves nothing sent, a part of a request, or a closed direction behind, in turn.
fn leave_one(from: SocketAddr, to: SocketAddr, turn: usize) -> Result<()> {
    let socket = connect(from, to)?;
    // Closing then sends a RST and forgets the connection at once.
    socket.set_linger(Some(Duration::ZERO))?;
    let mut stream = TcpStream::from(socket);
    if turn % 3 == 1 {
        stream.write_all(b"GET / HTTP/1.0\r\n")?;
    } else if turn % 3 == 2 {
        stream.shutdown(Shutdown::Write)?;
        // The FIN must have left before the RST makes it pointless.
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Asks, gets its answer, and closes after the server has: TIME_WAIT is there.
fn end_one(from: SocketAddr, to: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::from(connect(from, to)?);
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    stream.take(65_536).read_to_end(&mut Vec::new())?;
    Ok(())
}

fn connect(from: SocketAddr, to: SocketAddr) -> Result<Socket> {
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&from.into()).with_context(|| format!("cannot bind to {from}"))?;
    socket.connect_timeout(&to.into(), Duration::from_millis(200))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_requests_have_a_port_to_leave_something_on() {
        assert_eq!(proxied("/proxy/8001?bind=20005&i=7"), Some((8001, 20005)));
        assert_eq!(proxied("/lua/8001?t=500&i=7"), None);
    }
}
