//! The words of the answer.

/// What became of the handshake. The names are those of the NDJSON contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The SYN arrived, the SYN+ACK was sent and was lost.
    SynAckLost,
    /// No copy of the SYN reached the server before the deadline.
    SynLost,
    /// The client got the SYN+ACK, its ACK and data did not arrive.
    AckLost,
    /// The ACK arrived and the server went on repeating SYN+ACKs.
    AckIgnored,
    /// Nothing was lost: something took longer than the deadline.
    SynAckLate,
    /// The SYN reached the server's capture point and no answer left it.
    ServerSilent,
    /// The server answered with RST, ICMP or a bare ACK and that answer was lost.
    ReplyLost,
    /// A RST answered the SYN.
    Refused,
    /// An ICMP error answered the SYN.
    IcmpRejected,
    /// The SYN+ACK reached the gateway and its own host did not take it.
    SynAckNotAccepted,
    /// A bare ACK for an older connection or attempt was the only answer.
    StaleConnection,
    /// A covered capture at the gateway holds no SYN for this attempt.
    NoSynSent,
    /// The handshake was complete in time; the worker was late.
    GatewayStall,
    /// The handshake was fine; the timeout is about something after it.
    Connected,
    /// Seen from the gateway alone: SYNs, and nothing came back.
    NoReply,
    /// No capture that could show it covers the moment.
    NotCaptured,
    /// Several attempts fit and they disagree.
    Ambiguous,
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Several attempts fit and disagree.
    Ambiguous,
    /// Fits, and a named alternative fits as well.
    Consistent,
    /// One side, a pattern that only this cause makes.
    Signature,
    /// Seen leaving one point and missing at the next, both covered.
    Proven,
}

/// A packet of the handshake that can be lost on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostPacket {
    /// The first handshake.
    Syn,
    /// The second handshake.
    SynAck,
    /// The third handshake.
    ThirdAck,
    /// A RST, an ICMP error or a bare ACK in place of the second handshake.
    Reply,
}

/// What refines a verdict: a row of the taxonomy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// Losses in both directions.
    Mixed,
    /// The server still held a half-open attempt on this port (RFC 9293 section 3.10.7.4).
    PortReuseSynRecv,
    /// The server still held an established connection on this port.
    Established,
    /// The server still held a connection on this port that only the client had closed.
    CloseWait,
    /// The server remembered a connection on this port that both ends had closed.
    TimeWait,
    /// The server answered each SYN afresh and kept nothing: SYN cookies, or a SYN proxy.
    SynCookies,
    /// Something on the way answers SYNs in the server's place, and asks the server afterwards.
    SynProxy,
    /// Something on the way puts its own initial sequence numbers in place of the ends'.
    IsnRewrite,
    /// Two servers behind one address answered the same SYN.
    LbSplit,
    /// The ACK found no place in the accept queue.
    AcceptQueueOverflow,
    /// The server waits for payload before it takes the connection (`TCP_DEFER_ACCEPT`).
    DeferAccept,
    /// The SYN was on its way for longer than the deadline.
    SynDelayed,
    /// The server took longer than the deadline to answer.
    ServerSlow,
    /// The SYN+ACK was on its way for longer than the deadline.
    LatePath,
    /// The SYN+ACK acknowledged a number that the client had not sent.
    WrongAck,
    /// A bare ACK answered a SYN although nothing else held the port: no TCP of RFC 9293 does that.
    NonconformingServer,
    /// The SYN came with a wrong checksum.
    SynCorrupt,
    /// The SYN+ACK came with a wrong checksum.
    SynAckCorrupt,
    /// Both ends connected at once.
    SimultaneousOpen,
    /// A RST answered a SYN whose ISN fell into the window of a half-open attempt.
    InWindowReuse,
    /// The capture ended while the attempt was open.
    OpenAtEnd,
}

/// What would settle a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Settles {
    /// A capture at the upstream host over the same minutes.
    UpstreamCapture,
    /// A capture at the gateway over the same minutes.
    GatewayCapture,
    /// A capture between the two ends, on the server's side of what answers in its place.
    BetweenCapture,
    /// A longer capture, both directions, no narrow filter, at the point named.
    BetterCoverage,
    /// An access log with `$connection`, `$msec` and the `$upstream_*` times.
    AccessLog,
    /// TCP timestamps and SYN options in the capture: a longer snapshot length.
    Timestamps,
}

impl Verdict {
    /// All verdicts in the order in which reports list them.
    pub const ALL: [Self; 17] = [
        Self::SynAckLost,
        Self::SynLost,
        Self::AckLost,
        Self::AckIgnored,
        Self::SynAckLate,
        Self::ServerSilent,
        Self::ReplyLost,
        Self::Refused,
        Self::IcmpRejected,
        Self::SynAckNotAccepted,
        Self::StaleConnection,
        Self::NoSynSent,
        Self::GatewayStall,
        Self::Connected,
        Self::NoReply,
        Self::NotCaptured,
        Self::Ambiguous,
    ];

    /// The name in the NDJSON contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynAckLost => "synack_lost",
            Self::SynLost => "syn_lost",
            Self::AckLost => "ack_lost",
            Self::AckIgnored => "ack_ignored",
            Self::SynAckLate => "synack_late",
            Self::ServerSilent => "server_silent",
            Self::ReplyLost => "reply_lost",
            Self::Refused => "refused",
            Self::IcmpRejected => "icmp_rejected",
            Self::SynAckNotAccepted => "synack_not_accepted",
            Self::StaleConnection => "stale_connection",
            Self::NoSynSent => "no_syn_sent",
            Self::GatewayStall => "gateway_stall",
            Self::Connected => "connected",
            Self::NoReply => "no_reply",
            Self::NotCaptured => "not_captured",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// A handshake packet was lost on the network.
    pub const fn is_loss(self) -> bool {
        self.lost_packet().is_some()
    }

    /// Which packet was lost on the network.
    pub const fn lost_packet(self) -> Option<LostPacket> {
        match self {
            Self::SynLost => Some(LostPacket::Syn),
            Self::SynAckLost => Some(LostPacket::SynAck),
            Self::AckLost => Some(LostPacket::ThirdAck),
            Self::ReplyLost => Some(LostPacket::Reply),
            _ => None,
        }
    }

    /// Nobody can say from these inputs.
    pub const fn is_undecided(self) -> bool {
        matches!(self, Self::NoReply | Self::NotCaptured | Self::Ambiguous)
    }
}

impl Grade {
    /// All grades, the surest first.
    pub const ALL: [Self; 4] = [Self::Proven, Self::Signature, Self::Consistent, Self::Ambiguous];

    /// The name in the NDJSON contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Signature => "signature",
            Self::Consistent => "consistent",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Whether a wrong verdict at this grade would be the worst of bugs.
    pub const fn is_sure(self) -> bool {
        matches!(self, Self::Proven | Self::Signature)
    }
}

impl Mechanism {
    /// The name in the NDJSON contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::PortReuseSynRecv => "port_reuse_synrecv",
            Self::Established => "established",
            Self::CloseWait => "close_wait",
            Self::TimeWait => "time_wait",
            Self::SynCookies => "syn_cookies",
            Self::SynProxy => "syn_proxy",
            Self::IsnRewrite => "isn_rewrite",
            Self::LbSplit => "lb_split",
            Self::AcceptQueueOverflow => "accept_queue_overflow",
            Self::DeferAccept => "defer_accept",
            Self::SynDelayed => "syn_delayed",
            Self::ServerSlow => "server_slow",
            Self::LatePath => "late_path",
            Self::WrongAck => "synack_bad_ack",
            Self::NonconformingServer => "nonconforming_server",
            Self::SynCorrupt => "syn_corrupt",
            Self::SynAckCorrupt => "synack_corrupt",
            Self::SimultaneousOpen => "simultaneous_open",
            Self::InWindowReuse => "port_reuse_in_window",
            Self::OpenAtEnd => "open_at_end",
        }
    }
}

impl Settles {
    /// In words that complete "settled by ...".
    pub const fn words(self) -> &'static str {
        match self {
            Self::UpstreamCapture => "a capture at the upstream over the same minutes",
            Self::GatewayCapture => "a capture at the gateway over the same minutes",
            Self::BetweenCapture => "a capture on the upstream's side of what answers in its place",
            Self::BetterCoverage => {
                "a capture that spans the moment, holds both directions and has no narrow filter"
            }
            Self::AccessLog => "an access log with $connection, $msec and the $upstream_* times",
            Self::Timestamps => "a capture with the TCP options (snapshot length 128 or more)",
        }
    }
}
