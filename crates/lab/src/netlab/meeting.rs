//! A host that connects to its clients at the very moment they connect to it (RFC 9293 section 3.5,
//! figure 8), and then never answers.
//!
//! Rules (`detour`) lead each SYN here before the host's stack hears it. From the port that it asks for
//! a socket is connected back, whose SYN leaves at once; then the stack gets the client's SYN.

use std::collections::HashSet;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

use super::forwarder::{LARGEST, device};
use crate::packet::{Packet, Tcp, decode};

/// `LINKTYPE_RAW`: the packet begins with its IP header.
const RAW: u32 = 101;

/// Meets for ever what comes through the new device `name`. Calls `ready` once the device exists.
pub fn meet(name: &str, ready: impl FnOnce()) -> Result<()> {
    let device = device(name)?;
    ready();
    let mut met = HashSet::new();
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = device.recv(&mut buffer).context("the TUN device is gone")?;
        let packet = buffer.get(..length).unwrap_or_default();
        // A SYN that comes again is the stack's alone.
        if let Some(Packet::Tcp(syn)) = decode(RAW, packet)
            && met.insert((syn.src, syn.sport, syn.dport, syn.seq))
            && let Ok(socket) = connect_back(&syn)
        {
            std::thread::spawn(move || listen_to(socket));
        }
        let _ = device.send(packet);
    }
}

/// A socket whose SYN to the sender of `syn` has left.
fn connect_back(syn: &Tcp) -> Result<Socket> {
    let from = SocketAddr::from((syn.dst, syn.dport));
    let to = SocketAddr::from((syn.src, syn.sport));
    let socket = Socket::new(Domain::for_address(from), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&from.into())?;
    socket.set_nonblocking(true)?;
    // The error says that the connection is not there yet.
    let _ = socket.connect(&to.into());
    socket.set_nonblocking(false)?;
    Ok(socket)
}

/// Keeps the connection until the client ends it.
fn listen_to(socket: Socket) {
    let _ = TcpStream::from(socket).read_to_end(&mut Vec::new());
}
