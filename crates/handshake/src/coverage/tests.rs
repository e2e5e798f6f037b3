use super::*;
use core::net::Ipv4Addr;
use why504_model::TcpFlags;

fn server(port: u16) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(10, 0, 0, 9).into(), port)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_parts(seconds, 0)
}

fn syn(to: Endpoint, seconds: i64) -> Segment {
    let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 5).into(), 40_000);
    crate::tracker::testing::segment(at(seconds), client, to, TcpFlags::SYN, 1, 0)
}

fn syn_ack(from: Endpoint, seconds: i64) -> Segment {
    let client = Endpoint::new(Ipv4Addr::new(10, 0, 0, 5).into(), 40_000);
    crate::tracker::testing::segment(at(seconds), from, client, TcpFlags::SYN | TcpFlags::ACK, 1, 2)
}

fn covered() -> Coverage {
    let mut coverage = Coverage::default();
    coverage.packet(&syn(server(80), 1000));
    coverage.packet(&syn_ack(server(80), 1010));
    coverage.moment(at(1100), SourceId(0));
    coverage
}

#[test]
fn silence_counts_only_inside_proven_coverage() {
    let during = Interval::new(at(1020), at(1023));
    let whole = covered();
    assert_eq!(whole.of(server(80), during), Ok(()));
    assert_eq!(whole.of(server(81), during), Err(CoverageGap::OtherPort));
    let early = Interval::new(at(999), at(1001));
    assert_eq!(whole.of(server(80), early), Err(CoverageGap::OutsideSpan));
    assert_eq!(Coverage::default().of(server(80), during), Err(CoverageGap::Empty));

    let mut other_ports = covered();
    other_ports.packet(&syn(server(443), 1001));
    let gap = Err(CoverageGap::OtherPort);
    assert_eq!(other_ports.of(server(81), during), gap, "the filter may name two ports");

    let mut dropping = covered();
    dropping.dropped = 1;
    assert_eq!(dropping.of(server(80), during), Err(CoverageGap::Dropped));

    let mut cut = covered();
    cut.cut_short = 1;
    assert_eq!(cut.of(server(80), during), Err(CoverageGap::CutShort));
}

#[test]
fn a_filter_on_flags_hides_the_acks() {
    let during = Interval::new(at(1020), at(1023));
    let mut filtered = covered();
    assert_eq!(filtered.of_acks(server(80), during), Err(CoverageGap::NoAcks));
    let mut fin = syn(server(80), 1015);
    fin.flags = TcpFlags::FIN | TcpFlags::ACK;
    filtered.packet(&fin);
    assert_eq!(filtered.of_acks(server(80), during), Err(CoverageGap::NoAcks));
    // `tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst|tcp-push) != 0` lets requests through.
    let mut request = syn(server(80), 1015);
    request.flags = TcpFlags::PSH | TcpFlags::ACK;
    filtered.packet(&request);
    assert_eq!(filtered.of_acks(server(80), during), Err(CoverageGap::NoAcks));
    let mut ack = syn(server(80), 1016);
    ack.flags = TcpFlags::ACK;
    filtered.packet(&ack);
    assert_eq!(filtered.of_acks(server(80), during), Ok(()));
}

#[test]
fn a_reset_does_not_show_that_a_direction_is_captured() {
    let mut coverage = Coverage::default();
    coverage.packet(&syn(server(80), 1000));
    let mut rst = syn_ack(server(80), 1010);
    rst.flags = TcpFlags::RST | TcpFlags::ACK;
    coverage.packet(&rst);
    coverage.moment(at(1100), SourceId(0));
    let during = Interval::new(at(1020), at(1023));
    assert_eq!(coverage.of(server(80), during), Err(CoverageGap::OneDirection));
}

#[test]
fn a_missing_file_is_a_hole() {
    let mut coverage = Coverage::default();
    coverage.packet(&syn(server(80), 1000));
    coverage.packet(&syn_ack(server(80), 1010));
    coverage.moment(at(1030), SourceId(1));
    coverage.moment(at(1100), SourceId(1));
    let hole = Interval::new(at(1020), at(1023));
    assert_eq!(coverage.of(server(80), hole), Err(CoverageGap::BetweenFiles));
    assert_eq!(coverage.of(server(80), Interval::new(at(1040), at(1043))), Ok(()));
    // Another file, of another interface perhaps, spans it.
    coverage.moment(at(1005), SourceId(2));
    coverage.moment(at(1040), SourceId(2));
    assert_eq!(coverage.of(server(80), hole), Ok(()));
}

#[test]
fn one_direction_is_not_coverage() {
    let mut coverage = Coverage::default();
    coverage.packet(&syn(server(80), 5));
    coverage.moment(at(0), SourceId(0));
    coverage.moment(at(100), SourceId(0));
    let during = Interval::new(at(6), at(9));
    assert_eq!(coverage.of(server(80), during), Err(CoverageGap::OneDirection));
    assert!(coverage.knows(server(80).ip, during));
    coverage.packet(&syn_ack(server(80), 7));
    assert_eq!(coverage.of(server(80), during), Ok(()));
}

#[test]
fn activity_long_ago_is_not_coverage_now() {
    let mut coverage = covered();
    coverage.moment(at(9000), SourceId(0));
    let during = Interval::new(at(8000), at(8003));
    assert_eq!(coverage.of(server(80), during), Err(CoverageGap::OneDirection));
}
