//! `why504 resets` for people: how many RSTs, what provoked them, who sent them to whom, and one
//! packet pair of each kind.

use std::cmp::Reverse;
use std::io::{self, Write};

use why504_correlate::Grade;
use why504_handshake::{Side, Trigger};

use super::ending::not_used;
use super::losses::percent;
use crate::moment::{LocalClock, grouped, plural};
use crate::page::{Page, inked, plain};
use crate::reset::{ResetGroup, ResetKey, ResetTotals, label};
use crate::run::{Captures, Run};
use crate::style::{Ink, Style};

/// Groups that are shown; the others are a number.
const SHOWN: usize = 12;
const LABEL: usize = 40;

/// The whole report.
pub fn resets(run: &Run<'_>, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(*style, out);
    let none = ResetTotals::default();
    let totals = run.totals.resets.as_ref().unwrap_or(&none);
    page.line(&[inked(run.tool, Ink::Faint)])?;
    page.blank()?;
    page.wrapped(0, 0, &headline(totals), Ink::Strong)?;
    if totals.total > 0 {
        triggers(totals, page)?;
        groups(run, totals, page)?;
    }
    not_used(run, page)
}

fn headline(totals: &ResetTotals) -> String {
    let lost = totals.lost(None);
    if totals.total == 0 {
        return "No RST was captured.".to_owned();
    }
    let sent = format!("{} captured.", plural(totals.total, "RST"));
    if lost == 0 {
        return format!("{sent} No lost second handshake (SYN+ACK) was found behind them.");
    }
    let mut sure: Vec<String> = Vec::new();
    for grade in Grade::ALL {
        let count: u64 =
            totals.synack_lost.iter().filter(|((_, g), _)| *g == grade).map(|(_, n)| n).sum();
        if count > 0 {
            sure.push(format!("{} {}", grouped(count), words(grade)));
        }
    }
    let who = if lost == totals.total { "all".into() } else { grouped(lost) };
    format!(
        "{sent} A lost second handshake (SYN+ACK) is behind {who} of them: {}.",
        sure.join(", ")
    )
}

const fn words(grade: Grade) -> &'static str {
    match grade {
        Grade::Proven => "proven",
        Grade::Signature => "by a pattern that only this makes",
        Grade::Consistent => "where something else fits as well",
        Grade::Ambiguous => "undecided",
    }
}

fn triggers(totals: &ResetTotals, page: &mut Page<'_>) -> io::Result<()> {
    page.blank()?;
    page.line(&[
        inked(format!("{:<w$}", "WHAT PROVOKED THEM", w = LABEL + 2), Ink::Strong),
        inked(format!("{:>7}{:>8}  {:>14}", "RSTs", "share", "SYN+ACK lost"), Ink::Faint),
    ])?;
    for trigger in Trigger::ALL {
        let Some(&count) = totals.by_trigger.get(&trigger) else { continue };
        let lost = totals.lost(Some(trigger));
        let behind = if lost == 0 { "-".into() } else { grouped(lost) };
        let share = format!("{}%", share(count, totals.total));
        page.line(&[
            plain("  "),
            inked(format!("{:<LABEL$}", label(trigger)), ink(trigger)),
            plain(format!("{:>7}{share:>8}  ", grouped(count))),
            inked(format!("{behind:>14}"), if lost > 0 { Ink::Loss } else { Ink::Faint }),
        ])?;
    }
    page.line(&[plain(" ".repeat(LABEL + 2)), inked(" ──────", Ink::Faint)])?;
    page.line(&[
        plain(" ".repeat(LABEL + 2)),
        inked(format!("{:>7}", grouped(totals.total)), Ink::Strong),
        plain("  = all RSTs"),
    ])
}

fn share(part: u64, whole: u64) -> String {
    let small = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    percent(small(part), small(whole))
}

const fn ink(trigger: Trigger) -> Ink {
    match trigger {
        Trigger::LateSynAck | Trigger::BareAck | Trigger::InWindowSyn => Ink::Loss,
        Trigger::WrongAck | Trigger::ThirdAck | Trigger::Unseen => Ink::Unsure,
        Trigger::Refused | Trigger::Gone | Trigger::Aborted => Ink::Plain,
    }
}

fn groups(run: &Run<'_>, totals: &ResetTotals, page: &mut Page<'_>) -> io::Result<()> {
    let mut ranked: Vec<(&ResetKey, &ResetGroup)> = totals.groups.iter().collect();
    ranked.sort_by_key(|(key, group)| (Reverse(group.synack_lost), Reverse(group.count), **key));
    page.heading("WHO RESETS WHOM")?;
    for (key, group) in ranked.iter().take(SHOWN) {
        one(&run.captures(), key, group, LocalClock { offset_seconds: 0 }, page)?;
    }
    let others = ranked.get(SHOWN..).unwrap_or_default();
    let count = others.iter().map(|(_, g)| g.count).sum::<u64>() + totals.ungrouped;
    if count > 0 {
        let text = format!("  and {} more (all are in --format ndjson)", plural(count, "RST"));
        page.line(&[inked(text, Ink::Faint)])?;
    }
    Ok(())
}

fn one(
    captures: &Captures<'_>,
    key: &ResetKey,
    group: &ResetGroup,
    clock: LocalClock,
    page: &mut Page<'_>,
) -> io::Result<()> {
    let (client, server, side, trigger) = *key;
    let who = match side {
        Side::Client => format!("{client} → {server}"),
        Side::Server => format!("{server} → {client}"),
    };
    page.line(&[
        inked(format!("{:>7}  ", grouped(group.count)), Ink::Strong),
        plain(format!("{who}, ")),
        inked(label(trigger), ink(trigger)),
    ])?;
    let reset = &group.example.reset;
    let frame = |event: &why504_handshake::Event| {
        format!("{} of {}", event.location.record, captures.file(event.location))
    };
    let mut first = format!(
        "{} {} > {} seq {}, frame {}",
        clock.millis(reset.time()),
        reset.sender,
        reset.peer,
        reset.packet.seq.0,
        frame(&reset.packet)
    );
    if let Some(event) = &reset.provoked_by {
        first.push_str(&format!(", after frame {}", event.location.record));
    }
    page.wrapped(9, 2, &first, Ink::Faint)?;
    page.wrapped(9, 2, &group.example.explanation(), Ink::Plain)
}
