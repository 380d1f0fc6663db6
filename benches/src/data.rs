//! The files of a run: a directory of its own, which is removed at the end.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const PREFIX: &str = "bench-data-";

/// What a log consists of; a log that is read is made once for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub record_bytes: usize,
    pub count: u64,
}

impl Log {
    /// The disk room of record file and index file.
    pub fn disk_bytes(self) -> u64 {
        self.count * (8 + self.record_bytes as u64 + 24) + (2 << 20)
    }
}

#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
}

impl DataDir {
    /// A new directory below `parent`. Those that killed runs left there are removed.
    pub fn create(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let parent = parent.canonicalize()?;
        for entry in fs::read_dir(&parent)? {
            let name = entry?.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                fs::remove_dir_all(parent.join(name))?;
            }
        }
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of a log that is read, and whether it is there already.
    pub fn log(&self, log: Log) -> io::Result<(PathBuf, bool)> {
        let path = self.path.join(format!("{}x{}", log.count, log.record_bytes));
        let exists = path.exists();
        if !exists {
            fs::create_dir(&path)?;
        }
        Ok((path, exists))
    }

    /// Removes the files that one side wrote: those of "library" or "bare", and of "library-1".
    pub fn remove_side(&self, side: &str) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if name.split('-').next() == Some(side) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Removes every log that was made to be read.
    pub fn remove_logs(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Both sides did the same work only if their record files say the same.
    pub fn compare_sides(&self, log: Log) -> io::Result<()> {
        let bytes = 8 + log.count * (8 + log.record_bytes as u64);
        let mut files = [File::open(self.path.join("library.log"))?, File::open(self.path.join("bare.log"))?];
        let mut pieces = [vec![0; 1 << 20], vec![0; 1 << 20]];
        let mut compared = 0;
        while compared < bytes {
            let piece_bytes = usize::try_from(bytes - compared).unwrap_or(usize::MAX).min(pieces[0].len());
            for (file, piece) in files.iter_mut().zip(&mut pieces) {
                file.read_exact(&mut piece[..piece_bytes])?;
            }
            if pieces[0][..piece_bytes] != pieces[1][..piece_bytes] {
                let text = format!("library.log and bare.log differ after byte {compared}: the work was not the same");
                return Err(io::Error::other(text));
            }
            compared += piece_bytes as u64;
        }
        Ok(())
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = fs::remove_dir_all(&self.path);
    }
}
