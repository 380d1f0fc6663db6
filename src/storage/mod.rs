//! The seam between the log and the operating system: everything the log does to files goes through these traits.
//!
//! Three engines implement them: `mapping` (stores into shared mappings), `syscall` (system calls only) and `simulated`
//! (memory, for tests: kills, power loss, faults). The rest of the library does not know which one it has.
//! Failures are plain `io::Error`s; the layers above say which file and what to do.

mod access;
mod clock;
mod create;
mod descriptor;
mod directory;
mod engine;
mod eventfd;
mod file;
pub mod fork;
pub(crate) mod futex;
mod holder;
mod mapping;
mod names;
mod room;
#[cfg(any(test, feature = "simulated"))]
pub mod simulated;
mod sys;
mod syscall;
pub(crate) mod thread;
mod words;

pub use access::Access;
pub use clock::now_ns;
pub use create::create_directory;
pub use directory::open_directory;
pub use engine::{Engine, Io};
pub(crate) use eventfd::EventFd;
pub use mapping::{ROOM_AHEAD_BYTES, RoomAhead};
pub use words::SharedPage;

pub use crate::util::sync::Arc;

use crate::format::name::FileName;

use std::fmt::Debug;
use std::io;

/// Which file it is, whatever its path: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

/// What there is under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    pub id: FileId,
    pub size_bytes: u64,
    pub is_regular: bool,
}

/// What became of an open file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is what was opened, and has its name.
    Kept,
    /// Its descriptor was closed, and may lead to another file by now.
    Closed,
    /// No name leads to it any more.
    Removed,
    /// Its name leads to nothing or to another file, though another name may lead to it.
    Moved,
}

/// What the lock of a record file says to processes that do not hold it. Only a process that may write the file can
/// make the lock say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// No writer holds it.
    Free,
    /// A writer that is not ready yet holds it.
    Held,
    /// A writer that is ready holds it: this writer released one byte of the range again, far beyond any file.
    Ready,
}

/// The lock that keeps this process from taking the writer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// It is a read lock, which any process that may read the file can take, and no writer takes.
    pub is_read_lock: bool,
    /// The process that holds it, if the system says so.
    pub holder: Option<u32>,
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; only read.
    Read,
    /// Must exist; read and written.
    Write,
    /// Must not exist; created with mode 0666 before umask, read and written. Only a record file is made so.
    CreateNew,
}

/// The files of one directory, on one engine.
pub trait Storage: Send + Sync + Debug {
    /// Opens the regular file `name` (no symbolic link is followed, the descriptor is close-on-exec and at least 3).
    /// Anything but a regular file is `ELOOP`, `EISDIR` or `ENXIO`.
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Makes `name`, which must not exist, to be read and written by the users who may do so with `record`, a record
    /// file. It gets the owner, group, mode and access list of `record`, as far as this process may give them. No other
    /// user can open it at any moment.
    fn create_beside(&self, record: &dyn File, name: &str) -> io::Result<Arc<dyn File>>;
    /// What is under `name` now; `None` when nothing is. Symbolic links are not followed.
    fn metadata(&self, name: &str) -> io::Result<Option<Meta>>;
    /// A new, empty file in memory, without a name.
    fn scratch(&self) -> io::Result<Arc<dyn File>>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names in the directory, in no order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes creations, renames and removals in the directory durable.
    fn sync_directory(&self) -> io::Result<()>;
    /// Makes the directory's own name durable, and the names of the directories above it, as far up as its file system
    /// goes.
    fn sync_own_name(&self) -> io::Result<()>;
    /// How many bytes are free for new files; `u64::MAX` where the file system does not say.
    fn free_bytes(&self) -> io::Result<u64>;
    /// What became of the directory, and of its name in the directory above.
    fn standing(&self) -> io::Result<Standing>;
    /// The directory's path, for messages.
    fn path(&self) -> &std::path::Path;
    /// Whether this engine maps files (and so may share the words of the live page).
    fn maps_files(&self) -> bool;
}

/// The name under which the file called `name` is made, before it is whole and renamed.
pub fn temporary_name(name: &str) -> FileName {
    FileName::new(name, "tmp")
}

/// Removes the file called `name`, if there is one.
pub fn remove_if_there(storage: &dyn Storage, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// One open file. All methods may be called from any thread; EINTR is retried, short transfers are continued.
///
/// A call that writes to the file, cuts it, extends it or makes it durable checks first (a sync: afterwards) whether
/// descriptor and name still lead to the file. Otherwise it fails with `ESTALE`. Excepted are the calls of every
/// append, where the check would cost too much: [`Tail::put`], [`Tail::store_parts`] and its kind, and
/// [`CommitWord::store`]. Where the file does not grow, [`Tail::make_room`] and [`RoomAhead::make`] write zeros only if
/// the descriptor leads to the file.
pub trait File: Send + Sync + Debug {
    fn metadata(&self) -> io::Result<Meta>;
    /// What became of the file, of the descriptor that holds its lock, and of `name`.
    fn standing(&self, name: &str) -> io::Result<Standing>;
    /// Whether another handle of this process has taken the lock that this file held. Makes no system call.
    fn is_lock_superseded(&self) -> bool {
        false
    }
    /// Who may open it.
    fn access(&self) -> io::Result<Access>;
    /// Lets only those open the file that `access` lets, as far as this process may change that.
    fn take_access(&self, access: &Access) -> io::Result<()>;
    /// Reads at `offset` until `buffer` is full or the file ends; returns the bytes read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`, by a system call in every engine.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Fails unless this process may write up to `end_bytes`. An engine without limits never fails.
    fn may_reach(&self, _end_bytes: u64) -> io::Result<()> {
        Ok(())
    }
    /// Cuts or extends (with zeros) the file.
    fn set_size(&self, size_bytes: u64) -> io::Result<()>;
    /// Makes the file's bytes and size durable (fdatasync); covers stores through mappings.
    fn sync(&self) -> io::Result<()>;
    /// The offset of the first byte at or after `offset` that may not be zero (`SEEK_DATA`); `None`: only zeros follow.
    /// File systems without holes answer `offset` itself while it is below the file's size.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>>;
    /// The offset of the first hole at or after `offset` (`SEEK_HOLE`); the file's size where there is no hole.
    fn next_hole(&self, offset: u64) -> io::Result<u64>;
    /// Takes the writer's lock (an open-file-description write lock over the whole file) without waiting; `false`: held
    /// elsewhere. It is held until the last reference to this file is dropped, and never by a forked child.
    fn try_lock(&self) -> io::Result<bool>;
    /// Removes this file, which was just made and which [`File::try_lock`] could not lock, unless another process has
    /// begun to use it.
    fn remove_unused(&self) -> io::Result<()>;
    /// Shows other processes that the writer is ready, for as long as this file holds the lock.
    fn set_ready(&self) -> io::Result<()>;
    /// The state of a writer's lock that was taken through another open file. A read lock does not count: any process
    /// that may read the file can take one.
    fn lock_seen(&self) -> io::Result<Lock>;
    /// Whether a writer's lock was taken through another open file.
    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.lock_seen()? != Lock::Free)
    }
    /// The lock that keeps this file from getting the writer's lock; `None` if there is none (any more). `guess`: a
    /// process that may hold it.
    fn obstacle(&self, guess: Option<u32>) -> io::Result<Option<Obstacle>>;
    /// The writer's place at the end of the file. One at a time.
    fn tail(&self) -> io::Result<Box<dyn Tail>>;
    /// A reader's place in the file.
    fn view(&self) -> io::Result<Box<dyn View>>;
    /// A reader's place that maps the whole file at once, so that reads at any offset make no system call. `None` where
    /// the engine does not map files. Where the file cannot be mapped whole, [`View::load`] fails.
    fn whole_view(&self) -> io::Result<Option<Box<dyn View>>> {
        Ok(None)
    }
    /// The first 8 bytes as one little-endian word, read and written atomically; the file must have them.
    /// `writable` needs a file opened for writing.
    fn commit_word(&self, writable: bool) -> io::Result<Box<dyn CommitWord>>;
    /// The first 4096 bytes, mapped shared and writable; `None` where the engine does not map files. The file must have
    /// them.
    fn shared_page(&self) -> io::Result<Option<SharedPage>>;
}

#[allow(unsafe_code, reason = "one type seen as another")]
impl<F: File + 'static> From<Arc<F>> for Arc<dyn File> {
    fn from(file: Arc<F>) -> Arc<dyn File> {
        // SAFETY: the closure returns the pointer as it is.
        unsafe { file.unsize(|counted| counted) }
    }
}

#[allow(unsafe_code, reason = "one type seen as another")]
impl<S: Storage + 'static> From<Arc<S>> for Arc<dyn Storage> {
    fn from(storage: Arc<S>) -> Arc<dyn Storage> {
        // SAFETY: the closure returns the pointer as it is.
        unsafe { storage.unsize(|counted| counted) }
    }
}

/// The end of a file, where one writer puts bytes into room made before.
pub trait Tail: Send + Debug {
    /// Makes `from..to` writable by [`Tail::put`] without a possible failure for lack of room, extending the file ahead
    /// of `to` to a multiple of 64 KiB. `from` is the first byte not yet written. On failure the size of the file is
    /// what it was before, and room made earlier stays. A partial extension is cut back; if that fails too, the error
    /// says so.
    fn make_room(&mut self, from: u64, to: u64) -> io::Result<()>;
    /// The end of the room: bytes below it, from the last `make_room`'s `from` on, can be put.
    fn room_end(&self) -> u64;
    /// Fails unless this process may put bytes up to `end_bytes` now. An engine that puts by stores never fails.
    fn may_reach(&self, _end_bytes: u64) -> io::Result<()> {
        Ok(())
    }
    /// Whether [`Tail::make_room`] up to `to` has to extend the file. An engine may extend it farther than it makes
    /// room.
    fn must_extend(&self, to: u64) -> bool {
        to > self.room_end()
    }
    /// Room beyond the end of the room that another thread can make meanwhile; `from` is the first byte not yet
    /// written. `None`: there is none to be made.
    fn room_ahead(&self, _from: u64) -> Option<RoomAhead> {
        None
    }
    /// Stores `parts`, one after the other, at `offset`. The range must lie in the room, and the caller has asked
    /// [`Tail::may_reach`].
    /// An error means that the outcome is unknown, `EFBIG` that nothing was stored: the process may not write there.
    fn put(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;
    /// Stores `parts`, one after the other, at `offset`, if stores to memory are enough. Returns the bytes in the file.
    /// `None`: there is no room, or the engine needs a system call. Some bytes may have been stored, and [`Tail::put`]
    /// writes all of them.
    fn store_parts(&mut self, offset: u64, parts: &[&[u8]]) -> Option<&[u8]>;
    /// [`Tail::store_parts`] of a little-endian word and `bytes`.
    fn store_word_and_bytes(&mut self, offset: u64, word: u64, bytes: &[u8]) -> Option<&[u8]> {
        self.store_parts(offset, &[&word.to_le_bytes(), bytes])
    }
    /// [`Tail::store_parts`] of three little-endian words. Each is an argument of its own, so that it is passed in a
    /// register: words that are stored, and at once loaded together, wait for the stores.
    fn store_words(&mut self, offset: u64, first: u64, second: u64, third: u64) -> Option<()> {
        self.store_parts(offset, &[[first, second, third].map(u64::to_le_bytes).as_flattened()]).map(drop)
    }
}

/// A reader's cached piece of a file: a mapped window or a buffer.
pub trait View: Send + Sync + Debug {
    /// Makes `offset..offset + size_bytes` the loaded bytes. The range must be committed (it never changes again), and
    /// so must everything below `committed_end`, which is how far the engine may read ahead. A file that ends before
    /// the range is `UnexpectedEof`.
    fn load(&mut self, offset: u64, size_bytes: usize, committed_end: u64) -> io::Result<()>;
    /// The bytes loaded last; they stay where they are until the next `load` or the drop of the view.
    fn loaded(&self) -> &[u8];
}

/// The commit word of a record file: how many records count.
pub trait CommitWord: Send + Sync + Debug {
    /// The word, with acquire order.
    fn load(&self) -> io::Result<u64>;
    /// Publishes `count`, with release order. The caller has asked [`Tail::may_reach`], for the word's own end at
    /// least. An error means that the outcome is unknown.
    fn store(&self, count: u64) -> io::Result<()>;
}

#[cfg(test)]
mod tests;
