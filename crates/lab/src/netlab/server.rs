//! The upstream servers: a process that answers on several ports, or that takes requests without a
//! word, or that never accepts.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// What a server does with its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Manner {
    /// Answers each request and closes.
    Answers,
    /// Takes each request and says nothing.
    Mute,
    /// Listens and never accepts.
    Holds,
}

/// Serves on every address of `listen` for ever. Calls `ready` once all of them listen.
pub fn server(listen: &[SocketAddr], manner: Manner, ready: impl FnOnce()) -> Result<()> {
    let mut listeners = Vec::new();
    for address in listen {
        let listener = TcpListener::bind(address);
        listeners.push(listener.with_context(|| format!("cannot listen on {address}"))?);
    }
    ready();
    if manner == Manner::Holds {
        loop {
            std::thread::park();
        }
    }
    std::thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(move || {
                for stream in listener.incoming().flatten() {
                    std::thread::spawn(move || answer(stream, manner));
                }
            });
        }
    });
    Ok(())
}

/// Longer than any run: a server that never gives up on a silent client.
const PATIENCE: Duration = Duration::from_mins(30);

fn answer(mut stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request: Vec<u8> = Vec::new();
    let mut piece = [0; 2048];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 65_536 {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            // A client that said nothing and closed: the server forgets to close as well.
            if request.is_empty() {
                std::thread::sleep(PATIENCE);
            }
            return Ok(());
        }
        request.extend(piece.iter().take(length));
    }
    if manner == Manner::Mute {
        // Until the client goes.
        return stream.read_to_end(&mut request).map(|_| ());
    }
    stream.write_all(
        b"HTTP/1.0 200 OK\r\nServer: shop\r\nContent-Type: text/plain\r\n\
          Content-Length: 2\r\nConnection: close\r\n\r\nok",
    )
}
