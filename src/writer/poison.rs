//! What ends all writing to a namespace: a write or sync that failed, files that are not what they were, and a panic.

use super::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::writer::files::Lost;
use std::io;
use std::sync::atomic::Ordering;

impl Writer {
    #[inline]
    pub(super) fn refuse_poisoned(&self) -> Result<()> {
        if !self.namespace.poisoned.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(self.poisoned_error())
    }

    #[cold]
    pub(super) fn poisoned_error(&self) -> Error {
        if let Some(lost) = self.lost.get() {
            return self.files.error(ErrorKind::Poisoned, *lost);
        }
        Error::new(ErrorKind::Poisoned, "an earlier write or sync failed, so nothing more is appended")
            .advising("close the log and open it again")
            .of(self.namespace.log_path())
    }

    /// Checks that everything that is open is what it was, and has its name.
    ///
    /// # Errors
    /// Something is not what it was, which poisons the namespace; or the system does not say, which does not.
    #[cold]
    pub(super) fn check_files(&self) -> Result<()> {
        match self.look_at_files()? {
            None => Ok(()),
            Some(lost) => Err(self.lose(lost)),
        }
    }

    /// To be called before any descriptor of the log is closed. The look finds out whether the numbers of the
    /// descriptors may be those of a newer handle; if so, they are left open. [`Writer::close`] returns what the look
    /// finds wrong.
    pub fn look_before_closing(&self) {
        let _ = self.look_at_files();
    }

    /// Whether another handle of this process has the log open for writing: the host has closed the descriptors of this
    /// handle, and descriptors of the other one may have their numbers. Makes no system call.
    pub(super) fn is_superseded(&self) -> bool {
        self.lock.lock().as_ref().is_some_and(|lock| lock.is_lock_superseded())
    }

    fn look_at_files(&self) -> Result<Option<Lost>> {
        let lock = self.lock.lock();
        self.files.look(lock.as_ref())
    }

    /// Poisons the namespace, so that nothing more is written: what is open is not what it was.
    fn lose(&self, lost: Lost) -> Error {
        let lost = *self.lost.get_or_init(|| lost);
        self.namespace.poisoned.store(true, Ordering::Release);
        self.namespace.events.notify_all();
        self.files.error(ErrorKind::Io, lost)
    }

    /// After a write or sync whose outcome is unknown nothing more is written, until the log is opened again.
    #[cold]
    pub(super) fn poison(&self, doing: &str, error: &io::Error) -> Error {
        if matches!(error.raw_os_error(), Some(libc::ESTALE | libc::EBADF))
            && let Ok(Some(lost)) = self.look_at_files()
        {
            return self.lose(lost);
        }
        self.namespace.poisoned.store(true, Ordering::Release);
        self.namespace.events.notify_all();
        // `Io` whatever the cause: trying again, as after a lack of room, does not help.
        Error::os_as(ErrorKind::Io, doing, error)
            .advising("the namespace is poisoned: reads go on")
            .advising("an append in flight may or may not be there when the log is opened again")
            .of(self.namespace.log_path())
    }
}

/// Poisons the namespace when a panic unwinds through a commit or a checkpoint: it is not known how far that came.
pub(super) struct Unfinished<'a>(pub(super) &'a Writer);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Writer { namespace, groups, .. } = self.0;
            namespace.poisoned.store(true, Ordering::Release);
            namespace.events.notify_all();
            groups.notify(groups.lock());
        }
    }
}
