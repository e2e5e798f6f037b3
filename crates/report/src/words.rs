//! The words for kinds, verdicts and mechanisms. Names of the NDJSON contract that other crates
//! own stay there (`Verdict::name`); here is what is only said.

use why504_correlate::{Basis, Copies, Exchange, Mechanism, Verdict};

/// `join.basis` of the NDJSON contract.
pub(crate) const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::AccessLog => "access_log",
        Basis::ErrorLogSecond => "error_log_second",
        Basis::Inferred => "inferred",
    }
}

/// A verdict as a row of a table; `between` is added where it is a loss.
pub(crate) const fn label(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::SynAckLost => "SYN+ACK lost",
        Verdict::SynLost => "SYN lost",
        Verdict::AckLost => "ACK lost",
        Verdict::AckIgnored => "ACK arrived, server ignored it",
        Verdict::SynAckLate => "nothing lost: SYN+ACK too late",
        Verdict::ServerSilent => "SYN arrived, upstream silent",
        Verdict::ReplyLost => "RST, ICMP or bare ACK lost",
        Verdict::Refused => "refused by RST",
        Verdict::IcmpRejected => "rejected by ICMP",
        Verdict::SynAckNotAccepted => "SYN+ACK came, gateway dropped it",
        Verdict::StaleConnection => "old connection held the port",
        Verdict::NoSynSent => "no SYN was sent",
        Verdict::GatewayStall => "nothing lost: nginx worker late",
        Verdict::Connected => "nothing lost: connected, slow later",
        Verdict::NoReply => "no reply; only one side captured",
        Verdict::NotCaptured => "cannot tell: not in any capture",
        Verdict::Ambiguous => "cannot tell: attempts disagree",
    }
}

/// A verdict as the beginning of a sentence, `{}` being where it happened.
pub(crate) fn sentence(verdict: Verdict, way: Option<(&str, &str)>) -> String {
    let way = |to: &str| match way {
        Some((from, to)) => format!("between {from} and {to}"),
        None => format!("on its way to the {to}"),
    };
    match verdict {
        Verdict::SynAckLost => {
            format!("The second handshake (SYN+ACK) is lost {}", way("gateway"))
        }
        Verdict::SynLost => format!("The first handshake (SYN) is lost {}", way("upstream")),
        Verdict::AckLost => format!("The third handshake (ACK) is lost {}", way("upstream")),
        Verdict::ReplyLost => {
            format!("The upstream's refusal (RST, ICMP or bare ACK) is lost {}", way("gateway"))
        }
        Verdict::AckIgnored => {
            "Nothing is lost: the upstream ignores the third handshake (accept queue full)".into()
        }
        Verdict::SynAckLate => {
            "Nothing is lost: the second handshake (SYN+ACK) comes after nginx has given up".into()
        }
        Verdict::ServerSilent => {
            "The SYN reaches the upstream, and the upstream does not answer".into()
        }
        Verdict::Refused => "The upstream refuses the connection with a RST".into(),
        Verdict::IcmpRejected => "An ICMP error rejects the connection".into(),
        Verdict::SynAckNotAccepted => {
            "The second handshake (SYN+ACK) reaches the gateway, and its own host drops it".into()
        }
        Verdict::StaleConnection => {
            "The upstream still holds an older connection on the same port".into()
        }
        Verdict::NoSynSent => "No SYN leaves the gateway".into(),
        Verdict::GatewayStall => {
            "The network is fine: nginx looks at its sockets too late (stalled worker)".into()
        }
        Verdict::Connected => {
            "The handshake is fine: the timeout is about what came after it".into()
        }
        Verdict::NoReply => {
            "SYNs leave the gateway and nothing comes back; one capture cannot tell why".into()
        }
        Verdict::NotCaptured => "The captures do not show the connect".into(),
        Verdict::Ambiguous => "Several connect attempts fit the line, and they disagree".into(),
    }
}

/// What a mechanism adds, as a row below its verdict.
pub(crate) const fn mechanism(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Mixed => "SYNs were lost as well",
        Mechanism::PortReuseSynRecv => "port still held by a half-open attempt",
        Mechanism::Established => "port still held by an old connection",
        Mechanism::SynDelayed => "the SYN was on its way too long",
        Mechanism::ServerSlow => "the server answered too late",
        Mechanism::LatePath => "the SYN+ACK was on its way too long",
        Mechanism::WrongAck => "it acknowledged a wrong number",
        Mechanism::NonconformingServer => "a bare ACK came where a SYN+ACK was due",
        Mechanism::SynCorrupt | Mechanism::SynAckCorrupt => "it came with a wrong checksum",
        Mechanism::SimultaneousOpen => "both ends connected at once",
        Mechanism::InWindowReuse => "ISN inside the window of a half-open attempt",
        Mechanism::CloseWait => "port still held by a connection that the server had not closed",
        Mechanism::TimeWait => "port still remembered after an old connection was closed",
        Mechanism::SynCookies => "the server kept nothing of the SYN: SYN cookies, or a SYN proxy",
        Mechanism::SynProxy => "something on the way answers SYNs in the server's place",
        Mechanism::IsnRewrite => "something on the way rewrites sequence numbers",
        Mechanism::LbSplit => "two servers behind one address answered",
        Mechanism::AcceptQueueOverflow => "the server's accept queue was full",
        Mechanism::DeferAccept => "the server waits for data first: TCP_DEFER_ACCEPT",
        Mechanism::OpenAtEnd => "the capture ended first",
    }
}

/// `of 3 SYNs 2 arrived, of 1 SYN+ACK none`.
pub(crate) fn copies(exchange: Exchange) -> String {
    let of = |Copies { sent, arrived }: Copies, name: &str| {
        let plural = if sent == 1 { "" } else { "s" };
        let arrived = if arrived == 0 { "none".to_owned() } else { arrived.to_string() };
        format!("of {sent} {name}{plural} {arrived}")
    };
    let syns = of(exchange.syns, "SYN");
    if exchange.syn_acks.sent == 0 {
        format!("{syns} arrived")
    } else {
        format!("{syns} arrived, {}", of(exchange.syn_acks, "SYN+ACK"))
    }
}

/// The flags of a packet in tcpdump's letters; of an ICMP error its type and code.
pub(crate) fn flags(event: &why504_handshake::Event) -> String {
    match event.icmp {
        Some(cause) => format!("icmp {}/{}", cause.kind, cause.code),
        None => event.flags.to_string(),
    }
}
