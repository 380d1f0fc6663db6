//! The rows of the benchmark, in the order of the table.

use crate::contenders::{
    BARE_APPEND, BARE_APPEND_DURABLE, BARE_APPEND_PACKED, BARE_READ, BARE_READ_RANDOM, CAT, Contender, LIBRARY_APPEND,
    LIBRARY_APPEND_DURABLE, LIBRARY_APPEND_PACKED, LIBRARY_APPEND_THREADS, LIBRARY_OPEN_CLOSED, LIBRARY_READ_BATCH,
    LIBRARY_READ_NEXT, LIBRARY_READ_RANDOM, LIBRARY_START_STREAM, LIBRARY_STREAM_MEMORY, LIBRARY_WAITING_MEMORY,
    Measure, Sleeper,
};
use crate::costs;
use crate::data::Log;
use crate::latency;
use crate::run::{About, Bench, Files, Form, Goal, Timed, Work};
use crate::sustained;
use std::fmt;
use std::io;

type Run = dyn Fn(&mut Bench, &str) -> io::Result<()>;

/// A row, or a few rows that are measured together.
pub struct Plan {
    pub name: String,
    /// The disk room that it needs.
    pub disk_bytes: u64,
    pub run: Box<Run>,
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl Plan {
    pub fn new(name: &str, disk_bytes: u64, run: impl Fn(&mut Bench, &str) -> io::Result<()> + 'static) -> Self {
        Self { name: name.to_string(), disk_bytes, run: Box::new(run) }
    }

    fn timed(name: &str, about: About, sides: Timed) -> Self {
        let log_bytes = sides.library.1.log.disk_bytes() + sides.other.1.log.disk_bytes();
        Self::new(name, log_bytes, move |bench, name| bench.timed(name, &about, &sides))
    }
}

pub fn all(form: Form) -> Vec<Plan> {
    let mut plans = appends(form);
    plans.extend(reads(form));
    plans.extend(durable(form));
    plans.extend(whole_runs());
    plans.extend(waking(form));
    plans.extend(system_calls(form));
    plans.extend(paced_and_sustained(form));
    plans.extend(beside_itself(form));
    plans.extend(long_logs(form));
    plans
}

fn about(group: &'static str, unit: &'static str, record_bytes: usize, goal: Goal) -> About {
    About { group, unit, record_bytes: Some(record_bytes), compared_with: None, goal }
}

fn appends(form: Form) -> Vec<Plan> {
    let append = |name, record_bytes, count, goal, library: Measure, other: Measure| {
        let work = Work::all_of(Log { record_bytes, count: form.scaled(count) });
        let files = Files::WrittenAlike;
        let sides = Timed { files, pieces: work.count, library: (library, work), other: (other, work) };
        Plan::timed(name, about("append", "ns/record", record_bytes, Goal::Ratio(goal)), sides)
    };
    vec![
        append("append 100 B", 100, 1_000_000, 1.4, LIBRARY_APPEND, BARE_APPEND),
        append("append 1 KiB", 1024, 200_000, 1.15, LIBRARY_APPEND, BARE_APPEND),
        append("append 64 KiB", 65536, 5000, 1.1, LIBRARY_APPEND, BARE_APPEND),
        append("append 100 B, 100 a call", 100, 1_000_000, 1.1, LIBRARY_APPEND_PACKED, BARE_APPEND_PACKED),
    ]
}

fn reads(form: Form) -> Vec<Plan> {
    let read = |name, record_bytes, count, goal, library: Measure, other: Measure| {
        let work = Work::all_of(Log { record_bytes, count: form.scaled(count) });
        let sides = Timed { files: Files::Read, pieces: work.count, library: (library, work), other: (other, work) };
        Plan::timed(name, about("read", "ns/record", record_bytes, goal), sides)
    };
    vec![
        read("read 1 KiB, next", 1024, 200_000, Goal::Ratio(1.3), LIBRARY_READ_NEXT, BARE_READ),
        read("read 1 KiB, next_batch", 1024, 200_000, Goal::None, LIBRARY_READ_BATCH, BARE_READ),
        read("read 100 B, next_batch", 100, 1_000_000, Goal::Text("<=+15 ns"), LIBRARY_READ_BATCH, BARE_READ),
        read("read 1 KiB by number", 1024, 200_000, Goal::Ratio(1.5), LIBRARY_READ_RANDOM, BARE_READ_RANDOM),
    ]
}

/// The threads of the other durable row are meant to append six times as many records.
const ONE_THREAD: &str = "durable 1 KiB";

fn durable(form: Form) -> Vec<Plan> {
    let durable = |name, count, threads, goal| {
        let work = Work { threads, ..Work::all_of(Log { record_bytes: 1024, count: form.scaled(count) }) };
        let sides = Timed {
            files: Files::WrittenApart,
            pieces: work.count,
            library: (LIBRARY_APPEND_DURABLE, work),
            other: (BARE_APPEND_DURABLE, work),
        };
        let about = about("durable", "ns/record", 1024, goal);
        Plan::new(name, work.log.disk_bytes(), move |bench, name| {
            bench.timed(name, &about, &sides)?;
            costs::beside_one_thread(bench, ONE_THREAD);
            Ok(())
        })
    };
    vec![durable(ONE_THREAD, 500, 1, Goal::Ratio(1.0)), durable("durable 1 KiB, 16 threads", 4000, 16, Goal::None)]
}

/// What the Go original's own page begins with.
fn whole_runs() -> Vec<Plan> {
    let run = |name, files, library: Measure, other: Measure| {
        let work = Work::all_of(Log { record_bytes: 1024, count: 100_000 });
        let sides = Timed { files, pieces: 1, library: (library, work), other: (other, work) };
        Plan::timed(name, about("whole run", "ns/run", 1024, Goal::None), sides)
    };
    vec![
        run("100 000 x 1 KiB, appended", Files::WrittenAlike, LIBRARY_APPEND, BARE_APPEND),
        run("100 000 x 1 KiB, read", Files::Read, LIBRARY_READ_NEXT, BARE_READ),
    ]
}

fn waking(form: Form) -> Vec<Plan> {
    let wake = |name, sleeper| {
        let about = about("wake", "ns/wake", 100, Goal::Ratio(1.2));
        let samples = form.scaled(10_000);
        Plan::new(name, 4 << 20, move |bench, name| latency::waking(bench, name, &about, samples, sleeper))
    };
    vec![wake("wake a thread", Sleeper::Thread), wake("wake a process", Sleeper::Process)]
}

fn system_calls(form: Form) -> Vec<Plan> {
    let calls = |name, record_bytes, goal| {
        let about = about("system calls", "calls/append", record_bytes, Goal::Text(goal));
        let log = Log { record_bytes, count: form.scaled(1_000_000) };
        Plan::new(name, log.disk_bytes(), move |bench, name| costs::system_calls(bench, name, &about, log))
    };
    vec![calls("system calls, 100 B", 100, "<0.001"), calls("system calls, 1 KiB", 1024, "<0.002")]
}

fn paced_and_sustained(form: Form) -> Vec<Plan> {
    let sustained = |name, record_bytes, goal, library: Contender, others: &'static [Contender]| {
        let about = about("sustained", "ns/record", record_bytes, Goal::Ratio(goal));
        Plan::new(name, sustained::disk_bytes(form), move |bench, name| {
            sustained::at_full_speed(bench, name, &about, library, others)
        })
    };
    let log = Log { record_bytes: 100, count: if form == Form::Quick { 100_000 } else { 10_000_000 } };
    let of_paced = about("paced", "ns/append", 100, Goal::Ratio(3.0));
    let both = &[Contender::BareByMapping, Contender::BareByPwrite];
    let pwrite = &[Contender::BareByPwrite];
    vec![
        Plan::new("paced 100 B", log.disk_bytes(), move |bench, name| latency::paced(bench, name, &of_paced, log)),
        sustained("sustained 100 B", 100, 1.15, Contender::LibraryByMapping, both),
        sustained("sustained 1 KiB", 1024, 1.15, Contender::LibraryByMapping, both),
        sustained("sustained 100 B, syscalls", 100, 1.5, Contender::LibraryBySyscall, pwrite),
        sustained("sustained 1 KiB, syscalls", 1024, 1.5, Contender::LibraryBySyscall, pwrite),
    ]
}

/// The library compared with itself where there is less to do.
fn beside_itself(form: Form) -> Vec<Plan> {
    let one = Work::all_of(Log { record_bytes: 100, count: form.scaled(1_000_000) });
    let two = Work { threads: 2, ..one };
    let sides = Timed {
        files: Files::WrittenApart,
        pieces: one.count,
        library: (LIBRARY_APPEND_THREADS, two),
        other: (LIBRARY_APPEND_THREADS, one),
    };
    let two_threads =
        About { compared_with: Some("one thread"), ..about("append", "ns/record", 100, Goal::Ratio(1.11)) };
    let followed = |name, record_bytes, count| {
        let log = Log { record_bytes, count: form.scaled(count) };
        let about =
            About { compared_with: Some("alone"), ..about("followed", "ns/record", record_bytes, Goal::Ratio(1.43)) };
        Plan::new(name, log.disk_bytes(), move |bench, name| costs::followed(bench, name, &about, log))
    };
    vec![
        Plan::timed("append 100 B, 2 threads", two_threads, sides),
        followed("append 100 B, followed", 100, 2_000_000),
        followed("append 1 KiB, followed", 1024, 500_000),
    ]
}

fn long_logs(form: Form) -> Vec<Plan> {
    let exponent = match form {
        Form::Quick => 5,
        Form::Usual => 6,
        Form::Long => 8,
    };
    let records = 10_u64.pow(exponent);
    let long = Log { record_bytes: 8, count: records };
    let short = Log { record_bytes: 8, count: 1000 };
    let calls = |log, start, calls| Work { count: form.scaled(calls), start, ..Work::all_of(log) };
    let row = |name: &str, unit, goal, measure, compared_with, library: Work, other: Work| {
        let about = About { group: "long log", unit, record_bytes: Some(8), compared_with: Some(compared_with), goal };
        let files = Files::Read;
        let sides = Timed { files, pieces: library.count, library: (measure, library), other: (measure, other) };
        Plan::timed(name, about, sides)
    };
    let (size, big_bytes) = match form {
        Form::Quick => ("64 MiB", 64_u64 << 20),
        Form::Usual => ("1 GiB", 1 << 30),
        Form::Long => ("8 GiB", 8 << 30),
    };
    let big = Log { record_bytes: 1024, count: big_bytes / (8 + 1024) };
    let all = Work::all_of(big);
    let cold = Timed { files: Files::ReadCold, pieces: 1, library: (LIBRARY_READ_NEXT, all), other: (CAT, all) };
    let of_cold = About { compared_with: Some("cat"), ..about("read", "ns/run", 1024, Goal::Ratio(1.11)) };
    let memory = |name: &str, unit, goal, measure, work: Work, pieces| {
        let about = About { compared_with: Some("-"), ..about("memory", unit, 0, Goal::Text(goal)) };
        Plan::new(name, work.log.disk_bytes(), move |bench, name| {
            costs::memory(bench, name, &about, measure, work, pieces)
        })
    };
    let streams = form.scaled(10_000);
    let waiting = calls(Log { record_bytes: 100, count: 0 }, 0, 10_000);
    vec![
        row(
            &format!("open 10^{exponent} records"),
            "ns/open",
            Goal::Ratio(1.5),
            LIBRARY_OPEN_CLOSED,
            "10^3 records",
            calls(long, 0, 100),
            calls(short, 0, 100),
        ),
        row(
            &format!("start late in 10^{exponent} records"),
            "ns/start",
            Goal::Ratio(2.0),
            LIBRARY_START_STREAM,
            "start early",
            calls(long, records / 100 * 99, 10_000),
            calls(long, 10, 10_000),
        ),
        Plan::timed(&format!("read {size} cold"), of_cold, cold),
        memory(&format!("memory, stream {size}"), "bytes", "<=8 MiB", LIBRARY_STREAM_MEMORY, all, 1),
        memory(
            &format!("memory, {streams} streams wait"),
            "bytes/stream",
            "<=1 KiB",
            LIBRARY_WAITING_MEMORY,
            waiting,
            streams,
        ),
    ]
}
