//! The blocks of a configuration as a tree, with what decides which timeout is in force where.
//!
//! Kept are timeouts, the `*_pass` directives that need them, and whatever may send a request from
//! one location to another. Which of it applies to a line is decided in [`super::inherit`].

use why504_model::{Endpoint, Span};

use super::rule::{Rule, pattern};
use super::{duration, text_of};
use crate::address::{ip_address, upstream_endpoint};

/// The modules whose timeouts are read, as their directives begin: `proxy_connect_timeout`.
pub(super) const FAMILIES: [&str; 8] =
    ["proxy", "grpc", "fastcgi", "uwsgi", "scgi", "memcached", "tunnel", "lua_socket"];

/// All blocks; the first one is the main level.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) blocks: Vec<Block>,
    /// Some Lua code in the file sets the timeouts of its sockets.
    pub(super) lua_sets_timeouts: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) parent: Option<usize>,
    pub(super) children: Vec<usize>,
    /// Directive and value; `None` where the value is a variable.
    pub(super) timeouts: Vec<(String, Option<Span>)>,
    pub(super) passes: Vec<Pass>,
    pub(super) jumps: Vec<Jump>,
    /// `internal`: what an upstream's `X-Accel-Redirect` leads to.
    pub(super) internal: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Main,
    Http,
    Stream,
    Server {
        names: Vec<Vec<u8>>,
        listens: Vec<Vec<u8>>,
    },
    Location(Rule),
    Upstream(Group),
    /// `if` and `limit_except`: a part of the location around it.
    Branch,
    Other,
}

/// An `upstream` block.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) name: Vec<u8>,
    /// The peers that are addresses.
    pub(super) peers: Vec<Endpoint>,
    /// Other peers as well: names, unix sockets, or whatever Lua code chooses.
    pub(super) others: bool,
    pub(super) balancer: Balancer,
}

/// Lua code that chooses the peer; the later, the less the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Balancer {
    #[default]
    None,
    /// It may set timeouts, which cannot be seen here.
    Lua,
    /// It sets timeouts.
    SetsTimeouts,
}

/// A `proxy_pass` or its like.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    /// Index into [`FAMILIES`].
    pub(super) family: usize,
    pub(super) target: Target,
}

/// Where a pass leads.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Address(Endpoint),
    /// The name of a group, or of a host.
    Name(Vec<u8>),
    /// Variables: known only at run time.
    Anywhere,
}

/// What may send a request to another location.
#[derive(Clone, Debug)]
pub(super) enum Jump {
    /// To a URI, or to a named location with its `@`.
    To(Vec<u8>),
    /// To any location, for URIs that the expression matches; `None` is every URI.
    Rewrite(Option<regex::bytes::Regex>),
}

impl Default for Tree {
    fn default() -> Self {
        Self { blocks: vec![Block::new(Kind::Main, None)], lua_sets_timeouts: false }
    }
}

impl Block {
    fn new(kind: Kind, parent: Option<usize>) -> Self {
        let (children, timeouts) = (Vec::new(), Vec::new());
        let (passes, jumps) = (Vec::new(), Vec::new());
        Self { kind, parent, children, timeouts, passes, jumps, internal: false }
    }

    pub(super) fn is_branch(&self) -> bool {
        matches!(self.kind, Kind::Branch)
    }
}

impl Tree {
    /// Opens a block inside `parent` and gives its number.
    pub(super) fn open(&mut self, parent: usize, words: &[Vec<u8>]) -> usize {
        let index = self.blocks.len();
        self.blocks.push(Block::new(kind(words), Some(parent)));
        if let Some(block) = self.blocks.get_mut(parent) {
            block.children.push(index);
        }
        index
    }

    pub(super) fn parent(&self, block: usize) -> usize {
        self.blocks.get(block).and_then(|block| block.parent).unwrap_or(0)
    }

    /// From a block outwards to the main level.
    pub(super) fn outwards(&self, from: usize) -> impl Iterator<Item = &Block> {
        let mut next = Some(from);
        core::iter::from_fn(move || {
            let block = self.blocks.get(next?)?;
            next = block.parent;
            Some(block)
        })
    }

    /// Notes a directive of `block`; says what is wrong with a value that is of interest.
    pub(super) fn directive(&mut self, block: usize, words: &[Vec<u8>]) -> Option<String> {
        let (name, arguments) = words.split_first()?;
        if let Some((lua, text)) = lua_directive(name, arguments) {
            self.lua(block, lua, text);
        }
        let block = self.blocks.get_mut(block)?;
        block.internal |= name == b"internal";
        match &mut block.kind {
            Kind::Server { names, .. } if name == b"server_name" => {
                names.extend(arguments.iter().cloned());
            }
            Kind::Server { listens, .. } if name == b"listen" => {
                listens.extend(arguments.first().cloned());
            }
            Kind::Upstream(group) if name == b"server" => group.add(arguments.first()?),
            _ => {}
        }
        if let Some(family) = name.strip_suffix(b"_pass").and_then(family_of) {
            block.passes.push(Pass { family, target: target(arguments.first()?, family) });
        } else if is_timeout(name) {
            let (directive, value) = (text_of(name), text_of(arguments.first()?));
            let length = duration::parse(value.as_bytes());
            block.timeouts.push((directive.clone(), length));
            if length.is_none() {
                return Some(format!(
                    "{directive} `{value}` is no fixed length of time, so it is not used"
                ));
            }
        } else if let Some(jump) = jump(name, arguments) {
            block.jumps.push(jump);
        }
        None
    }

    /// Notes Lua code: the words of its directive, and its text, empty where it is in a file.
    pub(super) fn lua(&mut self, block: usize, directive: &[u8], text: &[u8]) {
        let holds = |word: &[u8]| memchr::memmem::find(text, word).is_some();
        self.lua_sets_timeouts |= holds(b"settimeout");
        let Some(block) = self.blocks.get_mut(block) else { return };
        if directive.starts_with(b"balancer_by_lua") {
            if let Kind::Upstream(group) = &mut block.kind {
                group.others = true;
                group.balancer =
                    if holds(b"set_timeouts") { Balancer::SetsTimeouts } else { Balancer::Lua };
            }
            return;
        }
        // `ngx.exec`, `ngx.req.set_uri`, or code that is not to be seen here.
        let phases: [&[u8]; 4] =
            [b"rewrite_by_lua", b"access_by_lua", b"content_by_lua", b"server_rewrite_by_lua"];
        let redirects = text.is_empty() || holds(b"exec") || holds(b"set_uri") || holds(b"require");
        if redirects && phases.iter().any(|phase| directive.starts_with(phase)) {
            block.jumps.push(Jump::Rewrite(None));
        }
    }
}

impl Group {
    fn add(&mut self, address: &[u8]) {
        let bare = || ip_address(address).map(|ip| Endpoint::new(ip, 80));
        match upstream_endpoint(address, true).or_else(bare) {
            Some(peer) => self.peers.push(peer),
            None => self.others = true,
        }
    }
}

fn kind(words: &[Vec<u8>]) -> Kind {
    let Some((name, arguments)) = words.split_first() else { return Kind::Other };
    match (name.as_slice(), arguments) {
        (b"http", []) => Kind::Http,
        (b"stream", []) => Kind::Stream,
        (b"server", []) => Kind::Server { names: Vec::new(), listens: Vec::new() },
        (b"location", arguments) => Kind::Location(Rule::of(arguments)),
        (b"upstream", [name]) => {
            Kind::Upstream(Group { name: name.to_ascii_lowercase(), ..Group::default() })
        }
        (b"if" | b"limit_except", _) => Kind::Branch,
        _ => Kind::Other,
    }
}

/// `content_by_lua 'CODE';` and `content_by_lua_file PATH;`.
fn lua_directive<'a>(name: &'a [u8], arguments: &'a [Vec<u8>]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(name, b"_by_lua")?;
    let code = match name.get(at + 7..)? {
        b"" => arguments.first()?.as_slice(),
        b"_file" => b"",
        _ => return None,
    };
    Some((name, code))
}

/// Index into [`FAMILIES`].
pub(super) fn family_of(name: &[u8]) -> Option<usize> {
    FAMILIES.iter().position(|family| family.as_bytes() == name)
}

fn is_timeout(name: &[u8]) -> bool {
    let ends: [&[u8]; 3] = [b"_connect_timeout", b"_read_timeout", b"_send_timeout"];
    let family = ends.iter().find_map(|end| name.strip_suffix(*end));
    family.and_then(family_of).is_some()
}

/// `http://10.0.0.9:8080/uri`, `https://backend`, `127.0.0.1:9000`, `http://$host`.
fn target(argument: &[u8], family: usize) -> Target {
    if argument.contains(&b'$') {
        return Target::Anywhere;
    }
    let scheme = memchr::memmem::find(argument, b"://").map_or(0, |at| at + 3);
    let rest = argument.get(scheme..).unwrap_or_default();
    let end = memchr::memchr(b'/', rest).filter(|_| !rest.starts_with(b"unix:"));
    let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let secure = argument.starts_with(b"https:") || argument.starts_with(b"grpcs:");
    // Only proxy_pass and grpc_pass have a port of their own (ngx_http_proxy_module.c,
    // ngx_http_grpc_module.c); the others must name one.
    let port = if secure { 443 } else { 80 };
    let bare = || ip_address(authority).map(|ip| Endpoint::new(ip, port)).filter(|_| family < 2);
    match upstream_endpoint(authority, true).or_else(bare) {
        Some(peer) => Target::Address(peer),
        None => Target::Name(authority.to_ascii_lowercase()),
    }
}

fn jump(name: &[u8], arguments: &[Vec<u8>]) -> Option<Jump> {
    let target = match name {
        b"rewrite" => return Some(Jump::Rewrite(pattern(arguments.first()?, false))),
        // Scripts that can redirect as Lua can.
        b"js_content" | b"perl" => return Some(Jump::Rewrite(None)),
        b"error_page" | b"post_action" | b"mirror" => arguments.last()?,
        b"try_files" => arguments.last().filter(|last| !last.starts_with(b"="))?,
        _ => return None,
    };
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    match path {
        _ if path.contains(&b'$') => Some(Jump::Rewrite(None)),
        [b'/' | b'@', ..] => Some(Jump::To(path.to_vec())),
        // An error page on another server is a redirect for the client.
        _ => None,
    }
}
