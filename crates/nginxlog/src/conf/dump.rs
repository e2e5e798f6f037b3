//! The output of `nginx -T`: all files of a configuration, one after the other, each after a line
//! `# configuration file PATH:` (nginx src/core/nginx.c, `ngx_dump_config`).

use memchr::{memchr, memmem};

use super::Included;

const MARK: &[u8] = b"# configuration file ";

/// The files of a dump; the first one is nginx.conf.
pub(super) struct Files<'a> {
    main: (String, &'a [u8]),
    included: Vec<(String, &'a [u8])>,
}

/// `None` when the text is not a dump.
pub(super) fn split(text: &[u8]) -> Option<Files<'_>> {
    let mut heads = memmem::find_iter(text, MARK)
        .filter_map(|at| {
            let starts_line = at == 0 || text.get(at - 1) == Some(&b'\n');
            let path = text.get(at + MARK.len()..).filter(|_| starts_line)?;
            let end = memchr(b'\n', path)?;
            let path = crate::lines::trimmed(path.get(..end)?).strip_suffix(b":")?;
            let body = at + MARK.len() + end + 1;
            Some((at, body, String::from_utf8_lossy(path).into_owned()))
        })
        .peekable();
    let mut files = Vec::new();
    while let Some((_, body, path)) = heads.next() {
        let end = heads.peek().map_or(text.len(), |(at, ..)| *at);
        files.push((path, text.get(body..end).unwrap_or_default()));
    }
    let mut files = files.into_iter();
    Some(Files { main: files.next()?, included: files.collect() })
}

impl Files<'_> {
    pub(super) fn main(&self) -> (&str, &[u8]) {
        (&self.main.0, self.main.1)
    }

    /// The files that an `include` names, in the order of the dump.
    pub(super) fn matching(&self, pattern: &str) -> Vec<Included> {
        let directory = self.main.0.rsplit_once('/').map_or("", |(directory, _)| directory);
        let full = if pattern.starts_with('/') {
            pattern.to_owned()
        } else {
            format!("{directory}/{pattern}")
        };
        let files = self.included.iter();
        files
            .filter(|(path, _)| *path == full || glob(full.as_bytes(), path.as_bytes()))
            .map(|(path, text)| (path.clone(), text.to_vec()))
            .collect()
    }
}

/// glob(3) as nginx uses it: `*` and `?` do not match a slash; `[abc]`, `[a-z]`, `[!a]`.
fn glob(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = path.get(t) {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(width) = one(pattern.get(p..).unwrap_or_default(), byte) {
            p += width;
            t += 1;
            continue;
        }
        let Some((after, from)) = star.filter(|(_, from)| path.get(*from) != Some(&b'/')) else {
            return false;
        };
        star = Some((after, from + 1));
        (p, t) = (after, from + 1);
    }
    pattern.get(p..).unwrap_or_default().iter().all(|b| *b == b'*')
}

/// Whether the pattern begins with something that matches `byte`: its width in the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => (byte != b'/').then_some(1),
        b'[' => {
            let close = memchr(b']', pattern.get(2..)?)? + 2;
            let set = pattern.get(1..close)?;
            let (negated, set) = match set.strip_prefix(b"!") {
                Some(set) => (true, set),
                None => (false, set),
            };
            let ranged = set
                .windows(3)
                .any(|w| matches!(w, [low, b'-', high] if (*low..=*high).contains(&byte)));
            ((set.contains(&byte) || ranged) != negated && byte != b'/').then_some(close + 1)
        }
        other => (other == byte).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let rows = [
            ("/etc/nginx/conf.d/*.conf", "/etc/nginx/conf.d/a.conf", true),
            ("/etc/nginx/*.conf", "/etc/nginx/conf.d/a.conf", false),
            ("/etc/nginx/*/a.conf", "/etc/nginx/conf.d/a.conf", true),
            ("/a/?.conf", "/a/b.conf", true),
            ("/a/[a-c]*.conf", "/a/bcd.conf", true),
            ("/a/[!a-c]*.conf", "/a/bcd.conf", false),
            ("*a*b*c", "xaxbxc", true),
            ("*a*b*c", "xaxbx", false),
            ("", "", true),
            ("[", "[", false),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(glob(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }
}
