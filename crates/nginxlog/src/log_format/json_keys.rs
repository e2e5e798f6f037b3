//! JSON access lines whose `log_format` is not known: the keys tell the variables.
//!
//! Everybody writes such a format by hand, and most people name a key after its variable. The
//! lines are often not quite JSON: numbers without a value (`"rt":,`), lists of tries without
//! quotes (`"rt":0.100, 0.004`), and `\xHH` where `escape=json` was forgotten.

use memchr::memmem;

use super::variable::Variable;
use super::{Escape, matcher::Values};
use crate::json::{Members, Value};

/// The values of a line, and how they are escaped; `None` when the line is no object, or too few
/// of its keys are known: the time, the status and the request must be there.
pub(super) fn read(line: &[u8]) -> Option<(Values<'_>, Escape)> {
    let mut members = Members::of(line)?;
    let mut values = Values::default();
    for member in members.by_ref() {
        let (Value::Text(value) | Value::Other(value)) = member.value;
        let Some(variable) = variable(member.key, value) else { continue };
        let value = if value == b"null" { b"" } else { value };
        // Of two keys for one variable the first one counts.
        if let Some(slot) = values.get_mut(variable as usize).filter(|slot| slot.is_none()) {
            *slot = Some(value);
        }
    }
    let has = |variable: Variable| {
        values.get(variable as usize).copied().flatten().is_some_and(|value| !value.is_empty())
    };
    let timed = has(Variable::Msec) || has(Variable::TimeLocal) || has(Variable::TimeIso8601);
    let asked = has(Variable::Request) || has(Variable::RequestUri);
    if !members.is_whole() || !timed || !asked || !has(Variable::Status) {
        return None;
    }
    let escape = if memmem::find(line, b"\\x").is_some() { Escape::Default } else { Escape::Json };
    Some((values, escape))
}

/// The variable that a key stands for: its own name, or a usual short one whose value has the
/// shape.
fn variable(key: &[u8], value: &[u8]) -> Option<Variable> {
    let found = Variable::of(key).or_else(|| {
        Some(match key {
            b"@timestamp" | b"timestamp" | b"time" | b"ts" | b"datetime" => time(value)?,
            b"method" => Variable::RequestMethod,
            b"uri" => Variable::RequestUri,
            b"client" | b"client_ip" | b"remote_ip" => Variable::RemoteAddr,
            b"response_code" | b"status_code" => Variable::Status,
            b"upstream" => Variable::UpstreamAddr,
            _ => return None,
        })
    })?;
    Some(found)
}

/// Which of the three times a value is.
fn time(value: &[u8]) -> Option<Variable> {
    if value.get(10) == Some(&b'T') {
        return Some(Variable::TimeIso8601);
    }
    if value.get(2) == Some(&b'/') {
        return Some(Variable::TimeLocal);
    }
    let decimal = value.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    (decimal && value.contains(&b'.')).then_some(Variable::Msec)
}
