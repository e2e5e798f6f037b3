#!/bin/sh
# Compiles the workspace, tests included, with the oldest toolchain that Cargo.toml promises.
set -eu
promised=$1
if [ "$(rustc --version | cut -d' ' -f2 | cut -d. -f1,2)" = "$promised" ]; then
    echo "the Rust at work is the oldest one promised, $promised"
    cargo check --workspace --all-targets --locked --quiet
elif rustup run "$promised" rustc --version >/dev/null 2>&1; then
    # A target folder of its own: two compilers in one would build everything twice.
    CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/msrv \
        rustup run "$promised" cargo check --workspace --all-targets --locked --quiet
    echo "compiles with Rust $promised"
else
    echo "skipped: Rust $promised is not installed (rustup toolchain install $promised)"
fi
