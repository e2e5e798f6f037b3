//! The users: sends the planned requests to the gateway, from inside its namespace.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::plan::plan;
use crate::scenario::Scenario;

/// Requests in flight at most; one above that is skipped and counted.
const MAX_IN_FLIGHT: usize = 600;

/// How long a user waits: longer than any timeout of the gateway.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Load {
    /// Requests that got a response.
    pub answered: usize,
    /// Requests that got none.
    pub failed: usize,
    /// Requests not sent because too many were in flight.
    pub skipped: usize,
}

/// Sends the load of `scenario` to 127.0.0.1:80 and waits for every response.
pub fn client(scenario: &Scenario) -> Result<Load> {
    let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    wait_for(gateway)?;
    let requests = plan(scenario);
    let start = Instant::now();
    let in_flight = AtomicUsize::new(0);
    let answered = AtomicUsize::new(0);
    let mut skipped = 0;
    std::thread::scope(|scope| {
        for request in &requests {
            std::thread::sleep(request.at.saturating_sub(start.elapsed()));
            if in_flight.load(Ordering::Relaxed) >= MAX_IN_FLIGHT {
                skipped += 1;
                continue;
            }
            in_flight.fetch_add(1, Ordering::Relaxed);
            scope.spawn(|| {
                if get(gateway, &request.target).is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                in_flight.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    let answered = answered.into_inner();
    Ok(Load { answered, failed: requests.len() - skipped - answered, skipped })
}

/// Waits until `address` can be reached: until something there accepts or refuses a connection. A
/// new link may need a second before its first packet passes (IPv6 neighbour discovery).
pub fn reach(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("the upstream host cannot be reached");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn wait_for(gateway: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect_timeout(&gateway, Duration::from_secs(1)) {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                return Err(error).context("the gateway does not listen");
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn get(gateway: SocketAddr, target: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&gateway, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\
         Referer: https://shop.example.com/cart\r\nUser-Agent: lab/1\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut response = Vec::new();
    stream.take(65_536).read_to_end(&mut response)?;
    if response.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
