//! What a verdict means, in a few sentences for somebody who has to act on it.

use std::io;

use why504_correlate::{Case, Mechanism, Verdict};

use super::about_reuse;
use crate::page::Page;
use crate::style::Ink;

/// Why the write-up's later SYN is a new attempt (tcp-taxonomy sections 0 and 1.4), and which rule
/// the bare ACK follows.
const REUSE: &str = "A server in SYN-RECEIVED answers a SYN whose ISN is new (z) with a bare ACK, \
    seq = y+1, ack = x+1 (RFC 9293 section 3.10.7.4: an unacceptable segment is answered by an ACK), \
    and the client, which never sent x from this socket, resets it: where the write-up takes the \
    later SYN for a repeated one, on the wire a repeated SYN keeps its ISN and draws a SYN+ACK, so \
    this is a new connect on a port that is still held (NAT, a fixed source port, or a busy gateway \
    that comes round to it).";
const NOT_5961: &str = "It is neither the challenge ACK of RFC 5961, which is for synchronised states \
    and is what an old *established* connection on the port sends, nor the bug that the KleeNet paper \
    found, where a stack (Contiki µIP) sent the bare ACK to a repeated SYN with the *same* ISN: here \
    the server is right, and the RST is no attack.";

pub(super) fn print(case: &Case, hint: Option<&str>, page: &mut Page<'_>) -> io::Result<()> {
    page.heading("WHAT IT MEANS")?;
    page.wrapped(2, 0, meaning(case.verdict, case.mechanism), Ink::Plain)?;
    if let Some(hint) = hint {
        page.wrapped(2, 0, hint, Ink::Plain)?;
    }
    if about_reuse(case) {
        page.blank()?;
        page.wrapped(2, 0, REUSE, Ink::Plain)?;
        page.blank()?;
        page.wrapped(2, 0, NOT_5961, Ink::Plain)?;
    }
    Ok(())
}

/// What was lost, or came too late, on the network.
const fn meaning(verdict: Verdict, mechanism: Option<Mechanism>) -> &'static str {
    match verdict {
        Verdict::SynAckLost => {
            "The upstream is up, got the SYN and answered at once; its answer was dropped on the \
             way back. nginx waited for it until its timer fired and the user got a 504. Look at \
             what handles packets from the upstream to the gateway: firewalls and their state \
             tables, NAT, asymmetric routes, overrun queues. The upstream's application is innocent."
        }
        Verdict::SynLost => {
            "The SYN left and did not arrive: the upstream does not know that anybody tried. Look \
             at what handles packets from the gateway to the upstream: firewall, load balancer, \
             NAT port clashes, the upstream's interface. The upstream's application is innocent."
        }
        Verdict::AckLost => {
            "nginx believes that it is connected, the upstream does not: the last packet of the \
             handshake and the request were dropped on the way. That shows up as a read timeout, \
             not as a connect timeout."
        }
        Verdict::AckIgnored => {
            "Everything arrived. The upstream's kernel had no room in the accept queue of the \
             listening socket (the application accepts too slowly, or its backlog is small), or \
             the socket uses TCP_DEFER_ACCEPT."
        }
        Verdict::SynAckLate => match mechanism {
            Some(Mechanism::ServerSlow) => {
                "No packet was lost. The upstream host sent its SYN+ACK only after nginx had given \
                 up: it was stalled (CPU, virtual machine pause, softirq), or the SYN waited in a \
                 queue before it."
            }
            _ => {
                "No packet was lost. The answer was on its way for longer than nginx waits: a \
                 long queue, a slow path, or a timeout that is too short for this distance."
            }
        },
        Verdict::ReplyLost => {
            "The upstream did answer, with something other than a SYN+ACK, and that was dropped on \
             the way back: nginx could have failed at once and waited instead."
        }
        other => at_an_end(other),
    }
}

/// What one end did, or what cannot be known.
const fn at_an_end(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::ServerSilent => {
            "The SYN reached the upstream's own interface and nothing came out. The host dropped \
             it (input firewall, full listen queue, SYN limits), or its answer was dropped before \
             it reached the capture."
        }
        Verdict::Refused => {
            "A RST answered the SYN: nothing listens on that port (or a firewall rejects with a \
             reset). The network works."
        }
        Verdict::IcmpRejected => {
            "A router or the host said that the upstream cannot be reached, or must not be: a \
             missing route, a firewall that rejects, a neighbour that does not answer."
        }
        Verdict::SynAckNotAccepted => {
            "The SYN+ACK arrived at the gateway's interface, and the gateway's own host dropped it \
             before the socket: local firewall, conntrack INVALID, reverse-path filter, checksum."
        }
        Verdict::StaleConnection => {
            "The upstream still held something older on the same address and port, so it answered \
             this SYN with an ACK for that and not with a SYN+ACK. One side forgot a connection \
             that the other still has: lost RSTs or FINs, NAT that reuses ports, a restart."
        }
        Verdict::NoSynSent => {
            "Nothing left the gateway: a local firewall, no route, no answer to ARP or \
             neighbour discovery, no free local port, or a full connection pool. The upstream and the path are innocent."
        }
        Verdict::GatewayStall => {
            "The kernel had the connection ready in time; the nginx worker was busy (blocking Lua, \
             disk, CPU) and saw its timer before it saw the socket. The network is innocent."
        }
        Verdict::Connected => {
            "The handshake was fine. The timeout is about what came after it: TLS, the request, \
             or an application that takes too long to answer."
        }
        Verdict::NoReply => {
            "Seen from the gateway alone, a lost SYN, a lost SYN+ACK and a silent upstream look the \
             same. A capture at the upstream over the same minutes tells them apart."
        }
        Verdict::NotCaptured => {
            "No packet of this connect is in the captures, and their coverage does not prove that \
             there was none."
        }
        _ => {
            "Several connects to this upstream fit the line's second, and they ended differently. \
             Only an access log with millisecond times can tell which one the line is about."
        }
    }
}

/// The meaning of a verdict, for the documentation.
pub(crate) const fn of_verdict(verdict: Verdict) -> &'static str {
    meaning(verdict, None)
}
