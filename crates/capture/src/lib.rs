//! Reads pcap and pcapng captures into TCP segments and ICMP errors, however short the snapshot.
