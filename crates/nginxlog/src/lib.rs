//! Reads nginx and OpenResty error and access logs into records and timeouts.
