//! A program that takes packets from a TUN device and gives them back later, or changed.
//!
//! It stands in for `tc netem`, which not every kernel has, for firewalls that rewrite sequence
//! numbers, and for links that damage packets. Which packets come here is decided by rules (`detour`);
//! this does the same to all of them, and keeps their order.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::{damage, rewrite};

/// Longer than any packet of the lab's links.
pub(super) const LARGEST: usize = 65_536;

/// What is done to a packet while it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It gets other sequence numbers; the address is that of the server.
    Rewrite(Ipv4Addr),
    /// One bit is turned over.
    Damage,
}

/// Makes the TUN device `name`.
pub(super) fn device(name: &str) -> Result<SyncDevice> {
    let device = DeviceBuilder::new().name(name).build_sync();
    device.with_context(|| format!("cannot make the TUN device {name}"))
}

/// Forwards for ever through the new device `name`: each packet `delay` after it came, and changed.
/// Calls `ready` once the device exists.
pub fn forward(name: &str, delay: Duration, change: Change, ready: impl FnOnce()) -> Result<()> {
    let device = device(name)?;
    ready();
    let (taken, waiting) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            for (due, packet) in waiting {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                // A packet that the kernel refuses is lost, as on any link.
                let _ = device.send(&packet);
            }
        });
        let mut buffer = vec![0; LARGEST];
        loop {
            let length = device.recv(&mut buffer).context("the TUN device is gone")?;
            let mut packet = buffer.get(..length).unwrap_or_default().to_vec();
            match change {
                Change::None => {}
                Change::Rewrite(server) => rewrite::rewrite(&mut packet, server),
                Change::Damage => damage::damage(&mut packet),
            }
            if taken.send((Instant::now() + delay, packet)).is_err() {
                return Ok(());
            }
        }
    })
}
