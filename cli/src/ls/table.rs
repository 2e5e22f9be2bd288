//! The list as people read it.

use std::fmt::Write;

use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};

use super::survey::{EndView, Holder, PairView, Survey, WaiterView, Whereabouts};

const COLUMNS: [(&str, CellAlignment); 14] = [
    ("PID", CellAlignment::Right),
    ("COMMAND", CellAlignment::Left),
    ("END", CellAlignment::Left),
    ("PEER", CellAlignment::Left),
    ("KIND", CellAlignment::Left),
    ("CAPACITY", CellAlignment::Right),
    ("RECV-Q", CellAlignment::Right),
    ("SEND-Q", CellAlignment::Right),
    ("READ", CellAlignment::Right),
    ("WRITTEN", CellAlignment::Right),
    ("READ/S", CellAlignment::Right),
    ("WRITTEN/S", CellAlignment::Right),
    ("STATE", CellAlignment::Left),
    ("WAITS", CellAlignment::Left),
];
/// Those that only make sense when there is more than one look.
const RATES: std::ops::Range<usize> = 10..12;

/// The list, of these processes or of all if none are named.
pub(super) fn text(survey: &Survey, pids: &[i32], with_rates: bool) -> String {
    let rows: Vec<_> = survey.pairs.iter().flat_map(rows).collect();
    let rows = rows
        .into_iter()
        .filter(|(pid, _)| pids.is_empty() || pids.contains(pid));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|&(pid, _)| pid);
    let mut text = if rows.is_empty() {
        "no sockets found\n".to_owned()
    } else {
        table(rows.into_iter().map(|(_, row)| row), with_rates)
    };
    add_notes(&mut text, survey);
    text
}

fn table(rows: impl Iterator<Item = [String; COLUMNS.len()]>, with_rates: bool) -> String {
    let shown = |index: &usize| with_rates || !RATES.contains(index);
    let pick = |row: [String; COLUMNS.len()]| {
        let cells = row.into_iter().enumerate();
        let cells = cells.filter(|(index, _)| shown(index));
        cells.map(|(_, cell)| cell).collect::<Vec<_>>()
    };
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(pick(COLUMNS.map(|(name, _)| name.to_owned())));
    let alignments = COLUMNS.iter().enumerate();
    let alignments = alignments.filter(|(index, _)| shown(index));
    for (column, (_, (_, alignment))) in table.column_iter_mut().zip(alignments) {
        column.set_cell_alignment(*alignment);
        column.set_padding((0, 2));
    }
    for row in rows {
        table.add_row(pick(row));
    }
    table.trim_fmt() + "\n"
}

fn add_notes(text: &mut String, survey: &Survey) {
    let others = survey.processes_not_looked_at;
    if others > 0 {
        let (processes, theirs) = match others {
            1 => ("process", "its"),
            _ => ("processes", "their"),
        };
        let _ = writeln!(
            text,
            "\n{others} {processes} could not be looked at: {theirs} users, or root, can"
        );
    }
    for unreadable in &survey.not_understood {
        let _ = writeln!(text, "\n{unreadable}");
    }
}

/// A row for each process that has something of a pair.
fn rows(pair: &PairView) -> Vec<(i32, [String; COLUMNS.len()])> {
    let mut rows = Vec::new();
    for (end, peer) in pair.ends.iter().zip(pair.ends.iter().rev()) {
        for holder in &end.processes {
            rows.push((holder.pid, row(pair, end, peer, holder)));
        }
    }
    for holder in &pair.others {
        rows.push((holder.pid, row_of_other(pair, holder)));
    }
    rows
}

fn row(pair: &PairView, end: &EndView, peer: &EndView, holder: &Holder) -> [String; COLUMNS.len()] {
    [
        holder.pid.to_string(),
        printable(&holder.command),
        end.end.to_owned(),
        whereabouts(peer),
        pair.kind.to_owned(),
        size(pair.capacity as u64),
        end.readable.to_string(),
        end.unread_by_peer.to_string(),
        size(end.total_read),
        size(end.total_written),
        rate(end.read_per_second),
        rate(end.written_per_second),
        state(end),
        waits(end),
    ]
}

/// Of one who has the memory, and neither end.
fn row_of_other(pair: &PairView, holder: &Holder) -> [String; COLUMNS.len()] {
    let mut row = [const { String::new() }; COLUMNS.len()];
    row[..6].clone_from_slice(&[
        holder.pid.to_string(),
        printable(&holder.command),
        "-".to_owned(),
        "-".to_owned(),
        pair.kind.to_owned(),
        size(pair.capacity as u64),
    ]);
    row
}

/// A name that a process gave itself, without what would do something to a terminal.
fn printable(name: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(escape).collect()
}

fn whereabouts(end: &EndView) -> String {
    match end.whereabouts {
        Whereabouts::Process => {
            let pids = end.processes.iter().map(|holder| holder.pid.to_string());
            pids.collect::<Vec<_>>().join(",")
        }
        Whereabouts::Elsewhere => "elsewhere".to_owned(),
        Whereabouts::Gone => "gone".to_owned(),
        Whereabouts::Unknown => "?".to_owned(),
    }
}

fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| size(rate as u64))
}

fn state(end: &EndView) -> String {
    match (end.closed, end.write_disabled) {
        (true, _) => "closed",
        (false, true) => "disabled",
        (false, false) => "open",
    }
    .to_owned()
}

fn waits(end: &EndView) -> String {
    let (data, space) = (&end.waits_for_data, &end.waits_for_space);
    let of_bytes = [(data.bytes, "to read"), (space.bytes, "to write")];
    let of_bytes = of_bytes
        .into_iter()
        .filter_map(|(waiter, what)| Some(for_bytes(waiter?, what)));
    // Whoever waits for signals stands in the one word whatever they are, and in the other besides.
    let of_signals = data.signals.or(space.signals);
    let of_signals = of_signals.map(|waiter| format!("{}: signals", who(waiter)));
    of_bytes.chain(of_signals).collect::<Vec<_>>().join("; ")
}

fn for_bytes(waiter: WaiterView, what: &str) -> String {
    let least = match (waiter.least, waiter.soft) {
        (Some(least), false) => format!("{least} {what}"),
        (Some(least), true) => format!("{least}, or less, {what}"),
        (None, _) => "the end".to_owned(),
    };
    format!("{}: {least}", who(waiter))
}

fn who(waiter: WaiterView) -> &'static str {
    match (waiter.threads, waiter.pollers) {
        (true, false) => "thread",
        (false, true) => "poller",
        _ => "thread, poller",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(threads: bool, pollers: bool, least: Option<u64>, soft: bool) -> WaiterView {
        WaiterView {
            threads,
            pollers,
            least,
            soft,
        }
    }

    #[test]
    fn waits_say_who_and_for_how_much() {
        for (waiter, text) in [
            (waiter(true, false, Some(5), false), "thread: 5 to read"),
            (
                waiter(true, false, Some(5), true),
                "thread: 5, or less, to read",
            ),
            (waiter(false, true, Some(0), false), "poller: 0 to read"),
            (waiter(true, true, None, false), "thread, poller: the end"),
        ] {
            assert_eq!(for_bytes(waiter, "to read"), text);
        }
    }

    #[test]
    fn names_do_nothing_to_a_terminal() {
        assert_eq!(printable("näme (1)"), "näme (1)");
        assert_eq!(printable("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }
}
