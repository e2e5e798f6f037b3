//! Which location a URI belongs to, by nginx's own rules
//! (`ngx_http_core_find_location`, src/http/ngx_http_core_module.c).

use super::rule::Rule;
use super::tree::{Kind, Tree};

/// How the search inside one block ended.
struct End {
    /// The location that is in force; `None` is the block itself.
    location: Option<usize>,
    /// No expression further out is asked any more.
    settled: bool,
}

impl Tree {
    /// The locations of `server` that answer for a URI: one, or several where an expression cannot
    /// be asked; none where the server answers by itself.
    pub(super) fn locations(&self, server: usize, uri: &[u8]) -> Vec<usize> {
        let mut possible = Vec::new();
        let end = self.find(server, uri, &mut possible);
        possible.extend(end.location);
        possible.sort_unstable();
        possible.dedup();
        possible
    }

    /// The rules of the locations right inside a block.
    fn rules(&self, block: usize) -> impl Iterator<Item = (usize, &Rule)> {
        let children = self.blocks.get(block).map(|block| block.children.as_slice());
        children.unwrap_or_default().iter().filter_map(|&child| {
            match &self.blocks.get(child)?.kind {
                Kind::Location(rule) => Some((child, rule)),
                _ => None,
            }
        })
    }

    /// Searches inside `block`; ends that an expression which cannot be asked leaves possible are
    /// added to `possible`.
    fn find(&self, block: usize, uri: &[u8], possible: &mut Vec<usize>) -> End {
        let exact = |(_, rule): &(usize, &Rule)| matches!(rule, Rule::Exact(path) if path == uri);
        if let Some((child, _)) = self.rules(block).find(exact) {
            return End { location: Some(child), settled: true };
        }
        let mut longest: Option<(usize, &[u8], bool)> = None;
        for (child, rule) in self.rules(block) {
            if let Rule::Prefix { path, no_regex } = rule
                && uri.starts_with(path)
                && longest.is_none_or(|(_, other, _)| other.len() < path.len())
            {
                longest = Some((child, path, *no_regex));
            }
        }
        let mut location = None;
        if let Some((child, ..)) = longest {
            // What is inside the prefix is asked before the expressions beside it, but another
            // prefix in there does not keep these from being asked.
            let inner = self.find(child, uri, possible);
            location = inner.location.or(Some(child));
            if inner.settled {
                return End { location, settled: true };
            }
        }
        if longest.is_some_and(|(.., no_regex)| no_regex) {
            return End { location, settled: false };
        }
        match self.by_regex(block, uri, possible) {
            Some(by_regex) => End { location: Some(by_regex), settled: true },
            None => End { location, settled: false },
        }
    }

    /// The first expression that matches ends the search; one that cannot be asked may have.
    fn by_regex(&self, block: usize, uri: &[u8], possible: &mut Vec<usize>) -> Option<usize> {
        for (child, rule) in self.rules(block) {
            let Rule::Regex(expression) = rule else { continue };
            if expression.as_ref().is_some_and(|known| !known.is_match(uri)) {
                continue;
            }
            let inner = self.find(child, uri, possible).location.unwrap_or(child);
            if expression.is_some() {
                return Some(inner);
            }
            possible.push(inner);
        }
        None
    }
}
