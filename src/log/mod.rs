//! A log: the namespaces of one directory, opened together, closed together.

mod append;
pub mod catalogue;
pub mod stream;
pub mod transaction;

use crate::codec::Chain;
use crate::error::{Brief, Error, ErrorKind, Result};
use crate::files::index;
use crate::files::live::Live;
use crate::format::index::Mode;
use crate::format::name::Stem;
use crate::format::number::Base;
use crate::log::stream::notifier::Notifier;
use crate::log::stream::{Following, Start, Stream};
use crate::log::transaction::Transaction;
use crate::namespace::follower::Follower;
use crate::namespace::wait::EventCount;
use crate::namespace::{Namespace, OpenIndex, Parts, open_readers};
use crate::options::{Options, check_name};
use crate::recovery::{self, Wanted};
use crate::report::{Report, Stats};
use crate::storage::{self, Storage};
use crate::util::append_list::AppendList;
use crate::util::memory;
use crate::util::sync::{Arc, Mutex};
use crate::writer::Writer;
use crate::writer::flusher::{Flusher, Writers};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// One namespace of a log.
#[derive(Clone, Debug)]
struct Member {
    namespace: Arc<Namespace>,
    role: Role,
}

/// What this log does with a namespace.
#[derive(Clone, Debug)]
enum Role {
    Write(Arc<Writer>),
    Follow(Following),
}

impl Member {
    #[inline]
    fn writer(&self) -> Option<&Writer> {
        match &self.role {
            Role::Write(writer) => Some(writer),
            Role::Follow(_) => None,
        }
    }

    fn stream(&self, start: Start) -> Result<Stream> {
        Stream::open(Arc::clone(&self.namespace), self.following().cloned(), start)
    }

    fn following(&self) -> Option<&Following> {
        match &self.role {
            Role::Write(_) => None,
            Role::Follow(following) => Some(following),
        }
    }
}

type Members = Arc<AppendList<Member>>;

impl Writers for Members {
    fn each(&self, act: &mut dyn FnMut(&Writer)) {
        self.iter().filter_map(Member::writer).for_each(act);
    }
}

/// An open log: a directory of namespaces. Any threads may use it at once.
///
/// Streams and records keep what they need of it alive. Dropping the log shuts it down; call [`Log::shutdown`] before
/// that to learn whether everything reached the disk.
///
/// A namespace is named by its number, in the order added, from 0.
// Invariants:
// 1. The member at place `n` is the namespace of number `n`.
// 2. `closed` is never cleared, and no namespace is added after a shutdown has taken `changing`.
#[derive(Debug)]
pub struct Log {
    storage: Arc<dyn Storage>,
    options: Options,
    /// Members are added and never removed, so an append finds its writer without a lock.
    members: Members,
    flusher: Flusher<Members>,
    /// Serves the event loops of a read-only log.
    notifier: Arc<Notifier>,
    flushing: AtomicBool,
    /// One thread at a time adds a namespace or shuts down.
    changing: Mutex<()>,
    closed: AtomicBool,
}

impl Log {
    /// Opens the log in `directory`: either all of the named namespaces or none. A writer creates what is missing, and
    /// mends what a crash left; [`Log::report`] says what was found.
    ///
    /// # Errors
    /// Whatever keeps one of them from being opened; `error.ns` says which.
    /// - [`ErrorKind::Locked`]: another writer has it open.
    /// - [`ErrorKind::NotFound`]: read-only, and there is nothing to open.
    /// - [`ErrorKind::Replaced`]: the files were replaced during the call; open them again.
    /// - [`ErrorKind::Argument`], [`ErrorKind::Name`]: an option is out of bounds, or a name is illegal.
    /// - [`ErrorKind::Corrupt`], [`ErrorKind::Truncated`]: records that were synced are damaged or gone. Opened
    ///   read-only, the log serves the records that verify.
    /// - [`ErrorKind::Missing`], [`ErrorKind::Ambiguous`], [`ErrorKind::Layout`], [`ErrorKind::Mismatch`],
    ///   [`ErrorKind::Version`]: the files are not, or may not be, what this library can write. Nothing is changed.
    ///   [`verify`](crate::verify) and [`repair`](crate::repair) say more.
    /// - [`ErrorKind::TooLarge`]: read-only, and too many records without an index file that knows them all.
    /// - [`ErrorKind::Codec`]: the log has other codecs; [`ErrorKind::Unsupported`] if one is not in this build.
    /// - [`ErrorKind::Exists`]: too many files were set aside; remove some.
    /// - [`ErrorKind::Permission`], [`ErrorKind::ReadOnly`], [`ErrorKind::NotRegular`], [`ErrorKind::Unsupported`],
    ///   [`ErrorKind::NoSpace`], [`ErrorKind::NoMemory`], [`ErrorKind::Limit`], [`ErrorKind::Io`]: the system refused.
    ///
    /// ```
    /// # use immuta::{Log, Mode, Options};
    /// # let directory = tempfile::tempdir()?;
    /// let options = Options { mode: Mode::Durable, ..Options::new(["events"]) };
    /// let log = Log::open(directory.path().join("log"), &options)?;
    /// assert_eq!(log.find_namespace("events")?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(directory: impl AsRef<Path>, options: &Options) -> Result<Log> {
        let directory = directory.as_ref();
        options.check()?;
        if !options.read_only {
            storage::create_directory(directory).map_err(|error| Error::os("creating", &error).of(directory))?;
        }
        let storage = storage::open_directory(directory, options.io, !options.read_only)?;
        Log::open_on(storage, options)
    }

    /// Opens a log on a given engine, for tests.
    #[doc(hidden)]
    pub fn open_on(storage: Arc<dyn Storage>, options: &Options) -> Result<Log> {
        options.check()?;
        let members = Arc::new(AppendList::new())?;
        let log = Log {
            storage,
            options: options.try_clone()?,
            flusher: Flusher::new(options.flush_interval, Arc::clone(&members))?,
            members,
            notifier: Arc::new(Notifier::new()?)?,
            flushing: AtomicBool::new(false),
            changing: Mutex::new(()),
            closed: AtomicBool::new(false),
        };
        // Dropping the log shuts down what was opened before.
        for name in &options.namespaces {
            log.add_namespace(name)?;
        }
        if options.read_only && options.namespaces.is_empty() {
            log.add_all()?;
        }
        Ok(log)
    }

    /// Opens every namespace that is in the directory now.
    fn add_all(&self) -> Result<()> {
        let storage = self.storage.as_ref();
        for name in catalogue::names(storage)?.iter().filter(|name| check_name(name).is_ok()) {
            self.add_namespace(name).map(drop).or_else(|refusal| catalogue::pass_over(storage, name, refusal))?;
        }
        Ok(())
    }

    /// Ends all waits, closes every namespace and gives its lock back; from any thread, repeatable with the same
    /// answer.
    ///
    /// # Errors
    /// The first namespace that could not be closed cleanly.
    pub fn shutdown(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        // Waits end before anything that may take long.
        for member in self.members.iter() {
            if let Some(writer) = member.writer() {
                writer.look_before_closing();
            }
            member.namespace.close();
        }
        let _changing = self.changing.lock();
        self.flusher.stop();
        self.notifier.stop();
        let mut outcome = Ok(());
        for member in self.members.iter() {
            member.namespace.close();
            if let Some(writer) = member.writer() {
                let closed = writer.close().map_err(|error| error.in_namespace(member.namespace.number));
                outcome = outcome.and(closed);
            }
        }
        outcome
    }

    /// Opens one more namespace; its number is the next one.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when it is open already, else as [`Log::open`].
    pub fn add_namespace(&self, name: &str) -> Result<u32> {
        check_name(name)?;
        let _changing = self.changing.lock();
        self.refuse_closed()?;
        let number = self.namespace_count();
        if self.members.iter().any(|member| member.namespace.name == name) {
            return Err(Error::new(ErrorKind::Exists, format_args!("namespace \"{}\" is open already", Brief(name))));
        }
        // Before the namespace is made, so that nothing refuses it afterwards.
        self.members.reserve()?;
        let opened =
            if self.options.read_only { self.open_follower(number, name) } else { self.open_writer(number, name) };
        let member = opened.map_err(|error| error.in_namespace(number))?;
        self.members.push(member)?;
        Ok(number)
    }

    fn open_follower(&self, number: u32, name: &str) -> Result<Member> {
        let follower = Follower::open(&self.storage, number, name, &self.options, None)?;
        follower.look(None)?;
        let namespace = Arc::clone(follower.namespace());
        let following = Following { follower: Arc::new(follower)?, notifier: Arc::clone(&self.notifier) };
        Ok(Member { namespace, role: Role::Follow(following) })
    }

    fn open_writer(&self, number: u32, name: &str) -> Result<Member> {
        let storage = &self.storage;
        let named = Chain::new(&self.options.codecs)?;
        let (prepared, creation) = recovery::prepare(storage.as_ref(), name, &named)?;
        // Before anything is written: too few descriptors are a refusal like any other.
        let stem = Stem::of(name, Base::FIRST);
        let readers = open_readers(storage.as_ref(), &stem, self.options.reader_count)?;
        let is_durable = self.options.mode == Mode::Durable;
        let journal_size_bytes = is_durable.then(|| self.options.journal_bytes());
        let opened = prepared.finish(Wanted { journal_size_bytes })?;
        let events = EventCount::new(opened.live.as_ref().and_then(Live::page), true);
        let index_path = memory::path(storage.path(), &index::file_name(&stem))?;
        let index = OpenIndex::new(opened.index.clone(), &named, &index_path)?;
        let parts = Parts { index, events, readers };
        let namespace = Namespace::new(number, name, Arc::clone(storage), &self.options, parts)?;
        let namespace = Arc::new(namespace)?;
        let writer = Writer::new(Arc::clone(&namespace), opened, self.options.flush_bytes)?;
        let member = Member { namespace, role: Role::Write(Arc::new(writer)?) };
        if let Some(creation) = creation {
            creation.keep();
        }
        Ok(member)
    }

    /// The number of the namespace called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::Namespace`] when it is not open here.
    pub fn find_namespace(&self, name: &str) -> Result<u32> {
        let found = self.members.iter().find(|member| member.namespace.name == name);
        found.map(|member| member.namespace.number).ok_or_else(|| {
            Error::new(
                ErrorKind::Namespace,
                format_args!("no namespace \"{}\" is open here; add it first", Brief(name)),
            )
        })
    }

    /// How many namespaces are open; their numbers are 0 to this minus 1.
    pub fn namespace_count(&self) -> u32 {
        u32::try_from(self.members.count()).unwrap_or(u32::MAX)
    }

    /// The name of namespace `ns`.
    ///
    /// # Errors
    /// [`ErrorKind::Namespace`] for a number that was not given out.
    pub fn namespace_name(&self, ns: u32) -> Result<&str> {
        Ok(&self.member(ns)?.namespace.name)
    }

    /// Makes everything appended to `ns` so far durable in its place.
    ///
    /// # Errors
    /// A failed sync, which poisons the namespace; [`ErrorKind::ReadOnly`], [`ErrorKind::Closed`].
    pub fn sync(&self, ns: u32) -> Result<()> {
        self.writer(ns)?.checkpoint().map_err(|error| error.in_namespace(ns))
    }

    /// The figures of `ns`.
    ///
    /// # Errors
    /// [`ErrorKind::Namespace`] for a number that was not given out; for a read-only log, also the error of an index
    /// file that cannot be read.
    pub fn stats(&self, ns: u32) -> Result<Stats> {
        let member = self.member(ns)?;
        let followed = match member.following() {
            None => None,
            Some(Following { follower, .. }) => {
                follower.refresh();
                Some(follower.durability().map_err(|error| error.in_namespace(ns))?)
            }
        };
        Ok(member.namespace.stats(followed))
    }

    /// What opening `ns` found.
    ///
    /// # Errors
    /// [`ErrorKind::Namespace`] for a number that was not given out.
    pub fn report(&self, ns: u32) -> Result<Report> {
        self.member(ns)?.namespace.report.lock().try_clone()
    }

    /// Whether the log was opened with codecs, whose functions may be the caller's.
    pub(crate) fn has_named_codecs(&self) -> bool {
        !self.options.codecs.is_empty()
    }

    /// A transaction over `ns`; [`Transaction::begin`] makes one that need not borrow this log.
    ///
    /// # Errors
    /// [`ErrorKind::Namespace`], [`ErrorKind::ReadOnly`], [`ErrorKind::Closed`].
    ///
    /// ```
    /// # use immuta::{Log, Options};
    /// # let directory = tempfile::tempdir()?;
    /// # let log = Log::open(directory.path(), &Options::new(["events"]))?;
    /// let mut transaction = log.transaction(0)?;
    /// transaction.append("debit")?;
    /// transaction.append("credit")?;
    /// assert_eq!(transaction.commit()?.count, 2); // all or none, whatever happens
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transaction(&self, ns: u32) -> Result<Transaction<&Log>> {
        Transaction::begin(self, ns)
    }

    /// A stream over `ns` that begins at `start`. Opening it takes no reader.
    ///
    /// # Errors
    /// [`ErrorKind::Namespace`], [`ErrorKind::Closed`]. For a time, [`ErrorKind::Corrupt`] where an index entry on the
    /// way is damaged.
    ///
    /// ```
    /// # use immuta::{Log, Next, Options, Start};
    /// # use std::time::Duration;
    /// # let directory = tempfile::tempdir()?;
    /// # let log = Log::open(directory.path(), &Options::new(["events"]))?;
    /// let mut stream = log.stream(0, Start::Now)?;
    /// log.append(0, "hello")?;
    /// let Next::Ready(record) = stream.next(Some(Duration::from_secs(10)))? else { panic!("no record") };
    /// assert_eq!(record.data(), b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream(&self, ns: u32, start: Start) -> Result<Stream> {
        self.member(ns)?.stream(start).map_err(|error| error.in_namespace(ns))
    }

    #[inline]
    fn member(&self, ns: u32) -> Result<&Member> {
        self.members.get(ns as usize).ok_or_else(|| unknown_namespace(ns, self.members.count()))
    }

    /// The writer of `ns`.
    ///
    /// # Errors
    /// [`ErrorKind::Namespace`], [`ErrorKind::Closed`], [`ErrorKind::ReadOnly`].
    #[inline]
    pub(crate) fn writer(&self, ns: u32) -> Result<&Writer> {
        let member = self.member(ns)?;
        self.refuse_closed().map_err(|error| error.in_namespace(ns))?;
        member.writer().ok_or_else(|| {
            let message = "it is open read-only; open it for writing to append";
            Error::new(ErrorKind::ReadOnly, message).of(member.namespace.log_path()).in_namespace(ns)
        })
    }

    #[inline]
    fn refuse_closed(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(self.closed_error()) } else { Ok(()) }
    }

    #[cold]
    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::Closed, "the log was shut down; open it again").of(self.storage.path())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // A caller that needs the outcome calls `shutdown` first.
        let _ = self.shutdown();
    }
}

#[cold]
fn unknown_namespace(ns: u32, count: usize) -> Error {
    Error::new(ErrorKind::Namespace, format_args!("no namespace {ns}; this log has {count}, numbered from 0"))
        .in_namespace(ns)
}
