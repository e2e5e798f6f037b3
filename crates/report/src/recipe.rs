//! `why504 recipe`: the capture to run and the log format to set, so that the next incident can be
//! proven. Fixed text around a filter; what is known of nginx.conf narrows the filter's ports.
//!
//! The commands are printed as they are typed, in lines that a terminal of 80 columns holds: a shell
//! takes the line ends inside the quotes, and pcap-filter takes them for blanks.

use std::collections::BTreeSet;
use std::io::{self, Write};

/// Width of a line of ports.
const LINE: usize = 64;

/// The filter for `tcpdump`: the handshake and its end (SYN, SYN+ACK, RST, FIN), ACKs without payload
/// (the third handshake, and the bare ACK of a port that is still held), ICMP errors, and who asks its
/// link for an address (ARP, neighbour discovery: a SYN that waits for it), for IPv4 and IPv6. With ports, TCP of these ports only.
///
/// `tcp[...]` reaches into IPv4 only (pcap-filter(7)); in IPv6 the TCP header is taken to follow the
/// fixed header of 40 octets, which holds for all TCP without extension headers.
pub fn filter(ports: Option<&BTreeSet<u16>>) -> String {
    let mut text = String::from(
        "arp or icmp or\n    (icmp6 and (ip6[40] < 128 or ip6[40] = 135 or ip6[40] = 136)) or (\n    ",
    );
    if let Some(ports) = ports {
        text.push_str(&on_ports(ports));
        text.push_str(" and\n    (");
    }
    text.push_str(
        "(tcp and (tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0\n        \
         or ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 240) >> 2) = 0))\n    \
         or (ip6[6] = 6 and (ip6[53] & 7 != 0 or ip6[4:2] = (ip6[52] & 240) >> 2))",
    );
    if ports.is_some() {
        text.push(')');
    }
    text.push(')');
    text
}

/// `(port 80 or port 8080)`, over several lines when there are many.
fn on_ports(ports: &BTreeSet<u16>) -> String {
    let mut text = String::from("(");
    let mut used = 0;
    for (i, port) in ports.iter().enumerate() {
        let word = if i == 0 { format!("port {port}") } else { format!(" or port {port}") };
        used += word.len();
        if used > LINE {
            text.push_str("\n   ");
            used = word.len();
        }
        text.push_str(&word);
    }
    text.push(')');
    text
}

/// The log format that makes the join exact.
pub const LOG_FORMAT: &str = "\
log_format why504 '$remote_addr - $remote_user [$time_local] \"$request\" '
                  '$status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" '
                  'rt=$request_time uct=$upstream_connect_time '
                  'urt=$upstream_response_time us=$upstream_status '
                  'ua=$upstream_addr msec=$msec conn=$connection pid=$pid';";

/// Prints all of it. `ports` are those that nginx.conf names, `asked` whether there was one.
pub fn print(ports: Option<&BTreeSet<u16>>, asked: bool, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "# 1. Capture, on the gateway and on the upstream, from before the trouble until"
    )?;
    writeln!(out, "#    two minutes after it. Each is a ring of 20 files of 100 MB.")?;
    for point in ["gateway", "upstream"] {
        writeln!(out, "\n# on the {point}")?;
        writeln!(out, "tcpdump -i any -n -p -s 128 --nano -B 16384 -C 100 -W 20 -Z root \\")?;
        writeln!(out, "  -w {point}.pcap '\n    {}'", filter(ports))?;
    }
    writeln!(out, "\n{}", about_ports(ports, asked))?;
    out.write_all(ADVICE.as_bytes())?;
    writeln!(out, "\n{LOG_FORMAT}\naccess_log logs/access.log why504;")?;
    out.write_all(LOGS.as_bytes())
}

fn about_ports(ports: Option<&BTreeSet<u16>>, asked: bool) -> &'static str {
    match (ports, asked) {
        (Some(_), _) => {
            "# The ports are those that nginx.conf connects to. Where NAT or a mesh gives the\n\
             # upstream another port, add it there."
        }
        (None, true) => {
            "# nginx.conf leaves the ports to variables or Lua code, or names none: all are\n\
             # taken."
        }
        (None, false) => {
            "# All ports are taken; --nginx-conf FILE narrows them to those of the upstreams."
        }
    }
}

/// What holds for every capture.
const ADVICE: &str = "\
#
# It keeps SYN, SYN+ACK, RST, FIN, ACKs without payload, ICMP errors, and who
# asks the link for an address (a SYN that waits for an answer never leaves).
# Without ACKs, the third handshake and the bare ACK of a held port are missing.
# Where the disk allows, take all headers: 'tcp or arp or icmp or icmp6'.
# Only then do healthy handshakes show how reliably each point sees packets.
#
# - tcpdump says at its end how many packets the kernel dropped; a pcap file
#   does not. dumpcap writes that number into the file (filter behind -f):
#     dumpcap -i any -s 128 -b filesize:100000 -b files:20 -w gateway.pcapng -f
# - On a mirror port, or where frames carry VLAN tags, give the filter twice:
#     '(FILTER) or (vlan and (FILTER))'
# - With a tunnel (VXLAN, Geneve, GRE) capture on the interface inside it. On
#   the outer one take the tunnel whole, one level of it is opened:
#     -s 192 'udp port 4789 or udp port 6081 or proto gre'
# - TCP behind IPv6 extension headers is beyond the filter; 'ip6 protochain 6'
#   takes it.
# - Clocks need not agree: packets that both points saw tell the difference.

# 2. Log. In nginx.conf; the milliseconds make the join exact.
";

const LOGS: &str = "\
error_log  logs/error.log error;  # connect timeouts are logged at this level
# OpenResty: lua_socket_log_errors stays on (the default), or nothing is logged

# 3. Afterwards
why504 --tz ZONE --nginx-conf nginx.conf --at gateway=DIR --at upstream=DIR logs
";
