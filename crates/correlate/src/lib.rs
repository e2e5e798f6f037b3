//! Joins logged timeouts with connect attempts and judges which handshake packet was lost.
