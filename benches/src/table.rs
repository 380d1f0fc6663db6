//! The printed table, with the progress of the run below it where standard error is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const LABEL_WIDTH: usize = 31;
const SIDE_WIDTH: usize = 32;

#[derive(Debug)]
pub struct Table {
    progress: ProgressBar,
}

/// One printed row: the library, what it is compared with, the goal, and the ratio of the two.
#[derive(Clone, Debug, Default)]
pub struct Line {
    pub label: String,
    pub library: String,
    pub other: String,
    pub goal: String,
    pub ratio: Option<f64>,
}

impl Table {
    /// `rows` is how many there will be.
    pub fn new(rows: usize) -> Self {
        let progress = ProgressBar::new(rows as u64);
        let style = ProgressStyle::with_template("{bar:24} {pos} of {len} rows, {elapsed}: {msg}");
        progress.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { progress }
    }

    /// Shows what is measured now.
    pub fn show(&self, text: &str) {
        self.progress.set_message(text.to_string());
        self.progress.tick();
    }

    pub fn row_is_done(&self) {
        self.progress.inc(1);
    }

    pub fn text(&self, text: &str) {
        self.progress.suspend(|| println!("{text}"));
    }

    pub fn heading(&self, library: &str, other: &str) {
        let sides = format!("{library:<SIDE_WIDTH$} {other:<SIDE_WIDTH$}");
        self.text(&format!("{:<LABEL_WIDTH$} {sides} {:>8}  {:>5}", "", "goal", "ratio"));
    }

    pub fn line(&self, line: &Line) {
        let sides = format!("{:<SIDE_WIDTH$} {:<SIDE_WIDTH$}", line.library, line.other);
        let ratio = line.ratio.map_or("-".to_string(), |ratio| format!("{ratio:.2}"));
        self.text(&format!("{:<LABEL_WIDTH$} {sides} {:>8}  {ratio:>5}", line.label, line.goal));
    }

    pub fn finish(&self) {
        self.progress.finish_and_clear();
    }
}

/// A figure with its unit: a time such as `147.3 ns/record`, with the bytes of that work how many of them a second;
/// or bytes, or a plain number.
pub fn figure(value: f64, unit: &str, record_bytes: Option<usize>) -> String {
    let (measured, per) = unit.split_once('/').map_or((unit, String::new()), |(unit, per)| (unit, format!("/{per}")));
    match (measured, record_bytes) {
        ("ns", None) => time(value, &per),
        ("ns", Some(bytes)) => {
            let megabytes = bytes as f64 / value * 1e3;
            format!("{} {megabytes:7.*} MB/s", time(value, &per), usize::from(megabytes < 100.0))
        }
        ("bytes", _) => format!("{:>11}{per}", bytes(value)),
        _ => format!("{value:7.5} {unit}"),
    }
}

fn time(ns: f64, per: &str) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e4 => (ns, "ns"),
        ns if ns < 1e7 => (ns / 1e3, "us"),
        ns => (ns / 1e6, "ms"),
    };
    format!("{value:7.1} {unit}{per}")
}

/// A number of bytes, such as `1.5 GiB`.
pub fn bytes(count: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (count, 0);
    while value.abs() >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.*} {}", usize::from(unit > 0), units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_the_unit_that_fits() {
        assert_eq!(figure(147.34, "ns/record", Some(100)), "  147.3 ns/record     679 MB/s");
        assert_eq!(figure(78_000.0, "ns/record", Some(1024)), "   78.0 us/record    13.1 MB/s");
        assert_eq!(figure(25e6, "ns/open", None), "   25.0 ms/open");
        assert_eq!(figure(1536.0, "bytes/stream", None), "    1.5 KiB/stream");
        assert_eq!(figure(0.00012, "calls/append", None), "0.00012 calls/append");
    }

    #[test]
    fn bytes_have_the_unit_that_fits() {
        assert_eq!(bytes(512.0), "512 B");
        assert_eq!(bytes(1.5 * 1024.0 * 1024.0 * 1024.0), "1.5 GiB");
    }
}
