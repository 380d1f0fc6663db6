//! Record files made by hand, and directories to lay them into.

use immuta::{Io, Log, Next, Options, Result, Start};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The files of a directory by name. `a.live` may change at any time and is left out where files are compared.
pub type Image = BTreeMap<String, Vec<u8>>;
pub type Records = Vec<Vec<u8>>;

/// One namespace, and no checkpoint but those asked for.
pub fn options(read_only: bool) -> Options {
    let mut options = Options { read_only, reader_count: 1, flush_interval: None, ..Options::default() };
    options.add_namespace("a").unwrap();
    options
}

pub fn open(directory: &Path) -> Result<Log> {
    Log::open(directory, &options(false))
}

pub fn open_read_only(directory: &Path) -> Result<Log> {
    Log::open(directory, &options(true))
}

/// The engines that a real directory can be read with.
pub fn engines() -> [Options; 2] {
    [Io::Mmap, Io::Syscall].map(|io| Options { io, ..options(true) })
}

/// The bytes of words and strings, one after the other.
pub fn bytes(words: &[u64], rest: &[u8]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).chain(rest.iter().copied()).collect()
}

/// The bytes of a record file that was closed cleanly.
pub fn file_of(records: &[Vec<u8>]) -> Vec<u8> {
    let sized = records.iter().map(|record| bytes(&[record.len() as u64], record));
    [bytes(&[records.len() as u64], b"")].into_iter().chain(sized).collect::<Records>().concat()
}

pub fn padded(mut file: Vec<u8>, multiple: usize) -> Vec<u8> {
    file.resize(file.len().next_multiple_of(multiple), 0);
    file
}

pub fn image_of(directory: &Path) -> Image {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

/// The files in `directory` except the page for waiting.
pub fn records_and_index(directory: &Path) -> Image {
    let mut image = image_of(directory);
    image.remove("a.live");
    image
}

/// A directory with these files.
pub fn lay(files: &[(&str, &[u8])]) -> TempDir {
    let directory = scratch();
    for (name, bytes) in files {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

/// The files of a log with `synced` and then `later`: closed cleanly, or as they are when the writer is killed.
pub fn log_image(synced: &[Vec<u8>], later: &[Vec<u8>], closed: bool) -> Image {
    let directory = scratch();
    let log = open(directory.path()).unwrap();
    let append = |records: &[Vec<u8>]| {
        let slices: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        log.append_batch(0, &slices).unwrap();
    };
    append(synced);
    log.sync(0).unwrap();
    append(later);
    if closed {
        log.shutdown().unwrap();
    }
    image_of(directory.path())
}

/// Reads everything there is, passing over what is refused: the records returned, by number, and how many were refused.
pub fn read_all(log: &Log) -> (BTreeMap<u64, Vec<u8>>, u64) {
    let (mut stream, mut good, mut bad) = (log.stream(0, Start::Beginning).unwrap(), BTreeMap::new(), 0);
    loop {
        match stream.next(Some(Duration::ZERO)) {
            Ok(Next::Ready(record)) => {
                good.insert(record.info().number, record.data().to_vec());
            }
            Ok(_) => return (good, bad),
            Err(error) => {
                assert_eq!(error.number, stream.position(), "an error names the record: {error}");
                stream.seek(error.number + 1).unwrap();
                bad += 1;
            }
        }
    }
}

/// What a log with exactly these records reads as.
pub fn all_of(records: &[Vec<u8>]) -> (BTreeMap<u64, Vec<u8>>, u64) {
    ((0..).zip(records.iter().cloned()).collect(), 0)
}

/// A directory in memory where there is one, so that thousands of trials do not wait for a disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
