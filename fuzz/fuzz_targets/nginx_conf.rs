//! An nginx.conf that includes the second half of itself, or the output of `nginx -T`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use why504_nginxlog::Conf;

fuzz_target!(|data: &[u8]| {
    let half = data.len() / 2;
    let mut included = 0_u32;
    let _ = Conf::read("nginx.conf", data, &mut |pattern| {
        included += 1;
        if pattern.starts_with('/') {
            return Err("not there".to_owned());
        }
        Ok(vec![(pattern.to_owned(), data.get(half..).unwrap_or_default().to_vec())])
    });
    assert!(included < 100_000, "includes end");
});
