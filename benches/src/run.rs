//! How a row is measured: rounds in which the sides take turns, their figures, and the printed line.

use crate::contenders::{DROP_FROM_PAGE_CACHE, LIBRARY_APPEND, Measure, Workload};
use crate::data::{DataDir, Log};
use immuta_bench::results::{Curve, Figures, Row, median_ratio};
use immuta_bench::table::{Line, Table, figure};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The longest that a call may append.
const PAYLOAD_BYTES: usize = 16 << 20;
/// What of a file may be in the page cache after it was dropped: file systems keep a page or two.
const WARM_PART_MAX: f64 = 0.01;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Quick,
    Usual,
    Long,
}

impl Form {
    /// A piece of work, or the tenth of it.
    pub fn scaled(self, count: u64) -> u64 {
        if self == Form::Quick { count / 10 } else { count }
    }

    pub fn rounds(self, rounds: usize) -> usize {
        if self == Form::Quick { 3 } else { rounds }
    }
}

/// What a row is meant to reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    None,
    /// At most.
    Ratio(f64),
    Text(&'static str),
}

impl Goal {
    fn shown(self) -> String {
        match self {
            Goal::None => String::new(),
            Goal::Ratio(ratio) => format!("<={ratio}"),
            Goal::Text(text) => text.to_string(),
        }
    }
}

/// What a row says beside its figures.
#[derive(Clone, Copy, Debug)]
pub struct About {
    pub group: &'static str,
    /// Of its figures: nanoseconds, bytes or something else, for each of something.
    pub unit: &'static str,
    pub record_bytes: Option<usize>,
    /// None: a bare loop.
    pub compared_with: Option<&'static str>,
    pub goal: Goal,
}

/// The work of one side.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// What it writes or reads.
    pub log: Log,
    /// Records, calls or samples.
    pub count: u64,
    pub start: u64,
    pub parts: u64,
    pub threads: u32,
}

impl Work {
    /// Every record of a log once, by one thread.
    pub fn all_of(log: Log) -> Self {
        Self { log, count: log.count, start: 0, parts: 1, threads: 1 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Both sides write the same record file.
    WrittenAlike,
    /// Each side writes files of its own kind.
    WrittenApart,
    Read,
    /// Dropped from the page cache before each turn.
    ReadCold,
}

/// The sides of a timed row.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    pub files: Files,
    /// How many pieces of work the time is divided by.
    pub pieces: u64,
    pub library: (Measure, Work),
    pub other: (Measure, Work),
}

#[derive(Debug)]
pub struct Bench {
    pub form: Form,
    pub data: DataDir,
    pub table: Table,
    pub rows: Vec<Row>,
    pub curves: Vec<Curve>,
    payload: Vec<u8>,
    heading: Option<&'static str>,
}

impl Bench {
    pub fn new(form: Form, data: DataDir, table: Table) -> Self {
        let payload = (0..PAYLOAD_BYTES).map(|i| (i * 131 + 7).to_le_bytes()[0]).collect();
        Self { form, data, table, rows: Vec::new(), curves: Vec::new(), payload, heading: None }
    }

    /// A workload as C takes it.
    pub fn workload<'a>(&'a self, directory: &'a Path, work: Work) -> Workload<'a> {
        let Work { log, count, start, parts, threads } = work;
        Workload { directory, payload: &self.payload, size: log.record_bytes, count, start, parts, threads }
    }

    /// The directory of a log that is read. The first call writes the log.
    pub fn log_to_read(&self, log: Log) -> io::Result<PathBuf> {
        let (directory, exists) = self.data.log(log)?;
        if !exists {
            self.table.show(&format!("writing a log of {} records to read", log.count));
            LIBRARY_APPEND.run(&self.workload(&directory, Work::all_of(log)));
        }
        Ok(directory)
    }

    /// Gives each side one turn in each round, in an order that turns with the round. Returns the results of each side.
    pub fn take_turns<T>(
        &self,
        name: &str,
        rounds: usize,
        sides: usize,
        turn: impl Fn(usize) -> io::Result<T>,
    ) -> io::Result<Vec<Vec<T>>> {
        let mut results: Vec<Vec<T>> = (0..sides).map(|_| Vec::new()).collect();
        for round in 0..rounds {
            self.table.show(&format!("{name}, round {} of {rounds}", round + 1));
            for place in 0..sides {
                let side = if round % 2 == 0 { place } else { sides - 1 - place };
                results[side].push(turn(side)?);
            }
        }
        Ok(results)
    }

    /// One turn of one side, whose files begin with `name`: the nanoseconds, or what else the measure says.
    pub fn turn(&self, name: &str, files: Files, measure: Measure, work: Work) -> io::Result<f64> {
        let directory = if matches!(files, Files::Read | Files::ReadCold) {
            self.log_to_read(work.log)?
        } else {
            // The old files go right before the turn, so that each side writes into pages just freed.
            self.data.remove_side(name)?;
            self.data.path().to_path_buf()
        };
        let work = self.workload(&directory, work);
        if files == Files::ReadCold && DROP_FROM_PAGE_CACHE.run(&work) > WARM_PART_MAX {
            return Err(io::Error::other(format!("{}: the files stay in the page cache", directory.display())));
        }
        Ok(measure.run(&work))
    }

    /// A row whose sides say how many nanoseconds their work took.
    pub fn timed(&mut self, name: &str, about: &About, sides: &Timed) -> io::Result<()> {
        let turn = |side: usize| {
            let (files, (measure, work)) = [("library", sides.library), ("bare", sides.other)][side];
            Ok(self.turn(files, sides.files, measure, work)? / sides.pieces as f64)
        };
        self.take_turns(name, 1, 2, turn)?; // to warm up
        if sides.files == Files::WrittenAlike {
            self.data.compare_sides(sides.library.1.log)?;
        }
        let results = self.take_turns(name, self.form.rounds(9), 2, turn)?;
        self.data.remove_side("library")?;
        self.data.remove_side("bare")?;
        let [library, other] = <[Vec<f64>; 2]>::try_from(results).expect("two sides").map(Figures::new);
        self.report(name, about, library, Some(other));
        Ok(())
    }

    /// Prints and keeps a row.
    pub fn report(&mut self, name: &str, about: &About, library: Figures, other: Option<Figures>) {
        let ratio = other.as_ref().map(|other| median_ratio(&library.all, &other.all));
        let bytes = about.record_bytes.filter(|_| about.unit == "ns/record");
        let shown = |figures: &Figures| figure(figures.median, about.unit, bytes);
        let named = |figures: &Figures| match about.compared_with {
            None => shown(figures),
            Some(name) => format!("{} ({name})", figure(figures.median, about.unit, None)),
        };
        self.print(
            about.compared_with,
            &Line {
                label: name.to_string(),
                library: shown(&library),
                other: other.as_ref().map_or_else(String::new, named),
                goal: about.goal.shown(),
                ratio,
            },
        );
        let is_bare = about.compared_with.is_none();
        let rounds = library.all.len();
        let mut results = BTreeMap::from([("libimmuta".to_string(), library)]);
        results.extend(other.map(|other| (about.compared_with.unwrap_or("bare").to_string(), other)));
        self.rows.push(Row {
            row: name.to_string(),
            group: about.group.to_string(),
            unit: about.unit.to_string(),
            rounds,
            record_bytes: about.record_bytes,
            results,
            compared_with: about.compared_with.map(str::to_string),
            ratio_to_bare: ratio.filter(|_| is_bare),
            ratio: ratio.filter(|_| !is_bare),
            target: if let Goal::Ratio(ratio) = about.goal { Some(ratio) } else { None },
            goal: if let Goal::Text(text) = about.goal { Some(text.to_string()) } else { None },
            skipped: BTreeMap::new(),
        });
    }

    /// Prints a line below the heading of its kind.
    pub fn print(&mut self, compared_with: Option<&str>, line: &Line) {
        let other = if compared_with.is_none() { "bare C loop" } else { "compared with" };
        if self.heading != Some(other) {
            self.table.heading("libimmuta", other);
            self.heading = Some(other);
        }
        self.table.line(line);
    }
}
