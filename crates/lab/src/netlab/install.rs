//! The Debian packages that a run needs, and how to get them.

use std::path::Path;

use anyhow::{Context, Result};

use super::command;

/// A file that each package brings, and the package.
const NEEDED: [(&str, &str); 8] = [
    ("/usr/sbin/nginx", "nginx"),
    ("/usr/lib/nginx/modules/ngx_http_lua_module.so", "libnginx-mod-http-lua"),
    ("/usr/bin/tcpdump", "tcpdump"),
    ("/usr/sbin/nft", "nftables"),
    ("/usr/sbin/ip", "iproute2"),
    ("/usr/sbin/sysctl", "procps"),
    ("/usr/bin/tshark", "tshark"),
    ("/usr/share/zoneinfo/Asia/Shanghai", "tzdata"),
];

/// The packages that are not installed. Also found where `/sbin` is not merged into `/usr/sbin`.
pub fn missing_programs() -> Vec<&'static str> {
    let present = |file: &str| {
        let unmerged = file.strip_prefix("/usr").unwrap_or(file);
        Path::new(file).exists() || Path::new(unmerged).exists()
    };
    NEEDED.iter().filter(|(file, _)| !present(file)).map(|(_, package)| *package).collect()
}

/// Installs `packages` with apt. Their services are not started: the lab runs nginx by itself.
pub fn install(packages: &[&str]) -> Result<()> {
    let environment = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];
    command::run(&[&environment[..], &["apt-get", "update", "-q"]].concat())
        .context("cannot update the package lists")?;
    let install = ["apt-get", "install", "-q", "-y", "--no-install-recommends"];
    command::run(&[&environment[..], &install[..], packages].concat())
        .context("cannot install the packages; the lab expects Debian or Ubuntu")?;
    Ok(())
}
