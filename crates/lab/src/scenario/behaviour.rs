//! What can happen to a connection, and where the lab makes it happen.

use serde::{Deserialize, Serialize};

/// What can happen to a connection.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Deserialize,
    Serialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// Nothing.
    Healthy,
    /// The router drops SYN+ACKs.
    SynackLost,
    /// The router drops SYNs.
    SynLost,
    /// The router drops everything from the client after its SYN, for chosen connections.
    AckLost,
    /// The router drops the first SYN+ACK of a connection and lets the later ones pass.
    SynackFirstLost,
    /// The router drops SYNs and SYN+ACKs.
    MixedDrop,
    /// The router holds SYNs back, for chosen connections.
    SynDelayed,
    /// The router holds SYN+ACKs back, for chosen connections.
    SynackDelayed,
    /// The router holds every packet back, in both directions, for chosen connections.
    PathDelayed,
    /// The router changes the acknowledgment number of SYN+ACKs, for chosen connections.
    WrongAck,
    /// The router answers with an ICMP error, for chosen connections.
    IcmpProhibited,
    /// The upstream host's packet filter drops what arrives, for chosen connections.
    ServerSilent,
    /// The upstream host's packet filter drops the SYN+ACKs of its own stack, for chosen
    /// connections: no capture shows them.
    ServerOutputDrop,
    /// The upstream host's stack gets the SYN late, after it was captured, for chosen connections.
    ServerSlow,
    /// The upstream's accept queue is full: nobody accepts.
    AcceptOverflow,
    /// The upstream waits for data before it takes a connection (`TCP_DEFER_ACCEPT`).
    DeferAccept,
    /// The upstream host answers with RST: nobody listens, or, in a mix, its filter rejects.
    Refused,
    /// As `refused`, and the router drops the RSTs.
    ReplyLost,
    /// The upstream host's filter answers with an ICMP error, and the router drops these errors.
    IcmpLost,
    /// The upstream host's packet filter drops what follows the SYN, for chosen connections: the
    /// ACK arrives and is not heard.
    AckIgnored,
    /// The upstream still has a connection from the same address and port, and the RST that would
    /// end it is lost at the router, for chosen connections.
    StaleConnection,
    /// The gateway's own packet filter drops SYN+ACKs, for chosen connections.
    SynackNotAccepted,
    /// The gateway's own packet filter drops SYNs, for chosen connections: no capture shows them.
    ClientOutputDrop,
    /// The peer is an address on the gateway's own link that nobody has: no SYN is ever sent.
    ArpFailure,
    /// The router drops SYN+ACKs and the client's RSTs, for chosen connections: the upstream keeps the
    /// half-open attempt, and a later one from the same port gets a bare ACK.
    HalfOpen,
    /// As `stale_connection`, and the router drops the upstream's bare ACKs as well.
    ChallengeLost,
    /// Of four members of a link, shared out by source port, one loses SYNs.
    BrokenMember,
    /// The upstream takes the connection and the request, and never answers.
    Mute,
    /// A bit of every SYN is wrong when it arrives, for chosen connections.
    SynDamaged,
    /// A bit of every SYN+ACK is wrong when it arrives, for chosen connections.
    SynackDamaged,
    /// The upstream connects to the client at the very moment, from the port that the client asks for,
    /// and never answers.
    SimultaneousOpen,
}

impl Behaviour {
    /// Whether it can be one of several on a port: those that the listening socket, the address or
    /// the state of the whole host decides cannot.
    pub fn can_be_mixed(self) -> bool {
        !matches!(
            self,
            Self::AcceptOverflow
                | Self::DeferAccept
                | Self::ArpFailure
                | Self::BrokenMember
                | Self::Mute
                | Self::SimultaneousOpen
        )
    }

    /// Whether an older connection must hold the port.
    pub fn needs_leftovers(self) -> bool {
        matches!(self, Self::StaleConnection | Self::ChallengeLost)
    }

    /// Whether the upstream host's filter chooses the connections.
    pub fn acts_at_upstream(self) -> bool {
        matches!(
            self,
            Self::ServerSilent
                | Self::ServerOutputDrop
                | Self::ServerSlow
                | Self::AckIgnored
                | Self::Refused
                | Self::ReplyLost
                | Self::IcmpLost
        )
    }

    /// Whether a rule of the router alone makes it, in either direction.
    pub fn is_the_routers(self) -> bool {
        matches!(self, Self::SynackLost | Self::SynLost | Self::AckLost | Self::MixedDrop)
    }

    /// Whether packets take a detour at the router: held back, or damaged.
    pub fn takes_a_detour(self) -> bool {
        matches!(self, Self::SynDelayed | Self::SynackDelayed | Self::PathDelayed) || self.damages()
    }

    /// Whether the router damages packets.
    pub fn damages(self) -> bool {
        matches!(self, Self::SynDamaged | Self::SynackDamaged)
    }
}
