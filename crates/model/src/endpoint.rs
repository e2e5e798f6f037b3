//! Addresses and 4-tuples.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// One end of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub ip: IpAddr,
    /// TCP port.
    pub port: u16,
}

/// A 4-tuple with its direction: who connects to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The end that sent the SYN.
    pub client: Endpoint,
    /// The end that was asked.
    pub server: Endpoint,
}

impl Endpoint {
    /// No endpoint comes before it in order.
    pub const LEAST: Self = Self { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 };

    /// An endpoint from its two parts.
    pub const fn new(ip: IpAddr, port: u16) -> Self {
        Self { ip, port }
    }
}

impl Flow {
    /// The same pair seen from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { client: self.server, server: self.client }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { ip: address.ip(), port: address.port() }
    }
}

/// `10.0.0.9:80`, `[2001:db8::9]:80`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}
