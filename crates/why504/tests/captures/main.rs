//! The captures of real kernels and of other projects, held against what their README states of
//! them. Through the libraries; where the captures are missing the tests pass over them.

mod client_clocks;
mod lab;
mod observed;
mod public;
