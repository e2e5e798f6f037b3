//! The URI by which nginx chooses a location, from a request line.

/// The URI of a request line as nginx matches it: decoded, without arguments, `.` and `..` resolved,
/// slashes merged (`ngx_http_parse_complex_uri`, src/http/ngx_http_parse.c). `None` when nginx
/// would refuse it, or when it is no path.
pub(super) fn uri(request: &[u8]) -> Option<Vec<u8>> {
    let (_, rest) = request.split_at_checked(memchr::memchr(b' ', request)? + 1)?;
    let end = memchr::memmem::rfind(rest, b" HTTP/").unwrap_or(rest.len());
    let target = rest.get(..end)?;
    let path = match memchr::memmem::find(target, b"://") {
        Some(at) if !target.starts_with(b"/") => {
            let authority = target.get(at + 3..)?;
            authority.get(memchr::memchr(b'/', authority)?..)?
        }
        _ => target,
    };
    if !path.starts_with(b"/") {
        return None;
    }
    let plain = path.split(|b| matches!(b, b'?' | b'#')).next()?;
    resolved(&decoded(plain)?)
}

fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = core::str::from_utf8(digits).ok().filter(|d| !d.starts_with('+'))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(out)
}

fn resolved(path: &[u8]) -> Option<Vec<u8>> {
    let mut segments: Vec<&[u8]> = Vec::new();
    // A path that ends with `/`, `/.` or `/..` names a directory.
    let mut directory = false;
    for segment in path.split(|b| *b == b'/').skip(1) {
        directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop()?;
            }
            other => segments.push(other),
        }
    }
    let mut out = vec![b'/'];
    out.extend(segments.join(&b'/'));
    if directory && out.len() > 1 {
        out.push(b'/');
    }
    Some(out)
}
