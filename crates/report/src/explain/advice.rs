//! Three commands to run next, chosen by verdict. They look; none of them changes anything.

use std::io;

use why504_correlate::{Case, Verdict};
use why504_model::Endpoint;

use super::about_reuse;
use crate::page::Page;
use crate::run::Run;
use crate::style::Ink;

/// Where a command is run, the command, and what to look for.
type Step = (&'static str, String, &'static str);

pub(super) fn print(run: &Run<'_>, case: &Case, page: &mut Page<'_>) -> io::Result<()> {
    page.heading("WHAT TO RUN NEXT")?;
    let attempt = case.candidates.first().and_then(|c| run.merged.attempts.get(c.attempt));
    let named = run.timeouts.get(case.timeout).and_then(|t| t.peer);
    let peer = Peer(named.or(attempt.map(|a| a.flow().server)));
    let steps = if about_reuse(case) { reuse(peer) } else { steps(case.verdict, peer) };
    for (i, (place, command, look)) in steps.iter().enumerate() {
        page.wrapped(2, 3, &format!("{}. {place}: {look}", i + 1), Ink::Plain)?;
        page.command(5, command)?;
    }
    Ok(())
}

/// The upstream, where it is known.
#[derive(Clone, Copy)]
struct Peer(Option<Endpoint>);

impl Peer {
    fn host(self) -> String {
        self.0.map_or_else(|| "UPSTREAM".to_owned(), |p| p.ip.to_string())
    }

    fn port(self) -> String {
        self.0.map_or_else(|| "PORT".to_owned(), |p| p.port.to_string())
    }

    fn tcpdump(self, flags: &str) -> String {
        format!(
            "tcpdump -ni any -s 128 \"host {} and tcp port {}{flags}\"",
            self.host(),
            self.port()
        )
    }

    fn both_ends(self) -> Step {
        (
            "gateway and upstream",
            self.tcpdump(" or icmp or icmp6"),
            "capture at both ends over the same minutes",
        )
    }
}

fn steps(verdict: Verdict, peer: Peer) -> Vec<Step> {
    match verdict {
        Verdict::SynAckLost | Verdict::ReplyLost => way_back(peer),
        Verdict::SynLost | Verdict::AckLost => way_there(peer),
        Verdict::SynAckNotAccepted => own_host(peer),
        Verdict::AckIgnored | Verdict::ServerSilent | Verdict::SynAckLate => at_upstream(peer),
        Verdict::Refused | Verdict::IcmpRejected => refused(peer),
        Verdict::StaleConnection => reuse(peer),
        Verdict::NoSynSent => nothing_sent(peer),
        Verdict::GatewayStall => stalled(),
        Verdict::Connected => after_handshake(peer),
        Verdict::NoReply | Verdict::NotCaptured | Verdict::Ambiguous => undecided(peer),
    }
}

fn way_back(peer: Peer) -> Vec<Step> {
    vec![
        (
            "each firewall on the way back",
            peer.tcpdump(" and tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)"),
            "the last hop where the SYN+ACK is still seen",
        ),
        (
            "each firewall on the way back",
            "conntrack -S; nft list ruleset | grep -B2 -A2 'counter.*drop'".to_owned(),
            "insert_failed, drop and invalid that rise; drop rules that count",
        ),
        (
            "upstream",
            format!("ss -tan state syn-recv sport = :{}", peer.port()),
            "requests that wait for an ACK: the same fault, live",
        ),
    ]
}

fn way_there(peer: Peer) -> Vec<Step> {
    vec![
        (
            "each hop on the way there",
            peer.tcpdump(" and tcp[tcpflags] & tcp-syn != 0"),
            "the last hop where the packet is still seen",
        ),
        (
            "each firewall on the way there",
            "conntrack -S; nft list ruleset | grep -B2 -A2 'counter.*drop'".to_owned(),
            "insert_failed, drop and invalid that rise; drop rules that count",
        ),
        (
            "upstream",
            "ip -s -s link; nstat -az TcpExtListenDrops TcpExtTCPReqQFullDrop".to_owned(),
            "dropped or missed packets on the interface",
        ),
    ]
}

fn own_host(peer: Peer) -> Vec<Step> {
    vec![
        (
            "gateway",
            "nft list ruleset; conntrack -S".to_owned(),
            "input rules that drop, conntrack invalid that rises",
        ),
        (
            "gateway",
            "nstat -az TcpInErrs TcpInCsumErrors TcpExtIPReversePathFilter TcpExtPAWSActive"
                .to_owned(),
            "the counter that rises with each case",
        ),
        (
            "gateway",
            format!("ip route get {}; sysctl net.ipv4.conf.all.rp_filter", peer.host()),
            "an answer that comes in on another interface",
        ),
    ]
}

fn at_upstream(peer: Peer) -> Vec<Step> {
    vec![
        (
            "upstream",
            format!("ss -ltn sport = :{}", peer.port()),
            "Recv-Q at or above Send-Q: the accept queue is full",
        ),
        (
            "upstream",
            "nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDrop".to_owned(),
            "counters that rise with each case",
        ),
        (
            "upstream",
            "nft list ruleset; cat /proc/net/softnet_stat".to_owned(),
            "input rules that drop; softirq that cannot keep up (columns 2 and 3)",
        ),
    ]
}

fn refused(peer: Peer) -> Vec<Step> {
    vec![
        (
            "upstream",
            format!("ss -ltnp sport = :{}", peer.port()),
            "whether anything listens on this port and address",
        ),
        (
            "gateway",
            peer.tcpdump(" and tcp[tcpflags] & tcp-rst != 0 or icmp or icmp6"),
            "who sends the refusal (TTL, source)",
        ),
        ("upstream", "nft list ruleset | grep -n reject".to_owned(), "rules that reject"),
    ]
}

fn reuse(peer: Peer) -> Vec<Step> {
    vec![
        (
            "upstream",
            format!("ss -tan sport = :{} | sort | uniq -c | sort -rn | head", peer.port()),
            "old SYN-RECV, ESTAB or CLOSE-WAIT entries of the gateway's address",
        ),
        (
            "upstream",
            "nstat -az TcpExtEmbryonicRsts TcpExtTCPSYNChallenge TcpExtTCPChallengeACK".to_owned(),
            "EmbryonicRsts: half-open attempts; SYNChallenge: old connections",
        ),
        (
            "NAT or gateway",
            format!("conntrack -L -p tcp -d {} | wc -l", peer.host()),
            "how close the source ports are to being used up",
        ),
    ]
}

fn nothing_sent(peer: Peer) -> Vec<Step> {
    vec![
        (
            "gateway",
            format!("ip route get {}; ip neigh show {}", peer.host(), peer.host()),
            "no route, or a neighbour that is FAILED or INCOMPLETE",
        ),
        ("gateway", "nft list ruleset".to_owned(), "output rules that drop"),
        (
            "gateway",
            "sysctl net.ipv4.ip_local_port_range; ss -s".to_owned(),
            "whether local ports run out",
        ),
    ]
}

fn stalled() -> Vec<Step> {
    vec![
        (
            "gateway",
            "pidstat -t -u -d -C nginx 1 10".to_owned(),
            "a worker at 100 %, or in disk wait",
        ),
        (
            "gateway",
            "perf trace -s -p $(pgrep -d, -x nginx) sleep 5".to_owned(),
            "system calls that block the loop",
        ),
        ("gateway", "vmstat 1 10".to_owned(), "steal time and run queue"),
    ]
}

fn after_handshake(peer: Peer) -> Vec<Step> {
    vec![
        (
            "gateway",
            format!("ss -tino dst {}", peer.host()),
            "unacknowledged data and retransmissions",
        ),
        (
            "upstream",
            format!("ss -tn sport = :{}", peer.port()),
            "a Recv-Q that stays: the application does not read",
        ),
        ("upstream", "uptime; vmstat 1 5".to_owned(), "load at the time of the case"),
    ]
}

fn undecided(peer: Peer) -> Vec<Step> {
    vec![
        peer.both_ends(),
        (
            "gateway",
            "nginx -T | grep -n -e log_format -e access_log".to_owned(),
            "whether the log has $connection, $msec and the $upstream_* times",
        ),
        (
            "upstream",
            format!("ss -tan state syn-recv sport = :{}", peer.port()),
            "half-open requests: then the SYN arrives and its answer is lost",
        ),
    ]
}
