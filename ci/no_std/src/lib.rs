//! The compiler's word for it that `model`, `handshake` and `correlate`, and everything they
//! depend on, do without std: no file, clock, thread, environment or terminal is within reach.
//!
//! `#![no_std]` in those crates alone proves little, because a dependency may link std all the
//! same. Here a panic handler is defined; std defines one too, so the moment std is linked anywhere
//! below, compilation ends with `E0152: found duplicate lang item panic_impl`.
#![no_std]

use why504_correlate as _;
use why504_handshake as _;
use why504_model as _;

#[panic_handler]
fn never_called(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
