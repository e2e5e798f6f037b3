//! Finds, recognises, decompresses and orders log and capture files.
