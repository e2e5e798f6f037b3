//! Plays one scenario and leaves its logs, captures and truth in a folder.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::namespaces::{Addresses, Namespaces, sysctl};
use super::processes::Process;
use super::{command, conf, detour, rules, twin};
use crate::scenario::{Behaviour, ClockError, Dnat, Scenario};
use crate::{pcap, truth};

/// What a run made.
#[derive(Debug)]
pub struct Outcome {
    /// Folder with the set.
    pub folder: PathBuf,
    /// Summary of its truth.
    pub truth: truth::Summary,
    /// What became of the load.
    pub load: String,
}

/// Plays `scenario`, called `name`, into the new folder `out/name`.
pub fn run(scenario: &Scenario, name: &str, out: &Path) -> Result<Outcome> {
    let folder = std::path::absolute(out.join(name))?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot replace {}", folder.display()))?;
    }
    // `run` also holds nginx's temporary files; it goes away at the end.
    let work = folder.join("run");
    std::fs::create_dir_all(folder.join("conf"))?;
    std::fs::create_dir_all(&work)?;
    std::fs::write(folder.join("conf/nginx.conf"), conf::nginx(scenario))?;
    std::fs::write(work.join("scenario.toml"), toml::to_string(scenario)?)?;

    let namespaces = Namespaces::make(scenario)?;
    let load = play(scenario, &namespaces, &folder, &work)?;
    drop(namespaces);

    std::fs::remove_dir_all(&work)?;
    shift_clock(scenario.upstream_clock, &folder.join("upstream.pcap"))?;
    for capture in truth::gateway_captures(&folder)? {
        shift_clock(scenario.gateway_clock, &capture)?;
    }
    let settings = truth::Settings::of(scenario);
    truth::write_settings(&folder, scenario, &settings)?;
    let truth = truth::write(&folder, &settings)?;
    if scenario.chain {
        second_set(scenario, &folder)?;
    }
    Ok(Outcome { folder, truth, load })
}

/// The folder of the second gateway of a chain, beside that of the first.
fn second_folder(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push("-second");
    PathBuf::from(name)
}

/// What the second gateway of a chain logged, with the same captures: what was captured at the upstream
/// is at the gateway here, and the other way round.
fn second_set(scenario: &Scenario, first: &Path) -> Result<()> {
    let folder = second_folder(first);
    std::fs::remove_dir_all(folder.join("run"))?;
    for (from, to) in [("upstream", "gateway"), ("gateway", "upstream"), ("dropped", "dropped")] {
        let name = |point| format!("{point}.pcap");
        std::fs::copy(first.join(name(from)), folder.join(name(to)))?;
    }
    let settings = truth::Settings::of_second(scenario);
    truth::write_settings(&folder, &scenario.second(), &settings)?;
    truth::write(&folder, &settings)?;
    Ok(())
}

/// Starts the second gateway of a chain, and the servers that it asks.
fn start_second(
    scenario: &Scenario,
    at: &Namespaces,
    folder: &Path,
    work: &Path,
) -> Result<[Process; 2]> {
    let second = second_folder(folder);
    if second.exists() {
        std::fs::remove_dir_all(&second)?;
    }
    for below in ["conf", "run"] {
        std::fs::create_dir_all(second.join(below))?;
    }
    std::fs::write(second.join("conf/nginx.conf"), conf::second(scenario))?;
    let prefix = second.display().to_string();
    let words = ["nginx", "-p", &prefix, "-c", "conf/nginx.conf", "-e", "error.log"];
    let nginx = Process::start(&at.upstream, "second", &words, work, &[("TZ", "UTC")])?;
    let me = std::env::current_exe()?.display().to_string();
    let gateway = Addresses::of(scenario).gateway;
    let listen: Vec<String> =
        scenario.upstream.iter().map(|up| format!("{gateway}:{}", up.port)).collect();
    let words: Vec<&str> = [me.as_str(), "server", "answers"]
        .into_iter()
        .chain(listen.iter().map(String::as_str))
        .collect();
    let mut servers = Process::start(&at.gateway, "behind", &words, work, &[])?;
    servers.wait_for("listening", Duration::from_secs(5))?;
    Ok([servers, nginx])
}

fn play(scenario: &Scenario, at: &Namespaces, folder: &Path, work: &Path) -> Result<String> {
    let nft = |namespace: &str, script: &str| {
        command::feed(&["ip", "netns", "exec", namespace, "nft", "-f", "-"], script)
            .with_context(|| format!("the rules were:\n{script}"))
    };
    nft(&at.router, &rules::router(scenario, 1))?;
    if scenario.firewalls == 2 {
        nft(&at.last_router, &rules::router(scenario, 2))?;
    }
    nft(&at.upstream, &rules::upstream(scenario))?;
    nft(&at.gateway, &rules::gateway(scenario))?;

    let servers = if scenario.chain {
        Vec::from(start_second(scenario, at, folder, work)?)
    } else {
        start_servers(scenario, at, work)?
    };
    let twin = twin::start(scenario, at, work)?;
    let forwarders = detour::open(scenario, at, work)?;
    let me = std::env::current_exe()?.display().to_string();
    let upstream = Addresses::of(scenario).upstream.parse::<IpAddr>()?;
    let closed = SocketAddr::from((upstream, 1)).to_string();
    command::run(&["ip", "netns", "exec", &at.gateway, &me, "reach", &closed])?;
    let leftovers = || {
        if scenario.behaviours_met().any(Behaviour::needs_leftovers) {
            let words = [me.as_str(), "leftovers", "scenario.toml"];
            let leftovers = Process::start(&at.gateway, "leftovers", &words, work, &[])?;
            leftovers.finish(Duration::from_mins(2))?;
            if scenario.leftovers_closed {
                // Without the random offset that the kernel gives each 4-tuple.
                sysctl(&at.gateway, "net.ipv4.tcp_timestamps=2")?;
            }
        }
        Ok::<_, anyhow::Error>(())
    };
    if scenario.leftovers_before_capture {
        leftovers()?;
    }
    let captures = start_captures(scenario, at, folder, work)?;
    if !scenario.leftovers_before_capture {
        leftovers()?;
    }
    let prefix = folder.display().to_string();
    let words = ["nginx", "-p", &prefix, "-c", "conf/nginx.conf", "-e", "error.log"];
    let zone = [("TZ", scenario.timezone.as_str())];
    let nginx = Process::start(&at.gateway, "nginx", &words, work, &zone)?;

    let words = [me.as_str(), "client", "scenario.toml"];
    let client = Process::start(&at.gateway, "client", &words, work, &[])?;
    let load = client.finish(Duration::from_secs_f64(scenario.seconds + 60.0))?;
    // Other traffic goes on, as it would: it shows that the captures had not ended yet.
    let end = Instant::now() + Duration::from_secs_f64(scenario.linger_seconds.clamp(0.0, 120.0));
    while Instant::now() < end {
        command::run(&["ip", "netns", "exec", &at.gateway, &me, "reach", &closed])?;
        std::thread::sleep(Duration::from_millis(500));
    }

    let counters = ["ip", "netns", "exec", &at.upstream, "nstat", "-az"];
    std::fs::write(folder.join("upstream.nstat"), command::run(&counters)?)?;
    nginx.stop("TERM")?;
    for capture in captures {
        capture.stop("INT")?;
    }
    for server in servers.into_iter().chain(twin) {
        server.stop("TERM").ok();
    }
    drop(forwarders);
    Ok(load.trim().to_owned())
}

fn start_servers(scenario: &Scenario, at: &Namespaces, work: &Path) -> Result<Vec<Process>> {
    let me = std::env::current_exe()?.display().to_string();
    let to = Addresses::of(scenario);
    let [mut serving, mut mute, mut holding, mut deferred] = [const { Vec::new() }; 4];
    for up in &scenario.upstream {
        let listen = |address: &str| {
            let host = if scenario.ipv6 { format!("[{address}]") } else { address.to_owned() };
            format!("{host}:{}", up.port)
        };
        match up.behaviour {
            Some(
                Behaviour::Refused
                | Behaviour::ReplyLost
                | Behaviour::ArpFailure
                | Behaviour::SimultaneousOpen,
            ) => {}
            Some(Behaviour::AcceptOverflow) => holding.push(listen(to.upstream)),
            Some(Behaviour::DeferAccept) => deferred.push(listen(to.upstream)),
            Some(Behaviour::Mute) => mute.push(listen(to.upstream)),
            _ if scenario.dnat == Some(Dnat::Servers) => serving.extend(to.servers().map(listen)),
            _ => serving.push(listen(to.upstream)),
        }
    }
    let mut servers = Vec::new();
    for (manner, addresses) in [("answers", serving), ("mute", mute), ("holds", holding)] {
        if addresses.is_empty() {
            continue;
        }
        if manner == "holds" {
            // `listen()` takes the smaller of its backlog and this; the others listen already.
            sysctl(&at.upstream, "net.core.somaxconn=1")?;
        }
        let mut words = vec![me.as_str(), "server", manner];
        words.extend(addresses.iter().map(String::as_str));
        let mut server = Process::start(&at.upstream, manner, &words, work, &[])?;
        server.wait_for("listening", Duration::from_secs(5))?;
        servers.push(server);
    }
    if !deferred.is_empty() {
        std::fs::write(work.join("deferred.conf"), conf::deferred(&deferred))?;
        let prefix = work.display().to_string();
        let words = ["nginx", "-p", &prefix, "-c", "deferred.conf", "-e", "deferred.log"];
        servers.push(Process::start(&at.upstream, "deferred", &words, work, &[])?);
    }
    Ok(servers)
}

fn start_captures(
    scenario: &Scenario,
    at: &Namespaces,
    folder: &Path,
    work: &Path,
) -> Result<Vec<Process>> {
    let capture = scenario.capture;
    let snaplen = capture.snaplen.to_string();
    let precision = if capture.nanoseconds { "nano" } else { "micro" };
    let precision = format!("--time-stamp-precision={precision}");
    let rotate = capture.rotate_seconds.to_string();
    let group = format!("nflog:{}", rules::NFLOG_GROUP);
    let file = |name: &str| folder.join(name).display().to_string();
    let gateway_device = if capture.any { "any" } else { "eth0" };
    let rotating = capture.rotate_seconds > 0;
    let gateway_file = file(if rotating { "gateway-%Y%m%d%H%M%S.pcap" } else { "gateway.pcap" });
    // The users' requests to 127.0.0.1 also pass `any`.
    let filter = "(tcp and not port 80) or icmp or icmp6 or arp";
    let mut points = vec![
        ("tcpdump-gateway", &*at.gateway, gateway_device, gateway_file),
        ("tcpdump-upstream", &at.upstream, "eth0", file("upstream.pcap")),
        ("tcpdump-dropped", &at.router, group.as_str(), file("dropped.pcap")),
        ("tcpdump-unsent", &at.gateway, group.as_str(), file("unsent.pcap")),
    ];
    if scenario.proxy_is_captured() {
        let [inner, outer] = rules::devices(scenario, scenario.proxy_firewall);
        points.extend([
            ("tcpdump-front", at.proxy(scenario), inner, file("front.pcap")),
            ("tcpdump-back", at.proxy(scenario), outer, file("back.pcap")),
        ]);
    } else if scenario.firewalls == 2 {
        points.extend([
            ("tcpdump-fw1", &*at.router, "mid0", file("fw1.pcap")),
            ("tcpdump-fw2", &*at.last_router, "mid1", file("fw2.pcap")),
        ]);
    }
    if scenario.firewalls == 2 {
        points.push(("tcpdump-dropped2", &at.last_router, &group, file("dropped2.pcap")));
    }
    let mut processes = Vec::new();
    for (name, namespace, device, target) in points {
        let rules_log = device.starts_with("nflog");
        let mut words = vec!["tcpdump", "-U", "-n", "-Z", "root", "-B", "16384"];
        words.extend(["-i", device, "-w", &target]);
        if !rules_log {
            words.extend(["-s", &snaplen, "--immediate-mode", precision.as_str()]);
        }
        if rotating && name == "tcpdump-gateway" {
            words.extend(["-G", &rotate]);
        }
        if !rules_log {
            words.push(filter);
        }
        let mut process = Process::start(namespace, name, &words, work, &[("TZ", "UTC")])?;
        process.wait_for("listening on", Duration::from_secs(10))?;
        processes.push(process);
    }
    Ok(processes)
}

fn shift_clock(clock: ClockError, path: &Path) -> Result<()> {
    if clock == ClockError::default() {
        return Ok(());
    }
    let mut bytes = std::fs::read(path)?;
    pcap::shift_clock(&mut bytes, clock.offset_ns(), clock.drift_ppm)?;
    Ok(std::fs::write(path, bytes)?)
}
