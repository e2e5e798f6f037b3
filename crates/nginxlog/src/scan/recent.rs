//! Recognises the user's line about an event that nginx has reported by itself.
//!
//! With `lua_socket_log_errors on` a failed connect makes two lines: the cosocket's, and, right
//! after it in the same loop iteration and so in the same second, that of the code that got the
//! error. They are one event. The code may write more than one line about it; while nginx logs
//! every failure by itself, none of them is an event of its own.

use std::collections::VecDeque;

use chrono::NaiveDateTime;

use super::LoggedTimeout;
use crate::classify::Phase;

/// Lines of other workers may stand between the two.
const REMEMBERED: usize = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    lines: VecDeque<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    time: NaiveDateTime,
    pid: u32,
    connection: u64,
    /// Failed by an errno, not by a timer.
    failure: bool,
}

impl Recent {
    /// Whether this line tells of an event again; if not, it is remembered.
    pub(super) fn repeats(&mut self, timeout: &LoggedTimeout<'_>) -> bool {
        let (record, class) = (&timeout.record, timeout.class);
        let Some(connection) = record.connection else { return false };
        let failure = class.kind.is_failure();
        let key = Key { time: record.time, pid: record.pid, connection, failure };
        if class.user_text {
            return self.lines.contains(&key);
        }
        if class.cosocket && matches!(class.phase, Phase::Connect | Phase::Queue) {
            if self.lines.len() == REMEMBERED {
                self.lines.pop_front();
            }
            self.lines.push_back(key);
        }
        false
    }
}
