//! The opaque objects of the C interface: made here, found again from the caller's pointer, taken back for release.
//!
//! Each object begins with a magic word of its kind, cleared on release, so that a wrong or released pointer is usually
//! noticed. The fork generation in which the object was made follows, so that a forked child is always noticed.

use super::guard::Call;
use super::status::{self, immuta_status};
use crate::storage::fork;
use crate::util::memory;
use crate::{Error, ErrorKind, Result};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// An opaque C type and the Rust type that it stands for.
pub trait Opaque {
    /// The object that a pointer to this type leads to, after the words checked here.
    type Body;
    /// The first word of a living object of this kind: eight letters.
    const MAGIC: u64;
}

#[repr(C)] // the magic word comes first
struct Handle<B> {
    magic: AtomicU64,
    fork_generation: u64,
    body: B,
}

/// What is wrong with a handle. Needs no memory, so that a signal handler may get one.
#[derive(Clone, Copy, Debug)]
pub enum Misuse {
    Null,
    NotOne,
    Forked,
}

impl Misuse {
    fn kind(self) -> ErrorKind {
        match self {
            Misuse::Null => ErrorKind::Argument,
            Misuse::NotOne => ErrorKind::Handle,
            Misuse::Forked => ErrorKind::Forked,
        }
    }

    pub fn status(self) -> immuta_status {
        status::of(self.kind())
    }
}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        let message = match misuse {
            Misuse::Null => "the object is NULL",
            Misuse::NotOne => "the pointer is not such an object, or the object was released",
            Misuse::Forked => "the object was made before a fork, in the parent; open the log again in this process",
        };
        Error::new(misuse.kind(), message)
    }
}

/// Gives `body` to the C caller, who owns it until it is taken back.
///
/// # Errors
/// No memory for the object, or in the C library for the handlers of forks.
pub fn give<T: Opaque>(body: T::Body) -> Result<*mut T> {
    fork::install().map_err(|error| Error::os("preparing for forks", &error))?;
    let magic = AtomicU64::new(T::MAGIC);
    let handle = memory::boxed(Handle { magic, fork_generation: fork::generation(), body })?;
    Ok(Box::into_raw(handle).cast())
}

/// What became of an object that the caller releases.
pub enum Taken<B> {
    /// It is ours again.
    Back(Returned<B>),
    /// There is nothing to release: the pointer is NULL, or the object is the parent's and this is a forked child.
    Nothing,
}

/// An object that was taken back. Its memory stays until this is dropped, so that a function that uses the pointer
/// meanwhile, a codec's destroy for one, finds a released object.
pub struct Returned<B>(NonNull<Handle<B>>);

impl<B> Deref for Returned<B> {
    type Target = B;

    fn deref(&self) -> &B {
        // SAFETY: from `Call::take`, the only function that makes this value from a handle; dropped only below.
        unsafe { &self.0.as_ref().body }
    }
}

impl<B> Drop for Returned<B> {
    fn drop(&mut self) {
        let handle = self.0.as_ptr();
        // SAFETY: the handle came from `give` (it led to the magic word of its kind), and `Call::take`, which cleared
        // that word, made one value of it; that no other thread uses the object is the caller's duty. While the body
        // goes, only the words before it may be looked at. Then the box takes the memory, with nothing left in it to
        // drop.
        unsafe {
            (&raw mut (*handle).body).drop_in_place();
            drop(Box::from_raw(handle.cast::<ManuallyDrop<Handle<B>>>()));
        }
    }
}

impl Call {
    /// The object of a handle.
    pub fn handle<T: Opaque>(&self, pointer: *const T) -> std::result::Result<&T::Body, Misuse> {
        let handle = self.living(pointer)?;
        if handle.fork_generation == fork::generation() { Ok(&handle.body) } else { Err(Misuse::Forked) }
    }

    /// Takes an object back, unless `in_use` says that a call is inside it: then it stays as it is, since that call
    /// goes on using it. In a forked child nothing is touched: its locks may be held for ever.
    pub fn take<T: Opaque>(
        &self,
        pointer: *mut T,
        in_use: impl FnOnce(&T::Body) -> bool,
    ) -> std::result::Result<Taken<T::Body>, Misuse> {
        if pointer.is_null() {
            return Ok(Taken::Nothing);
        }
        let handle = self.living(pointer)?;
        if handle.fork_generation != fork::generation() {
            return Ok(Taken::Nothing);
        }
        if handle.magic.compare_exchange(T::MAGIC, 0, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Err(Misuse::NotOne);
        }
        if in_use(&handle.body) {
            handle.magic.store(T::MAGIC, Ordering::Release);
            return Ok(Taken::Nothing);
        }
        Ok(NonNull::new(pointer.cast()).map_or(Taken::Nothing, |handle| Taken::Back(Returned(handle))))
    }

    fn living<T: Opaque>(&self, pointer: *const T) -> std::result::Result<&Handle<T::Body>, Misuse> {
        let pointer = pointer.cast::<Handle<T::Body>>();
        if pointer.is_null() {
            return Err(Misuse::Null);
        }
        if !pointer.is_aligned() {
            return Err(Misuse::NotOne);
        }
        // SAFETY: not NULL and aligned; that it leads to an object of ours not yet released is the caller's contract
        // (`Call::new`). The magic word only makes breaches of it likely to end here.
        let magic = unsafe { &(*pointer).magic };
        if magic.load(Ordering::Acquire) != T::MAGIC {
            return Err(Misuse::NotOne);
        }
        // SAFETY: as above, and it is of the kind asked for. Only atomics and shared references are made of it until
        // it is taken back, which is when the caller has stopped using it.
        Ok(unsafe { &*pointer })
    }
}
