//! Shared ownership whose allocation may be refused: the standard library's `Arc` ends the process then. There are no
//! weak references.

#![allow(unsafe_code, reason = "a count decides when the value is dropped; each block argues its soundness")]

use crate::util::memory::{self, Refused};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::process::abort;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// A value that lives as long as any of its owners, which may be in any thread.
pub struct Arc<T: ?Sized> {
    counted: NonNull<Counted<T>>,
    /// Dropping an owner may drop the value.
    value: PhantomData<Counted<T>>,
}

/// A value and how many owners it has.
///
/// Invariants:
/// 1. `owners` is the number of `Arc`s and of pointers from `into_raw` that lead here.
/// 2. The value is reached by shared references only, until the owner that lowers the count to 0 drops it.
/// 3. It was allocated by `memory::place_for`, with the layout of its type.
#[derive(Debug)]
#[repr(C)] // laid out the same, whether the type of the value is known or not
pub struct Counted<T: ?Sized> {
    owners: AtomicUsize,
    value: T,
}

/// More owners than this mean a leak, and the count would overflow at last.
const OWNERS_MAX: usize = isize::MAX.unsigned_abs();

// SAFETY: a thread that has an owner reads the value (Sync), and the thread that has the last owner drops the value
// (Send).
unsafe impl<T: ?Sized + Send + Sync> Send for Arc<T> {}
// SAFETY: as above; a thread that has a reference to an owner can clone an owner from it.
unsafe impl<T: ?Sized + Send + Sync> Sync for Arc<T> {}

impl<T> Arc<T> {
    /// The first owner of `value`.
    pub fn new(value: T) -> Result<Arc<T>, Refused> {
        let counted = memory::place_for(Counted { owners: AtomicUsize::new(1), value })?;
        Ok(Arc { counted, value: PhantomData })
    }

    /// The same value as a trait object.
    ///
    /// # Safety
    /// `coerce` is `|counted| counted`: it returns the pointer that it gets, and only the compiler's knowledge of its
    /// type changes.
    pub unsafe fn unsize<U: ?Sized>(self, coerce: fn(*mut Counted<T>) -> *mut Counted<U>) -> Arc<U> {
        // SAFETY: `coerce` returns the pointer that it gets, which is not null.
        let counted = unsafe { NonNull::new_unchecked(coerce(self.into_raw())) };
        Arc { counted, value: PhantomData }
    }

    /// Gives the ownership to the holder of the pointer, for [`Arc::from_raw`].
    pub fn into_raw(self) -> *mut Counted<T> {
        let counted = self.counted.as_ptr();
        std::mem::forget(self);
        counted
    }

    /// Takes back an ownership that [`Arc::into_raw`] gave away.
    ///
    /// # Safety
    /// `counted` came from [`Arc::into_raw`] of the same type, and is taken back once.
    pub unsafe fn from_raw(counted: *mut Counted<T>) -> Arc<T> {
        // SAFETY: what `into_raw` gives is not null.
        Arc { counted: unsafe { NonNull::new_unchecked(counted) }, value: PhantomData }
    }
}

impl<T: ?Sized> Arc<T> {
    /// Whether both own the same value.
    pub fn ptr_eq(one: &Arc<T>, other: &Arc<T>) -> bool {
        ptr::addr_eq(one.counted.as_ptr(), other.counted.as_ptr())
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: it lives as long as an owner, which `self` is, and is only accessed through shared references until
        // the last is gone.
        unsafe { self.counted.as_ref() }
    }
}

impl<T: ?Sized> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T: ?Sized> AsRef<T> for Arc<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: ?Sized> Clone for Arc<T> {
    fn clone(&self) -> Arc<T> {
        // A thread that clones has an owner, and so has seen everything that happened before the first one.
        if self.counted().owners.fetch_add(1, Ordering::Relaxed) > OWNERS_MAX {
            abort();
        }
        Arc { counted: self.counted, value: PhantomData }
    }
}

impl<T: ?Sized> Drop for Arc<T> {
    fn drop(&mut self) {
        if self.counted().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Pairs with the subtractions of all other owners: what they did with the value happens before it is dropped.
        fence(Ordering::Acquire);
        // SAFETY: this was the last owner, so nothing leads to the value any more; `Arc::new` allocated it as a box
        // does.
        drop(unsafe { Box::from_raw(self.counted.as_ptr()) });
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Arc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Noisy<'a>(&'a Mutex<u32>);

    impl Drop for Noisy<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn the_last_owner_drops_the_value_once_in_whatever_thread() {
        let drops = Mutex::new(0);
        let one = Arc::new(Noisy(&drops)).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let owner = Arc::clone(&one);
                scope.spawn(move || (0..1000).for_each(|_| drop(Arc::clone(&owner))));
            }
        });
        assert_eq!(*drops.lock().unwrap(), 0);
        // SAFETY: the pointer comes from `into_raw`, once.
        let again = unsafe { Arc::from_raw(one.into_raw()) };
        drop(again);
        assert_eq!(*drops.lock().unwrap(), 1);
    }

    #[test]
    fn a_value_seen_by_a_trait_is_the_same() {
        let number = Arc::new(7_u64).unwrap();
        let other = Arc::new(7_u64).unwrap();
        assert!(Arc::ptr_eq(&number, &Arc::clone(&number)) && !Arc::ptr_eq(&number, &other));
        // SAFETY: the closure returns the pointer as it is.
        let shown: Arc<dyn fmt::Debug> = unsafe { number.unsize(|counted| counted) };
        assert_eq!(format!("{shown:?}"), "7");
    }
}
