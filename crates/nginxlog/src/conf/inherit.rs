//! Which timeouts of a configuration may have been in force for a log line.
//!
//! nginx takes a directive from the innermost block that has it. The line tells the block only in
//! part: `server:` is the first name of a server, `request:` is what the client sent, before
//! rewrites and internal redirects, and `upstream:` is where it ended. So the answer is a set: one
//! value where the line leaves no choice, every value that may have been in force where it does,
//! and none where code that is not to be seen here decides.

use core::net::IpAddr;

use why504_model::{Endpoint, LimitSource, Span, TimeLimit, TimeoutKind};

use super::Conf;
use super::rule::Rule;
use super::tree::{Balancer, Block, FAMILIES, Jump, Kind, Pass, Target, Tree, family_of};
use super::uri::uri;
use crate::classify::Phase;
use crate::join::Access504;
use crate::scan::LoggedTimeout;

/// What every `*_connect_timeout`, `*_read_timeout` and `*_send_timeout` is where nothing sets it
/// (`ngx_conf_merge_msec_value` in each module; lua-nginx-module ngx_http_lua_module.c:1743).
const DEFAULT: Span = Span::from_secs(60);

/// nginx ends after this many internal redirects (`NGX_HTTP_MAX_URI_CHANGES`).
const MAX_JUMPS: usize = 11;

/// What a log line says about its place in the configuration.
#[derive(Clone, Copy, Debug)]
pub struct LineScope<'a> {
    kind: TimeoutKind,
    phase: Phase,
    /// A line of the stream module.
    stream: bool,
    /// `http`, `fastcgi`, where the line says.
    scheme: Option<&'a [u8]>,
    /// First name of the server (http), or listen address (stream).
    server: Option<&'a [u8]>,
    request: Option<&'a [u8]>,
    /// Decoded URI of a subrequest.
    subrequest: Option<&'a [u8]>,
    peer: Option<Endpoint>,
}

impl<'a> LineScope<'a> {
    /// Of a line of an error log.
    pub fn of(timeout: &LoggedTimeout<'a>) -> Self {
        let (record, class) = (&timeout.record, timeout.class);
        let context = record.context;
        let scheme = context
            .upstream
            .and_then(|upstream| upstream.get(..memchr::memmem::find(upstream, b"://")?));
        let bare = context.upstream.is_some() && scheme.is_none() && context.request.is_none();
        Self {
            kind: class.kind,
            phase: class.phase,
            stream: bare || record.message.starts_with(b"stream "),
            scheme: scheme.filter(|_| !class.cosocket),
            server: context.server,
            request: context.request,
            subrequest: context.subrequest,
            peer: class.peer,
        }
    }

    /// Of a 504 of an access log, which does not name the server's first name.
    pub fn of_access_504(case: &'a Access504) -> Self {
        Self {
            kind: case.kind(),
            phase: Phase::Connect,
            stream: false,
            scheme: None,
            server: None,
            request: case.request.as_deref(),
            subrequest: None,
            peer: Some(case.peer),
        }
    }

    /// What the directives end with; `None` where no timer made the line.
    fn suffix(&self) -> Option<&'static str> {
        Some(match (self.kind, self.phase) {
            // What a user's own message means is not nginx's to say.
            (TimeoutKind::UserTimeout, _) => return None,
            // Waiting in the queue of a pool has the connect timeout.
            (kind, _) if kind.is_connect_timeout() => "_connect_timeout",
            (kind, Phase::Send) if kind.is_read_timeout() => "_send_timeout",
            (kind, _) if kind.is_read_timeout() => "_read_timeout",
            _ => return None,
        })
    }

    fn is_cosocket(&self) -> bool {
        matches!(self.kind, TimeoutKind::LuaConnectTimeout | TimeoutKind::LuaReadTimeout)
    }
}

/// A timeout in force at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Set(Span),
    Default,
    /// A variable, or whatever Lua code says.
    Unknown,
}

impl Conf {
    /// The timeouts that may have been in force for a line, shortest first; none where the file
    /// does not decide it. Lua code that is not in the file (`settimeout`,
    /// `balancer.set_timeouts`) and the control planes of Kong and APISIX override it unseen, so
    /// for cosockets, and for groups whose peers Lua code chooses, only what somebody has written
    /// counts, not nginx's default.
    pub fn limits(&self, line: &LineScope<'_>) -> Vec<TimeLimit> {
        let Some(suffix) = line.suffix() else { return Vec::new() };
        let values = if line.is_cosocket() {
            self.tree.cosocket_values(line, suffix)
        } else {
            self.tree.upstream_values(line, suffix)
        };
        let mut lengths: Vec<Span> = Vec::new();
        for value in values {
            match value {
                Value::Set(length) => lengths.push(length),
                Value::Default => lengths.push(DEFAULT),
                Value::Unknown => return Vec::new(),
            }
        }
        lengths.sort_unstable();
        lengths.dedup();
        let source = LimitSource::NginxConf;
        let limit = |length| TimeLimit { at_least: length, at_most: length, source };
        lengths.into_iter().map(limit).collect()
    }
}

impl Tree {
    /// What is in force in a block: its own value, or that of the nearest block around it.
    fn value(&self, block: usize, directive: &str) -> Value {
        let set = self.outwards(block).find_map(|block| {
            // nginx refuses a directive that stands twice in a block.
            block.timeouts.iter().find(|(name, _)| name == directive).map(|(_, length)| *length)
        });
        match set {
            Some(Some(length)) => Value::Set(length),
            Some(None) => Value::Unknown,
            None => Value::Default,
        }
    }

    fn upstream_values(&self, line: &LineScope<'_>, suffix: &str) -> Vec<Value> {
        let mut places: Vec<(usize, &Pass)> = Vec::new();
        for server in self.servers(line) {
            let all = || self.within(server).collect::<Vec<_>>();
            let mut possible = self.possible(server, line).unwrap_or_else(all);
            possible.extend(all().into_iter().filter(|&index| self.is_internal(index)));
            possible.sort_unstable();
            possible.dedup();
            let before = places.len();
            places.extend(self.passes(&possible, line));
            // Where none of them passes anything there, the request came elsewhere unseen.
            if places.len() == before {
                places.extend(self.passes(&all(), line));
            }
        }
        if places.is_empty() {
            let all: Vec<usize> = (0..self.blocks.len()).collect();
            places.extend(self.passes(&all, line));
        }
        places.into_iter().map(|(block, pass)| self.pass_value(block, pass, suffix)).collect()
    }

    fn is_internal(&self, block: usize) -> bool {
        self.blocks.get(block).is_some_and(|block| block.internal)
    }

    fn pass_value(&self, block: usize, pass: &Pass, suffix: &str) -> Value {
        let Some(family) = FAMILIES.get(pass.family) else { return Value::Unknown };
        let value = self.value(block, &format!("{family}{suffix}"));
        match (self.balancer(pass), value) {
            (Balancer::SetsTimeouts, _) | (Balancer::Lua, Value::Default) => Value::Unknown,
            (_, value) => value,
        }
    }

    fn cosocket_values(&self, line: &LineScope<'_>, suffix: &str) -> Vec<Value> {
        let directive = format!("lua_socket{suffix}");
        if self.lua_sets_timeouts {
            return Vec::new();
        }
        let mut blocks = Vec::new();
        for server in self.servers(line) {
            let all = || self.within(server).collect();
            blocks.extend(self.possible(server, line).unwrap_or_else(all));
        }
        // A timer or a phase without a request has the configuration of whatever started it.
        if blocks.is_empty() || line.request.is_none() && !line.stream {
            blocks = (0..self.blocks.len()).collect();
        }
        let values: Vec<Value> =
            blocks.into_iter().map(|block| self.value(block, &directive)).collect();
        if values.iter().all(|value| *value == Value::Default) { Vec::new() } else { values }
    }

    /// The servers that a line may be about.
    fn servers(&self, line: &LineScope<'_>) -> Vec<usize> {
        let of_module = |module: &Block| match module.kind {
            Kind::Http => !line.stream,
            Kind::Stream => line.stream,
            _ => false,
        };
        let all: Vec<usize> = (0..self.blocks.len())
            .filter(|&index| {
                let is_server =
                    self.blocks.get(index).is_some_and(|b| matches!(b.kind, Kind::Server { .. }));
                let module = self.blocks.get(self.parent(index));
                // A file that is meant to be included has no `http` around its servers.
                is_server && module.is_some_and(|m| of_module(m) || matches!(m.kind, Kind::Main))
            })
            .collect();
        let Some(named) = line.server else { return all };
        let fits = |index: &usize| match self.blocks.get(*index).map(|block| &block.kind) {
            Some(Kind::Server { listens, .. }) if line.stream => {
                listens.iter().any(|listen| listens_at(listen, named))
            }
            // `server:` is the first name, in lower case (`ngx_http_core_merge_srv_conf`).
            Some(Kind::Server { names, .. }) => {
                names.first().map_or(b"".as_slice(), Vec::as_slice).eq_ignore_ascii_case(named)
            }
            _ => false,
        };
        let fitting: Vec<usize> = all.iter().copied().filter(fits).collect();
        if fitting.is_empty() { all } else { fitting }
    }

    /// A block and all blocks inside it.
    fn within(&self, block: usize) -> impl Iterator<Item = usize> {
        let mut open = vec![block];
        core::iter::from_fn(move || {
            let next = open.pop()?;
            open.extend(self.blocks.get(next)?.children.iter().rev());
            Some(next)
        })
    }

    /// The locations of a server in which a request may end; `None` where it may be any.
    fn possible(&self, server: usize, line: &LineScope<'_>) -> Option<Vec<usize>> {
        if line.stream {
            return Some(vec![server]);
        }
        let uri = match line.subrequest {
            Some(uri) => uri.to_vec(),
            None => uri(line.request?)?,
        };
        let mut found = Vec::new();
        let mut targets = vec![uri];
        for _ in 0..MAX_JUMPS {
            let mut next = Vec::new();
            for target in targets {
                let mut locations = self.reached(server, &target);
                locations.retain(|location| !found.contains(location));
                for location in locations {
                    next.extend(self.jumps(location, &target)?);
                    found.push(location);
                }
            }
            if next.is_empty() {
                return Some(found);
            }
            targets = next;
        }
        None
    }

    /// The locations of a URI, or the one that has this name; the server where there is none.
    fn reached(&self, server: usize, target: &[u8]) -> Vec<usize> {
        if target.starts_with(b"@") {
            let is_it = |index: &usize| {
                let block = self.blocks.get(*index);
                block.is_some_and(
                    |b| matches!(&b.kind, Kind::Location(Rule::Named(name)) if name == target),
                )
            };
            return self.within(server).filter(is_it).collect();
        }
        let found = self.locations(server, target);
        if found.is_empty() { vec![server] } else { found }
    }

    /// Where a request in this location may be sent on to; `None` is anywhere. Directives of the
    /// blocks around it count as well: nginx inherits some of them.
    fn jumps(&self, location: usize, target: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut targets = Vec::new();
        let branches = self.branches(location).filter_map(|index| self.blocks.get(index));
        let around = self.outwards(location).flat_map(|block| {
            let branch = |index: &usize| self.blocks.get(*index).filter(|b| b.is_branch());
            core::iter::once(block).chain(block.children.iter().filter_map(branch))
        });
        for jump in branches.chain(around).flat_map(|block| &block.jumps) {
            match jump {
                Jump::To(uri) => targets.push(uri.clone()),
                Jump::Rewrite(Some(expression)) if !expression.is_match(target) => {}
                Jump::Rewrite(_) => return None,
            }
        }
        Some(targets)
    }

    /// The `if`s and `limit_except`s of a location, which are parts of it.
    fn branches(&self, location: usize) -> impl Iterator<Item = usize> {
        self.within(location).skip(1).filter(move |index| {
            let mut inner = self.blocks.get(*index);
            while let Some(block) = inner.filter(|block| block.is_branch()) {
                if block.parent == Some(location) {
                    return true;
                }
                inner = block.parent.and_then(|parent| self.blocks.get(parent));
            }
            false
        })
    }

    /// The passes of these places that the line can be about.
    fn passes<'a>(&'a self, places: &[usize], line: &LineScope<'_>) -> Vec<(usize, &'a Pass)> {
        let mut found = Vec::new();
        for &place in places {
            let parts = core::iter::once(place).chain(self.branches(place));
            for block in parts.filter_map(|index| self.blocks.get(index)) {
                let fitting = block.passes.iter().filter(|pass| self.leads_there(pass, line));
                found.extend(fitting.map(|pass| (place, pass)));
            }
        }
        found
    }

    fn leads_there(&self, pass: &Pass, line: &LineScope<'_>) -> bool {
        // `suwsgi`, `grpcs` and `https` are the same modules over TLS.
        let family = line.scheme.and_then(|scheme| match scheme {
            b"http" | b"https" => Some(0),
            b"grpcs" => family_of(b"grpc"),
            b"suwsgi" => family_of(b"uwsgi"),
            other => family_of(other),
        });
        if family.is_some_and(|family| family != pass.family) {
            return false;
        }
        let Some(peer) = line.peer else { return true };
        match &pass.target {
            Target::Anywhere => true,
            Target::Address(address) => *address == peer,
            Target::Name(name) => match self.group(name) {
                Some(group) => group.others || group.peers.contains(&peer),
                // A host's name, whose addresses are not known here, or a unix socket.
                None => !name.starts_with(b"unix:"),
            },
        }
    }

    fn balancer(&self, pass: &Pass) -> Balancer {
        match &pass.target {
            Target::Name(name) => self.group(name).map_or(Balancer::None, |group| group.balancer),
            // Which group a variable names is not known; Lua code in any of them may be it.
            Target::Anywhere => {
                self.groups().map(|group| group.balancer).max().unwrap_or(Balancer::None)
            }
            Target::Address(_) => Balancer::None,
        }
    }

    fn group(&self, name: &[u8]) -> Option<&super::tree::Group> {
        self.groups().find(|group| group.name == name)
    }

    fn groups(&self) -> impl Iterator<Item = &super::tree::Group> {
        self.blocks.iter().filter_map(|block| match &block.kind {
            Kind::Upstream(group) => Some(group),
            _ => None,
        })
    }
}

/// Whether `listen` can be what the log prints as `0.0.0.0:3307`.
fn listens_at(listen: &[u8], logged: &[u8]) -> bool {
    let parts = |text: &[u8]| -> (Option<IpAddr>, Option<u16>) {
        let (host, port) = match memchr::memrchr(b':', text) {
            Some(colon) if !text.ends_with(b"]") => {
                text.split_at_checked(colon).unwrap_or((text, b""))
            }
            _ => (b"".as_slice(), text),
        };
        let port = core::str::from_utf8(port).ok().map(|port| port.trim_start_matches(':'));
        (crate::address::ip_address(host), port.and_then(|port| port.parse().ok()))
    };
    let ((listen_ip, listen_port), (ip, port)) = (parts(listen), parts(logged));
    let open = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
    listen_port == port && (open(listen_ip) || open(ip) || listen_ip == ip)
}
