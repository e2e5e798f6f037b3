//! A segment says the same however much of its frame was captured, and any frame is counted once.

use proptest::prelude::*;
use why504_capture::ByteOrder;

use crate::render::{Chosen, Shot, Tcp, any_tcp, ethernet, pcap, read};
use crate::{ETHERNET, counted, one, syn, tcp_of};

/// With `-s 68` a strict parser loses every SYN, for its options are cut.
#[test]
fn a_segment_is_read_as_far_as_it_was_captured() {
    for v6 in [false, true] {
        let frame = ethernet(&syn(v6));
        let tcp_at = ETHERNET + if v6 { 40 } else { 20 };
        for snaplen in 0..=frame.len() {
            let reading = one(1, &frame, snaplen);
            let found = tcp_of(&reading);
            if snaplen < tcp_at + 14 {
                assert_eq!((found, counted(&reading.tally)), (None, "cut_short"), "{snaplen}");
                continue;
            }
            // MSS is four octets, timestamps ten.
            let timestamps = (snaplen >= tcp_at + 20 + 4 + 10).then_some((7, 0));
            let expected = Tcp { timestamps, ..syn(v6) };
            assert_eq!(found, Some(Chosen::from(&expected)), "{snaplen}");
        }
    }
}

proptest! {
    #[test]
    fn padding_and_snaplen_do_not_change_the_payload_length(
        tcp in any_tcp(), padding in 0..60_usize, kept in 74..400_usize,
    ) {
        let mut frame = ethernet(&tcp);
        frame.resize(frame.len() + padding, 0xaa);
        let found = tcp_of(&one(1, &frame, kept));
        let expected = Tcp { timestamps: None, ..tcp.clone() };
        let found_without_options = found.map(Chosen::without_timestamps);
        prop_assert_eq!(found_without_options, Some(Chosen::from(&expected)));
    }

    #[test]
    fn any_frame_of_any_link_is_counted_once(
        link in prop_oneof![Just(0_u16), Just(1), Just(12), Just(101), Just(108), Just(113), Just(239), Just(276), any::<u16>()],
        data in proptest::collection::vec(any::<u8>(), 0..120),
        tcp in any_tcp(),
        at in any::<prop::sample::Index>(),
        octet in any::<u8>(),
    ) {
        // `read` checks that the tally adds up.
        read(pcap(ByteOrder::Big, 0xa1b2_c3d4, link, &[Shot { nanos: 1000, data, wire_len: 90 }]).as_slice());
        let mut frame = ethernet(&tcp);
        let at = at.index(frame.len());
        frame[at] = octet;
        one(1, &frame, usize::MAX);
    }
}
