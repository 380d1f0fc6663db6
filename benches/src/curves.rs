//! The curves: how a figure changes with the work.

use crate::contenders::{
    BARE_APPEND, BARE_APPEND_DURABLE, BARE_READ, LIBRARY_APPEND, LIBRARY_APPEND_DURABLE, LIBRARY_APPEND_NAMESPACES,
    LIBRARY_APPEND_THREADS, LIBRARY_OPEN_CLOSED, LIBRARY_READ_BATCH, LIBRARY_READ_NEXT, LIBRARY_READ_STREAMS,
    LIBRARY_START_STREAM, Measure,
};
use crate::data::Log;
use crate::rows::Plan;
use crate::run::{Bench, Files, Form, Work};
use immuta_bench::results::{Curve, Point, median};
use immuta_bench::table::figure;
use std::collections::BTreeMap;
use std::io;

/// What a line of a curve measures at one point. The files of a series begin as its name says.
struct Series {
    name: &'static str,
    files: Files,
    measure: Measure,
    work: Work,
}

struct Sketch {
    name: &'static str,
    x: &'static str,
    unit: &'static str,
    points: Vec<(u64, Vec<Series>)>,
}

/// For each curve, what it takes to draw it.
pub fn all(form: Form) -> Vec<Plan> {
    let sketches = [
        append_by_size(form),
        read_by_size(form),
        read_by_streams(form),
        open_by_length(form),
        append_by_namespaces(form),
        append_by_threads(form),
        durable_by_threads(form),
    ];
    sketches.map(|sketch| Plan::new(sketch.name, disk_bytes(&sketch), move |bench, _| draw(bench, &sketch))).into()
}

/// Of each namespace, whose files have room in advance.
const ROOM_BYTES: u64 = 2 << 20;

/// Of the largest point: each series may have files of its own.
fn disk_bytes(sketch: &Sketch) -> u64 {
    let series_bytes = |Series { files, work, .. }: &Series| {
        work.log.disk_bytes() + if *files == Files::Read { 0 } else { work.parts * ROOM_BYTES }
    };
    let point_bytes = |series: &[Series]| series.iter().map(series_bytes).sum();
    sketch.points.iter().map(|(_, series)| point_bytes(series)).max().unwrap_or(0)
}

fn draw(bench: &mut Bench, sketch: &Sketch) -> io::Result<()> {
    let rounds = if bench.form == Form::Quick { 1 } else { 3 };
    let mut drawn: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for (x, series) in &sketch.points {
        let turn = |side: usize| {
            let Series { name, files, measure, work } = series[side];
            let side = if name.starts_with("bare") { "bare" } else { "library" };
            Ok(bench.turn(side, files, measure, work)? / work.count as f64)
        };
        bench.take_turns(sketch.name, 1, series.len(), turn)?; // to warm up
        let results = bench.take_turns(sketch.name, rounds, series.len(), turn)?;
        let mut texts = vec![format!("{:<26} {x:>10} {:<14}", sketch.name, sketch.x)];
        for (Series { name, .. }, all) in series.iter().zip(results) {
            let point = Point { x: *x as f64, median: median(&all) };
            drawn.entry((*name).to_string()).or_default().push(point);
            texts.push(format!("{name}: {}", figure(point.median, sketch.unit, None)));
        }
        bench.table.text(&texts.join("   "));
        bench.data.remove_side("library")?;
        bench.data.remove_side("bare")?;
        bench.data.remove_logs()?;
    }
    bench.curves.push(Curve {
        curve: sketch.name.to_string(),
        x: sketch.x.to_string(),
        unit: sketch.unit.to_string(),
        rounds,
        series: drawn,
    });
    Ok(())
}

/// 1 byte to 16 MiB, each with as many records as fill a quarter of a gibibyte, within bounds.
fn by_size(form: Form, series: impl Fn(Work) -> Vec<Series>) -> Vec<(u64, Vec<Series>)> {
    let sizes = (0..=24).step_by(2).map(|exponent| 1_usize << exponent);
    let point = |record_bytes: usize| {
        let count = ((256 << 20) / record_bytes as u64).min(500_000);
        let log = Log { record_bytes, count: form.scaled(count).max(16) };
        (record_bytes as u64, series(Work::all_of(log)))
    };
    sizes.map(point).collect()
}

fn append_by_size(form: Form) -> Sketch {
    let files = Files::WrittenAlike;
    let points = by_size(form, |work| {
        vec![
            Series { name: "libimmuta", files, measure: LIBRARY_APPEND, work },
            Series { name: "bare C loop", files, measure: BARE_APPEND, work },
        ]
    });
    Sketch { name: "append by record size", x: "bytes/record", unit: "ns/record", points }
}

fn read_by_size(form: Form) -> Sketch {
    let files = Files::Read;
    let points = by_size(form, |work| {
        vec![
            Series { name: "libimmuta, next", files, measure: LIBRARY_READ_NEXT, work },
            Series { name: "libimmuta, next_batch", files, measure: LIBRARY_READ_BATCH, work },
            Series { name: "bare C loop", files, measure: BARE_READ, work },
        ]
    });
    Sketch { name: "read by record size", x: "bytes/record", unit: "ns/record", points }
}

/// Powers of ten.
fn powers(exponents: std::ops::RangeInclusive<u32>) -> impl Iterator<Item = u64> {
    exponents.map(|exponent| 10_u64.pow(exponent))
}

fn read_by_streams(form: Form) -> Sketch {
    let point = |parts: u64| {
        let log = Log { record_bytes: 100, count: form.scaled(1_000_000) };
        let work = Work { parts, ..Work::all_of(log) };
        let series = Series { name: "libimmuta, next", files: Files::Read, measure: LIBRARY_READ_STREAMS, work };
        (parts, vec![series])
    };
    Sketch { name: "read by streams", x: "streams", unit: "ns/record", points: powers(0..=4).map(point).collect() }
}

fn open_by_length(form: Form) -> Sketch {
    let longest = match form {
        Form::Quick => 4,
        Form::Usual => 6,
        Form::Long => 8,
    };
    let point = |count: u64| {
        let log = Log { record_bytes: 8, count };
        let opens = Work { count: form.scaled(100), ..Work::all_of(log) };
        let starts = Work { count: form.scaled(10_000), start: count / 100 * 99, ..Work::all_of(log) };
        let files = Files::Read;
        let series = vec![
            Series { name: "open", files, measure: LIBRARY_OPEN_CLOSED, work: opens },
            Series { name: "start a stream late", files, measure: LIBRARY_START_STREAM, work: starts },
        ];
        (count, series)
    };
    let points = powers(3..=longest).map(point).collect();
    Sketch { name: "open by log length", x: "records", unit: "ns/call", points }
}

fn append_by_namespaces(form: Form) -> Sketch {
    let point = |parts: u64| {
        let work = Work { parts, ..Work::all_of(Log { record_bytes: 100, count: form.scaled(1_000_000) }) };
        let files = Files::WrittenApart;
        (parts, vec![Series { name: "libimmuta", files, measure: LIBRARY_APPEND_NAMESPACES, work }])
    };
    let points = powers(0..=3).map(point).collect();
    Sketch { name: "append by namespaces", x: "namespaces", unit: "ns/record", points }
}

/// 1 to 16.
fn by_threads(series: impl Fn(u32) -> Vec<Series>) -> Vec<(u64, Vec<Series>)> {
    (0..=4).map(|exponent| 1 << exponent).map(|threads| (u64::from(threads), series(threads))).collect()
}

fn append_by_threads(form: Form) -> Sketch {
    let points = by_threads(|threads| {
        let series = |name, record_bytes, count| {
            let work = Work { threads, ..Work::all_of(Log { record_bytes, count: form.scaled(count) }) };
            Series { name, files: Files::WrittenApart, measure: LIBRARY_APPEND_THREADS, work }
        };
        vec![series("libimmuta, 100 B", 100, 800_000), series("libimmuta, 1 KiB", 1024, 200_000)]
    });
    Sketch { name: "append by threads", x: "threads", unit: "ns/record", points }
}

fn durable_by_threads(form: Form) -> Sketch {
    let points = by_threads(|threads| {
        let log = Log { record_bytes: 1024, count: form.scaled(250) * u64::from(threads) };
        let work = Work { threads, ..Work::all_of(log) };
        let files = Files::WrittenApart;
        vec![
            Series { name: "libimmuta", files, measure: LIBRARY_APPEND_DURABLE, work },
            Series { name: "bare C loop", files, measure: BARE_APPEND_DURABLE, work },
        ]
    });
    Sketch { name: "durable by threads", x: "threads", unit: "ns/record", points }
}
