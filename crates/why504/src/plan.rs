//! From what was typed to what it means: checked once, before anything is read.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use terminal_size::{Width, terminal_size_of};
use why504_handshake::Nat;
use why504_ingest::Limits;
use why504_model::{Endpoint, LimitSource, Span, TimeLimit, Timeout};
use why504_nginxlog::{Conf, LineScope, LogFormat, UserPattern, Zone};
use why504_report::Style;

use crate::args::{CaptureOptions, Format, InputOptions, LogOptions, OutputOptions, When};
use crate::exit::Usage;
use crate::inputs::Kind;
use crate::points::{self, Named};

/// How logs are to be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogPlan {
    /// `--tz`.
    pub(crate) zone: Option<(Zone, String)>,
    /// Formats of access logs, those of the user first.
    pub(crate) formats: Vec<LogFormat>,
    /// `--message`.
    pub(crate) messages: Vec<UserPattern>,
    /// `--connect-timeout`.
    limits: Vec<(Option<Endpoint>, Vec<TimeLimit>)>,
    /// `--nginx-conf`.
    conf: Option<Conf>,
    /// What in nginx.conf could not be used.
    pub(crate) notes: Vec<String>,
}

/// How results are to be written.
#[derive(Clone, Debug)]
pub(crate) struct OutputPlan {
    /// What goes to standard output, if anything does.
    pub(crate) stdout: Option<Format>,
    /// Files and their formats.
    pub(crate) files: Vec<(PathBuf, Format)>,
    pub(crate) style: Style,
    pub(crate) quiet: bool,
}

impl LogPlan {
    /// Reads and checks the options.
    pub(crate) fn new(options: &LogOptions) -> anyhow::Result<Self> {
        let mut plan = Self::default();
        if let Some(name) = &options.tz {
            let zone = name.parse().map_err(|error| anyhow!("--tz: {error}")).map_err(Usage)?;
            plan.zone = Some((zone, name.clone()));
        }
        for format in &options.log_format {
            let format = LogFormat::from_argument(format)
                .map_err(|error| Usage(anyhow!("--log-format: {error}")))?;
            plan.formats.push(format);
        }
        if let Some(path) = &options.nginx_conf {
            plan.read_conf(path)?;
        }
        plan.formats.extend(LogFormat::well_known());
        for text in &options.message {
            let pattern = UserPattern::new(text)
                .map_err(|error| Usage(anyhow!("--message {text}: {error}")))?;
            plan.messages.push(pattern);
        }
        for argument in &options.connect_timeout {
            plan.limits.push(connect_timeout(argument).map_err(Usage)?);
        }
        Ok(plan)
    }

    fn read_conf(&mut self, path: &Path) -> anyhow::Result<()> {
        let conf = read_conf(path)?;
        for named in &conf.formats {
            match &named.format {
                Ok(format) => self.formats.push(format.clone()),
                Err(error) => self.notes.push(format!("log_format {}: {error}", named.name)),
            }
        }
        self.notes.extend(conf.notes.iter().map(ToString::to_string));
        self.conf = Some(conf);
        Ok(())
    }

    /// The files that nginx.conf names for logs of one kind, as written there.
    pub(crate) fn files_of(&self, kind: Kind) -> Vec<&str> {
        let targets = self.conf.as_ref().map(|conf| match kind {
            Kind::ErrorLog => conf.error_logs.as_slice(),
            Kind::AccessLog => conf.access_logs.as_slice(),
            _ => &[],
        });
        let is_file = |path: &&str| {
            !matches!(*path, "off" | "stderr")
                && !["syslog:", "memory:", "/dev/"].iter().any(|begin| path.starts_with(begin))
        };
        let mut files: Vec<&str> = targets
            .unwrap_or_default()
            .iter()
            .map(|target| target.path.as_str())
            .filter(is_file)
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// What nginx.conf says of a line's timer.
    pub(crate) fn by_conf<'a>(&self, line: impl FnOnce() -> LineScope<'a>) -> Vec<TimeLimit> {
        self.conf.as_ref().map(|conf| conf.limits(&line())).unwrap_or_default()
    }

    /// Gives a timeout the limits that may have been in force, unless its access line has told.
    /// An access line's value is late by a stall, so a configured one inside its bounds is taken
    /// for the true one.
    pub(crate) fn apply(&self, timeout: &mut Timeout, by_conf: &[TimeLimit]) {
        let known = self.known(timeout, by_conf);
        if timeout.limits.is_empty() {
            timeout.limits = known;
            return;
        }
        for limit in &mut timeout.limits {
            let mut inside =
                known.iter().filter(|k| limit.at_least <= k.at_most && k.at_most <= limit.at_most);
            if let (Some(only), None) = (inside.next(), inside.next()) {
                (limit.at_least, limit.at_most) = (only.at_least, only.at_most);
            }
        }
    }

    fn known(&self, timeout: &Timeout, by_conf: &[TimeLimit]) -> Vec<TimeLimit> {
        if timeout.kind.is_connect_timeout() {
            let of = |wanted: Option<Endpoint>| {
                let fit = self.limits.iter().filter(move |(peer, _)| *peer == wanted);
                fit.flat_map(|(_, limits)| limits.iter().copied()).collect::<Vec<_>>()
            };
            let special = timeout.peer.map(|peer| of(Some(peer))).unwrap_or_default();
            let flags = if special.is_empty() { of(None) } else { special };
            if !flags.is_empty() {
                return flags;
            }
        }
        by_conf.to_vec()
    }
}

/// `--nginx-conf`: the file and what it includes.
pub(crate) fn read_conf(path: &Path) -> anyhow::Result<Conf> {
    let text = std::fs::read(path)
        .with_context(|| format!("--nginx-conf {}", path.display()))
        .map_err(Usage)?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let name = path.display().to_string();
    let conf = Conf::read(&name, &text, &mut |pattern| included(&folder, pattern))
        .map_err(|error| Usage(anyhow!("--nginx-conf {error}")))?;
    Ok(conf)
}

/// Files that an `include` names: relative to the directory of nginx.conf, a `*` in the last
/// component only, in sorted order.
fn included(folder: &Path, pattern: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let path = folder.join(pattern);
    let read = |path: &Path| {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok((path.display().to_string(), bytes))
    };
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((before, after)) = name.split_once('*') else { return Ok(vec![read(&path)?]) };
    let parent = path.parent().unwrap_or(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(parent)
        .map_err(|error| format!("{}: {error}", parent.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| {
            let name = file.file_name().map(|n| n.to_string_lossy().into_owned());
            name.is_some_and(|n| {
                n.len() >= before.len() + after.len() && n.starts_with(before) && n.ends_with(after)
            })
        })
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

/// The points that `--at` names. Their paths are inputs as well.
pub(crate) fn named_points(options: &CaptureOptions) -> anyhow::Result<Vec<Named>> {
    let named: anyhow::Result<Vec<Named>> =
        options.at.iter().map(|argument| Named::parse(argument)).collect();
    let named = named.map_err(Usage)?;
    points::check(&named).map_err(Usage)?;
    Ok(named)
}

/// How much may be decompressed of a file.
pub(crate) fn limits(options: &InputOptions) -> anyhow::Result<Limits> {
    let mut limits = Limits::default();
    if let Some(ratio) = options.max_ratio {
        limits.max_ratio = ratio;
    }
    if let Some(text) = &options.max_decompressed {
        limits.max_output = size(text).ok_or_else(|| {
            Usage(anyhow!("--max-decompressed {text}: expected a size such as 20G or 500M"))
        })?;
    }
    if limits.max_ratio == 0 || limits.max_output == 0 {
        bail!(Usage(anyhow!("--max-ratio and --max-decompressed: nothing could be read with 0")));
    }
    Ok(limits)
}

/// `4096`, `500M`, `20G`: bytes, with powers of 1024.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..)? {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The address pairs that `--nat` gives.
pub(crate) fn nat(options: &CaptureOptions) -> anyhow::Result<Nat> {
    let pairs = options.nat.iter().map(|argument| {
        let wanted =
            || format!("--nat {argument}: expected IP:PORT=IP:PORT, the virtual one first");
        let parsed = argument.split_once('=').and_then(|(front, back)| {
            let end = |text: &str| text.parse::<std::net::SocketAddr>().ok().map(Endpoint::from);
            Some((end(front)?, end(back)?))
        });
        parsed.with_context(wanted).map_err(|error| Usage(error).into())
    });
    Ok(Nat::given(pairs.collect::<anyhow::Result<Vec<_>>>()?))
}

/// Output and threads.
pub(crate) fn output(options: &OutputOptions) -> anyhow::Result<OutputPlan> {
    if options.jobs == Some(0) {
        bail!(Usage(anyhow!("--jobs 0: at least one thread is needed")));
    }
    if let Some(jobs) = options.jobs {
        rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global()?;
    }
    let color = match options.color {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            std::io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    };
    let style = Style { width: width(), color, cut_rows: std::io::stdout().is_terminal() };
    let files: Vec<(PathBuf, Format)> = options
        .output
        .iter()
        .map(|path| Ok((path.clone(), format_of(path)?)))
        .collect::<anyhow::Result<_>>()?;
    let stdout = options.format.or(files.is_empty().then_some(Format::Text));
    Ok(OutputPlan { stdout, files, style, quiet: options.quiet })
}

/// The format that a file name asks for.
fn format_of(path: &Path) -> anyhow::Result<Format> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("txt") => Ok(Format::Text),
        Some("ndjson") => Ok(Format::Ndjson),
        _ => bail!(Usage(anyhow!(
            "--output {}: expected a name that ends in .txt or .ndjson",
            path.display()
        ))),
    }
}

/// Columns of the terminal, or as many as `COLUMNS` asks for; 80 where the text does not go to one, so
/// that a report in a file or a mail does not depend on the window it was made in.
fn width() -> usize {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return Style::default().width;
    }
    let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size_of(stdout).map(|(Width(columns), _)| usize::from(columns));
    asked.or_else(terminal).unwrap_or(Style::default().width).clamp(60, 200)
}

/// `2s`, `10.0.0.9:80=300ms,500ms`, `60`.
fn connect_timeout(argument: &str) -> anyhow::Result<(Option<Endpoint>, Vec<TimeLimit>)> {
    let (peer, values) = match argument.rsplit_once('=') {
        Some((upstream, values)) => {
            let address: std::net::SocketAddr = upstream.parse().with_context(|| {
                format!("--connect-timeout {argument}: expected an upstream such as 10.0.0.9:80")
            })?;
            (Some(address.into()), values)
        }
        None => (None, argument),
    };
    let limits = values
        .split(',')
        .map(|value| {
            let length = duration(value).with_context(|| {
                format!("--connect-timeout {argument}: expected durations such as 2s or 300ms")
            })?;
            Ok(TimeLimit { at_least: length, at_most: length, source: LimitSource::Flag })
        })
        .collect::<anyhow::Result<_>>()?;
    Ok((peer, limits))
}

/// nginx's own spelling: `300ms`, `2s`, `1m`, a bare number is seconds
/// (`ngx_parse_time`, src/core/ngx_parse.c).
fn duration(text: &str) -> anyhow::Result<Span> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().with_context(|| format!("`{text}` is no duration"))?;
    let span = match &text[digits.len()..] {
        "ms" => Span::from_millis(number),
        "" | "s" => Span::from_secs(number),
        "m" => Span::from_secs(number.saturating_mul(60)),
        unit => bail!("`{text}`: unknown unit `{unit}`, expected ms, s or m"),
    };
    if span <= Span::ZERO {
        bail!("`{text}`: a timeout is longer than zero");
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_nginx() {
        for (text, expected) in [
            ("300ms", Span::from_millis(300)),
            ("2s", Span::from_secs(2)),
            ("60", Span::from_secs(60)),
            ("1m", Span::from_secs(60)),
        ] {
            assert_eq!(duration(text).ok(), Some(expected), "{text}");
        }
        for text in ["", "s", "-1s", "0", "2h", "1.5s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_powers_of_1024() {
        for (text, expected) in [
            ("0", Some(0)),
            ("4096", Some(4096)),
            ("1K", Some(1024)),
            ("20g", Some(20 << 30)),
            ("1T", Some(1 << 40)),
            ("", None),
            ("G", None),
            ("1Gi", None),
            ("-1", None),
            ("99999999999T", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn several_timeouts_may_be_in_force_for_one_upstream() {
        let (peer, limits) = connect_timeout("[2001:db8::9]:80=300ms,1500ms").unwrap();
        assert_eq!(peer.map(|p| p.to_string()).as_deref(), Some("[2001:db8::9]:80"));
        let lengths: Vec<Span> = limits.iter().map(|l| l.at_most).collect();
        assert_eq!(lengths, [Span::from_millis(300), Span::from_millis(1500)]);
        assert!(connect_timeout("backend=2s").is_err());
    }
}
