//! `NAME.live` as a writer keeps it and as a reader finds it.

use crate::error::Error;
use crate::format::PAGE_SIZE_BYTES;
use crate::format::live::{BOOT_ID, BootId, MAGIC, READY_EPOCH, SUFFIX, Snapshot, WAKES, WRITER_PID};
use crate::format::name::FileName;
use crate::storage::{Access, File, FileId, OpenMode, SharedPage, Storage, remove_if_there};
use crate::util::sync::Arc;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// The length of a boot id as text: 32 digits in five groups.
const BOOT_ID_TEXT_BYTES: usize = 36;

/// How often a page is created again because a reader was faster, and that reader's page cannot be used.
const CREATE_TRIES: usize = 8;

/// The random number the kernel drew at boot; zeros where it cannot be read. Read once, so that a look takes no
/// descriptor for it.
fn boot_id() -> BootId {
    static KNOWN: OnceLock<BootId> = OnceLock::new();
    if let Some(id) = KNOWN.get() {
        return *id;
    }
    let mut text = [0; BOOT_ID_TEXT_BYTES];
    let read = std::fs::File::open("/proc/sys/kernel/random/boot_id").and_then(|mut file| file.read_exact(&mut text));
    if read.is_err() {
        return BootId::default();
    }
    let mut digits =
        text.iter().filter_map(|digit| char::from(*digit).to_digit(16)).filter_map(|digit| u8::try_from(digit).ok());
    let mut id = BootId::default();
    for byte in &mut id {
        *byte = digits.next().unwrap_or_default() << 4 | digits.next().unwrap_or_default();
    }
    *KNOWN.get_or_init(|| id)
}

/// Whether a page with the boot id `id` was written since this machine was booted, as far as either side could tell.
fn is_this_boot(id: &BootId) -> bool {
    let unknown = BootId::default();
    let here = boot_id();
    *id == here || *id == unknown || here == unknown
}

/// An open live page.
#[derive(Debug)]
pub struct Live {
    file: Arc<dyn File>,
    /// The page in memory; none where the engine maps no files or the page may not be written.
    page: Option<Arc<SharedPage>>,
}

impl Live {
    /// The page of `namespace` for its writer: opened, or created again when it is missing, malformed or not writable.
    /// A writer goes on without a page; the error is for its report.
    pub fn attach_writer(storage: &dyn Storage, namespace: &str, log: &dyn File) -> io::Result<Live> {
        let name = file_name(namespace);
        let mut tries = 0;
        loop {
            match Live::try_open(storage, &name, OpenMode::Write) {
                Ok(Some(live)) => return Ok(live),
                // A failure of the system is no sign that the page is bad.
                Err(error) if Error::os("", &error).kind.is_of_the_system() => return Err(error),
                _ => {}
            }
            remove_if_there(storage, &name)?;
            match Live::create(storage, &name, log) {
                // A reader was faster: its page is as good.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < CREATE_TRIES => tries += 1,
                created => return created,
            }
        }
    }

    /// The page of `namespace` for a reader: mapped where it may be written, else only read. A page is created where
    /// that is possible, unless the writer could not write it.
    pub fn attach_reader(storage: &dyn Storage, namespace: &str, log: &dyn File) -> Option<Live> {
        let name = file_name(namespace);
        Live::open(storage, &name, OpenMode::Write).or_else(|| Live::open(storage, &name, OpenMode::Read)).or_else(
            || {
                log.access().ok().filter(Access::can_be_given)?;
                Live::create(storage, &name, log).ok()
            },
        )
    }

    /// Says in an existing page that the writer is not ready. Callers do this before anything can be refused.
    pub fn clear_ready(storage: &dyn Storage, namespace: &str) {
        if let Some(live) = Live::open(storage, &file_name(namespace), OpenMode::Write) {
            // A page that cannot be written is created again later, or the writer does without one. Until then readers
            // see by the checkpoint that the page is of another writer.
            let _ = live.set_ready_epoch(0);
        }
    }

    /// The pid the writer of `namespace` left in the page: a guess, which the reader has to confirm.
    pub fn writer_pid(storage: &dyn Storage, namespace: &str) -> Option<u32> {
        let page = Live::open(storage, &file_name(namespace), OpenMode::Read)?.snapshot().ok()??;
        (is_this_boot(&page.boot_id) && page.writer_pid != 0).then_some(page.writer_pid)
    }

    fn open(storage: &dyn Storage, name: &str, mode: OpenMode) -> Option<Live> {
        Live::try_open(storage, name, mode).ok().flatten()
    }

    /// The page called `name`; `None` when it is malformed.
    fn try_open(storage: &dyn Storage, name: &str, mode: OpenMode) -> io::Result<Option<Live>> {
        let file = storage.open(name, mode)?;
        let mut page = [0; PAGE_SIZE_BYTES];
        let whole = file.read_at(0, &mut page)? == PAGE_SIZE_BYTES;
        if !whole || page[..8] != MAGIC {
            return Ok(None);
        }
        let page = if mode == OpenMode::Write { file.shared_page()? } else { None };
        Ok(Some(Live { file, page: page.map(Arc::new).transpose()? }))
    }

    fn create(storage: &dyn Storage, name: &str, log: &dyn File) -> io::Result<Live> {
        let file = storage.create_beside(log, name)?;
        let made = Live::fill(file);
        if made.is_err() {
            let _ = storage.remove(name);
        }
        made
    }

    fn fill(file: Arc<dyn File>) -> io::Result<Live> {
        let blank = Snapshot { boot_id: boot_id(), wakes: true, ..Snapshot::default() };
        file.write_at(0, &blank.encode())?;
        let page = file.shared_page()?.map(Arc::new).transpose()?;
        Ok(Live { file, page })
    }

    /// The words to wait on, where the page is mapped.
    pub fn page(&self) -> Option<Arc<SharedPage>> {
        self.page.clone()
    }

    /// Which file it is.
    pub fn id(&self) -> Option<FileId> {
        self.file.metadata().ok().map(|meta| meta.id)
    }

    /// What the page says now; `None` when it is malformed.
    pub fn snapshot(&self) -> io::Result<Option<Snapshot>> {
        let mut bytes = [0; PAGE_SIZE_BYTES];
        let is_whole = self.file.read_at(0, &mut bytes)? == PAGE_SIZE_BYTES;
        Ok(if is_whole { Snapshot::decode(&bytes) } else { None })
    }

    /// The epoch of the writer that is ready, 0 for none: one load where the page is mapped.
    pub fn ready_epoch(&self) -> u64 {
        match &self.page {
            Some(page) => page.u64_at(READY_EPOCH.offset()).load(Ordering::Acquire),
            // A reader that cannot read the page learns from the look that follows.
            None => self.snapshot().ok().flatten().map_or(0, |snapshot| snapshot.ready_epoch),
        }
    }

    /// Sets the epoch of the writer that is ready, or 0 when none is. Readers that use another epoch then look.
    pub fn set_ready_epoch(&self, epoch: u64) -> io::Result<()> {
        match &self.page {
            Some(page) => {
                page.u64_at(READY_EPOCH.offset()).store(epoch, Ordering::Release);
                Ok(())
            }
            None => self.file.write_at(READY_EPOCH.offset() as u64, &epoch.to_le_bytes()),
        }
    }

    /// Writes who the writer is, before it becomes ready: the sleepers flag and the counter stay as they are.
    pub fn stamp(&self) -> io::Result<()> {
        let wakes = u32::from(self.page.is_some());
        self.file.write_at(BOOT_ID.offset() as u64, &boot_id())?;
        self.file.write_at(WRITER_PID.offset() as u64, &std::process::id().to_le_bytes())?;
        self.file.write_at(WAKES.offset() as u64, &wakes.to_le_bytes())
    }
}

/// The name of `namespace`'s live page.
pub fn file_name(namespace: &str) -> FileName {
    FileName::new(namespace, SUFFIX)
}
