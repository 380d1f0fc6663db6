//! The log against a vector: random operations, with closes and kills between, leave exactly the records that were
//! acknowledged.
//!
//! Runs on the simulated engine, whose process can be killed at any time, and on both real engines, which are closed
//! and opened again. `IMMUTA_MODEL_SEED` and `IMMUTA_MODEL_OPERATIONS` (in all, default 100 000) change what is run; a
//! failure names its seed.

#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing has failed")]

#[path = "support/random.rs"]
mod random;

use immuta::storage::simulated::Simulated;
use immuta::storage::{Arc, Storage, open_directory};
use immuta::{ErrorKind, Io, Log, Mode, Next, Options, Outcome, Start, Stream};
use random::Random;
use std::error::Error;
use std::io::{self, Read};
use std::time::Duration;

/// Delivers what is left in pieces of at most so many bytes.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = buffer.len().min(self.piece);
        self.left.read(&mut buffer[..size])
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

const TRY: Option<Duration> = Some(Duration::ZERO);

/// Mostly small, sometimes empty, now and then larger than a page or a populate step.
fn payload(random: &mut Random) -> Vec<u8> {
    let size = match random.below(100) {
        0 => random.below(300_000),
        1..10 => random.below(9_000),
        10..20 => 0,
        _ => random.below(200),
    };
    random.bytes(size)
}

/// One log and what must be in it.
struct Model {
    log: Option<Log>,
    expected: Vec<Vec<u8>>,
    streams: Vec<Stream>,
    random: Random,
    options: Options,
    storage: Box<dyn FnMut() -> Arc<dyn Storage>>,
    simulated: Option<Simulated>,
}

impl Model {
    fn new(seed: u64, io: Io, storage: Box<dyn FnMut() -> Arc<dyn Storage>>, simulated: Option<Simulated>) -> Model {
        // A journal whose halves are soon full.
        let mut options = Options { io, journal_size_bytes: 64 << 10, ..Options::default() };
        options.add_namespace("model").unwrap();
        let mut model = Model {
            log: None,
            expected: Vec::new(),
            streams: Vec::new(),
            random: Random::new(seed),
            options,
            storage,
            simulated,
        };
        model.open(Outcome::Created);
        model
    }

    fn log(&self) -> &Log {
        self.log.as_ref().unwrap()
    }

    /// Opens in either mode, whatever the last mode was.
    fn open(&mut self, outcome: Outcome) {
        self.options.mode = if self.random.one_in(2) { Mode::Fast } else { Mode::Durable };
        let log = Log::open_on((self.storage)(), &self.options).unwrap();
        let report = log.report(0).unwrap();
        assert_eq!((report.outcome, report.finding), (outcome, None), "{report:?}");
        assert_eq!(report.count, self.expected.len() as u64, "{report:?}");
        self.log = Some(log);
    }

    fn step(&mut self) {
        match self.random.below(1000) {
            0..450 => self.append_one(),
            450..550 => self.append_batch(),
            550..580 => self.append_at(),
            580..590 => self.append_from(),
            590..800 => self.read_next(),
            800..900 => self.read_batch(),
            900..930 => self.open_stream(),
            930..950 => self.seek(),
            950..960 => self.log().sync(0).unwrap(),
            960..990 => self.refusals(),
            990..996 => self.close_and_open(),
            _ => self.kill_and_open(),
        }
    }

    fn end_offset(&self) -> u64 {
        8 + self.expected.iter().map(|record| 8 + record.len() as u64).sum::<u64>()
    }

    fn append_one(&mut self) {
        let payload = payload(&mut self.random);
        let cut = usize::try_from(self.random.below(payload.len() as u64 + 1)).unwrap();
        let parts = [&payload[..cut], &payload[cut..]];
        let whole = [payload.as_slice()];
        let parts: &[&[u8]] = if cut % 2 == 0 { &whole } else { &parts };
        let appended = self.log().append_parts(0, parts).unwrap();
        assert_eq!((appended.number, appended.offset), (self.expected.len() as u64, self.end_offset()));
        assert_eq!((appended.stored_size, appended.count), (payload.len() as u64, 1));
        self.expected.push(payload);
    }

    fn batch(&mut self) -> Vec<Vec<u8>> {
        (0..self.random.below(20)).map(|_| payload(&mut self.random)).collect()
    }

    fn append_batch(&mut self) {
        let batch = self.batch();
        let slices: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        let appended = self.log().append_batch(0, &slices).unwrap();
        assert_eq!((appended.number, appended.offset), (self.expected.len() as u64, self.end_offset()));
        assert_eq!(appended.count, batch.len() as u64);
        self.expected.extend(batch);
    }

    fn append_at(&mut self) {
        let number = self.expected.len() as u64;
        let other = number.wrapping_add(self.random.below(3)).wrapping_sub(1);
        let refused = self.log().append_batch_at(0, other, &[b"expected elsewhere"]);
        if other == number {
            assert_eq!(refused.unwrap().number, number);
            self.expected.push(b"expected elsewhere".to_vec());
        } else {
            let error = refused.unwrap_err();
            assert_eq!((error.kind, error.number), (ErrorKind::Conflict, number));
        }
    }

    fn append_from(&mut self) {
        let payload = payload(&mut self.random);
        let piece = usize::try_from(self.random.below(5000)).unwrap() + 1;
        self.log().append_from(0, &mut Pieces { left: &payload, piece }).unwrap();
        self.expected.push(payload);
    }

    fn open_stream(&mut self) {
        if self.streams.len() > 8 {
            self.streams.clear();
        }
        let count = self.expected.len() as u64;
        let (start, position) = match self.random.below(3) {
            0 => (Start::Beginning, 0),
            1 => (Start::Now, count),
            _ => (Start::Number(count / 2), count / 2),
        };
        let stream = self.log().stream(0, start).unwrap();
        assert_eq!(stream.position(), position);
        self.streams.push(stream);
    }

    fn stream(&mut self) -> Stream {
        if self.streams.is_empty() {
            self.open_stream();
        }
        let chosen = usize::try_from(self.random.below(self.streams.len() as u64)).unwrap();
        self.streams.swap_remove(chosen)
    }

    fn expected_at(&self, position: u64) -> Option<&[u8]> {
        self.expected.get(usize::try_from(position).unwrap()).map(Vec::as_slice)
    }

    fn read_next(&mut self) {
        let mut stream = self.stream();
        let position = stream.position();
        match stream.next(TRY).unwrap() {
            Next::Ready(record) => {
                assert_eq!(Some(record.data()), self.expected_at(position), "record {position}");
                assert_eq!((record.info().number, stream.position()), (position, position + 1));
            }
            Next::Timeout => assert_eq!(self.expected_at(position), None, "record {position} is there"),
            Next::Interrupted => panic!("no thread interrupts here"),
        }
        self.streams.push(stream);
    }

    fn read_batch(&mut self) {
        let mut stream = self.stream();
        let position = stream.position();
        let most = usize::try_from(self.random.below(40)).unwrap() + 1;
        match stream.next_batch(most, 10_000, TRY).unwrap() {
            Next::Ready(batch) => {
                assert!(batch.len() <= most);
                for index in 0..batch.len() {
                    let (data, info) = batch.get(index);
                    assert_eq!(info.number, position + index as u64);
                    assert_eq!(Some(data), self.expected_at(info.number), "record {}", info.number);
                }
            }
            Next::Timeout => assert_eq!(self.expected_at(position), None, "record {position} is there"),
            Next::Interrupted => panic!("no thread interrupts here"),
        }
        self.streams.push(stream);
    }

    fn seek(&mut self) {
        let mut stream = self.stream();
        let position = self.random.below(self.expected.len() as u64 + 3);
        stream.seek(position).unwrap();
        self.streams.push(stream);
    }

    fn refusals(&mut self) {
        let too_large = vec![0; usize::try_from(self.options.max_record_size_bytes).unwrap() + 1];
        let kind = |result: immuta::Result<immuta::Appended>| result.unwrap_err().kind;
        if self.random.one_in(30) {
            assert_eq!(kind(self.log().append_batch(0, &[b"good", &too_large])), ErrorKind::TooLarge);
        }
        assert_eq!(kind(self.log().append_parts(7, &[])), ErrorKind::Namespace);
        let error = self.log().append_from(0, &mut Failing).unwrap_err();
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
        assert_eq!((error.kind, source), (ErrorKind::Callback, Some(io::ErrorKind::BrokenPipe)));
        if self.simulated.is_none() {
            let second = Log::open_on((self.storage)(), &self.options).unwrap_err();
            assert_eq!(second.kind, ErrorKind::Locked);
        }
    }

    fn close_and_open(&mut self) {
        self.log().shutdown().unwrap();
        self.log = None;
        let mut stream = self.stream_of_closed_log();
        if let Some(stream) = &mut stream {
            assert_eq!(stream.next(TRY).unwrap_err().kind, ErrorKind::Closed);
        }
        self.streams.clear();
        self.open(Outcome::Clean);
    }

    fn stream_of_closed_log(&mut self) -> Option<Stream> {
        self.streams.pop()
    }

    /// On a real engine there is no kill within a process: the C tests kill processes there.
    fn kill_and_open(&mut self) {
        let Some(simulated) = self.simulated.clone() else { return self.close_and_open() };
        simulated.kill();
        self.streams.clear();
        self.log = None;
        self.open(Outcome::Recovered);
    }

    /// Reads everything from a fresh stream, and from the bytes of the file.
    fn check_all(&mut self) {
        let mut stream = self.log().stream(0, Start::Beginning).unwrap();
        for (number, expected) in self.expected.iter().enumerate() {
            let Next::Ready(record) = stream.next(TRY).unwrap() else { panic!("record {number} is missing") };
            assert_eq!(record.data(), expected.as_slice(), "record {number}");
        }
        assert!(matches!(stream.next(TRY).unwrap(), Next::Timeout));
        drop(stream);
        self.close_and_open();
        if let Some(simulated) = &self.simulated {
            self.log.take().unwrap().shutdown().unwrap();
            assert_eq!(simulated.read_file("model.log").unwrap(), self.file(), "the file is exactly the records");
        }
    }

    fn file(&self) -> Vec<u8> {
        let mut file = (self.expected.len() as u64).to_le_bytes().to_vec();
        for record in &self.expected {
            file.extend_from_slice(&(record.len() as u64).to_le_bytes());
            file.extend_from_slice(record);
        }
        file
    }
}

fn seed() -> u64 {
    std::env::var("IMMUTA_MODEL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_123)
}

/// A tenth of the operations for each real engine, the rest simulated.
fn operations() -> u64 {
    std::env::var("IMMUTA_MODEL_OPERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000)
}

/// Many short lives rather than one long: from time to time a new log is started.
fn run(engine: &str, operations: u64, mut make: impl FnMut(u64) -> Model) {
    const LIFE_OPERATIONS: u64 = 5_000;
    let mut done = 0;
    while done < operations {
        let seed = seed().wrapping_add(done);
        println!("{engine}: operations {done}.., IMMUTA_MODEL_SEED={seed}");
        let mut model = make(seed);
        for _ in 0..LIFE_OPERATIONS.min(operations - done) {
            model.step();
        }
        model.check_all();
        done += LIFE_OPERATIONS;
    }
}

#[test]
fn the_simulated_engine_agrees_with_the_model() {
    run("simulated", operations() * 8 / 10, |seed| {
        let simulated = Simulated::new();
        let disk = simulated.clone();
        Model::new(seed, Io::Auto, Box::new(move || disk.storage()), Some(simulated))
    });
}

fn run_real(engine: &str, io: Io) {
    run(engine, operations() / 10, |seed| {
        let directory = tempfile::tempdir().unwrap();
        Model::new(seed, io, Box::new(move || open_directory(directory.path(), io, true).unwrap()), None)
    });
}

#[test]
fn the_mapping_engine_agrees_with_the_model() {
    run_real("mapping", Io::Mmap);
}

#[test]
fn the_system_call_engine_agrees_with_the_model() {
    run_real("system calls", Io::Syscall);
}
