//! A program that takes packets from a TUN device and gives them back later, or changed.
//!
//! It stands in for `tc netem`, which not every kernel has, and for firewalls that rewrite sequence
//! numbers. Which packets come here is decided by rules (`detour`); this does the same to all of
//! them, and keeps their order.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tun_rs::DeviceBuilder;

use crate::rewrite;

/// Longer than any packet of the lab's links.
const LARGEST: usize = 65_536;

/// Forwards for ever through the new device `name`: each packet `delay` after it came, with other
/// sequence numbers if `rewritten` names the server. Calls `ready` once the device exists.
pub fn forward(
    name: &str,
    delay: Duration,
    rewritten: Option<Ipv4Addr>,
    ready: impl FnOnce(),
) -> Result<()> {
    let device = DeviceBuilder::new().name(name).build_sync();
    let device = device.with_context(|| format!("cannot make the TUN device {name}"))?;
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
            if let Some(server) = rewritten {
                rewrite::rewrite(&mut packet, server);
            }
            if taken.send((Instant::now() + delay, packet)).is_err() {
                return Ok(());
            }
        }
    })
}
