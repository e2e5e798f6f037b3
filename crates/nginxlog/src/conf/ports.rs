//! The ports that nginx connects to, as far as the file says: what a capture's filter may be
//! narrowed to. Names are not resolved, and Lua code is not read: it may connect anywhere.

use std::collections::{BTreeMap, BTreeSet};

/// What the directives said.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    stated: BTreeSet<u16>,
    /// Hosts of a `*_pass` without a port, and the port of its scheme: unless the host is the name of
    /// an upstream block, whose servers have ports of their own.
    by_scheme: BTreeMap<String, u16>,
    groups: BTreeSet<String>,
    /// A variable, a service record or Lua code decides.
    open: bool,
}

impl Ports {
    /// A directive, or the head of a block, and the blocks around it.
    pub(super) fn see(&mut self, words: &[Vec<u8>], scope: &[String]) {
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let Some((name, arguments)) = words.split_first() else { return };
        let first = arguments.first().map(AsRef::as_ref);
        let in_group = scope.last().is_some_and(|block| block.starts_with("upstream "));
        match (name.as_ref(), first) {
            ("upstream", Some(group)) => {
                self.groups.insert(group.to_owned());
            }
            ("server", Some(address)) if in_group => {
                let by_record = |word: &&str| *word == "resolve" || word.starts_with("service=");
                self.open |= arguments.iter().map(AsRef::as_ref).any(|word| by_record(&word));
                self.address(address, Some(80));
            }
            (name, _) if name.contains("_by_lua") => self.open = true,
            (name, Some(target)) if name.ends_with("_pass") => self.pass(target),
            _ => {}
        }
    }

    fn pass(&mut self, target: &str) {
        let (scheme, rest) = target.split_once("://").unwrap_or(("", target));
        let default = match scheme {
            "http" | "grpc" => Some(80),
            "https" | "grpcs" => Some(443),
            _ => None,
        };
        self.address(rest.split('/').next().unwrap_or(rest), default);
    }

    /// `host`, `host:port`, `[2001:db8::1]:port`, `unix:/path`.
    fn address(&mut self, address: &str, default: Option<u16>) {
        if address.starts_with("unix:") {
            return;
        }
        if address.contains('$') {
            self.open = true;
            return;
        }
        let port = address.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        match (port.and_then(|(_, port)| port.parse().ok()), default) {
            (Some(port), _) => {
                self.stated.insert(port);
            }
            (None, Some(default)) => {
                self.by_scheme.insert(address.to_owned(), default);
            }
            // The name of an upstream block, or a mistake.
            (None, None) => {}
        }
    }

    /// All of them; `None` where the file does not say, or names none.
    pub(super) fn known(&self) -> Option<BTreeSet<u16>> {
        let of_hosts = self.by_scheme.iter().filter(|(host, _)| !self.groups.contains(*host));
        let all: BTreeSet<u16> =
            self.stated.iter().copied().chain(of_hosts.map(|(_, port)| *port)).collect();
        (!self.open && !all.is_empty()).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use crate::Conf;

    fn ports(text: &str) -> Option<Vec<u16>> {
        let none = &mut |_: &str| Ok(Vec::new());
        let conf = Conf::read("nginx.conf", text.as_bytes(), none).expect("a sound configuration");
        conf.upstream_ports().map(|ports| ports.into_iter().collect())
    }

    #[test]
    fn ports_are_those_that_nginx_connects_to() {
        for (text, expected) in [
            ("http { server { listen 80; } }", None),
            (
                "upstream b { server 10.0.0.1:8080; server [2001:db8::1]:8081 weight=2; }",
                Some(vec![8080, 8081]),
            ),
            ("upstream b { server 10.0.0.1; server unix:/run/x; }", Some(vec![80])),
            ("upstream b { server a:8080; } location / { proxy_pass http://b; }", Some(vec![8080])),
            ("location / { proxy_pass http://b; } upstream b { server a:8080; }", Some(vec![8080])),
            ("location / { proxy_pass https://shop.example/x:1/; }", Some(vec![443])),
            (
                "location / { proxy_pass http://10.0.0.1:81/; fastcgi_pass 10.0.0.2:9000; }",
                Some(vec![81, 9000]),
            ),
            ("location / { grpc_pass grpc://[2001:db8::1]:50051; }", Some(vec![50_051])),
            ("location / { proxy_pass http://[2001:db8::1]; }", Some(vec![80])),
            // A server of its own is no upstream's.
            ("http { server { server_name x; } }", None),
            // What is decided elsewhere.
            ("location / { proxy_pass http://10.0.0.1:$port; }", None),
            ("upstream b { server a:80; server b service=x resolve; }", None),
            ("upstream b { server a:80; balancer_by_lua_block { x() } }", None),
            ("location / { proxy_pass http://a; } content_by_lua_file x.lua;", None),
        ] {
            assert_eq!(ports(text), expected, "{text}");
        }
    }
}
