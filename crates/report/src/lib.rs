//! Writes what why504 found: terminal text and NDJSON.
