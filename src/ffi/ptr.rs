//! Every pointer of the caller's passes here: slices, strings, results, growing structs.
//!
//! The methods of `Call` check what can be checked (NULL, alignment, sizes) and rely on the caller's contract, stated
//! at `Call::new`, for the rest. What they lend lives no longer than the call.

use super::guard::Call;
use super::slice::immuta_slice;
use crate::error::no_memory;
use crate::{Error, ErrorKind, Result};
use std::ffi::{CStr, c_char, c_void};
use std::fmt::Display;
use std::marker::PhantomData;

/// Where a result goes: checked before the work is done, written after it succeeded, never read.
pub struct Out<'call, T> {
    pointer: *mut T,
    call: PhantomData<&'call Call>,
}

impl<T> Out<'_, T> {
    pub fn set(self, value: T) {
        // SAFETY: not NULL, aligned (`Call::out`); writable for a T by the caller's contract (`Call::new`).
        unsafe { self.pointer.write(value) };
    }
}

impl Call {
    /// A result the caller must take.
    #[inline]
    pub fn out<T>(&self, name: &str, pointer: *mut T) -> Result<Out<'_, T>> {
        check_pointer(name, pointer)?;
        Ok(Out { pointer, call: PhantomData })
    }

    /// A result the caller may leave by passing NULL.
    #[inline]
    pub fn out_or_null<T>(&self, name: &str, pointer: *mut T) -> Result<Option<Out<'_, T>>> {
        if pointer.is_null() { Ok(None) } else { self.out(name, pointer).map(Some) }
    }

    /// A growing struct, of which the caller knows the first `size` bytes.
    pub fn out_growing<T: Copy>(&self, name: &str, pointer: *mut T, size: usize) -> Result<GrowingOut<'_, T>> {
        check_not_null(name, pointer)?; // written bytewise, so it may lie anywhere
        if size == 0 || isize::try_from(size).is_err() {
            return Err(argument(format_args!("{name}: {size} is not the size of a struct; pass sizeof")));
        }
        Ok(GrowingOut { pointer, size, call: PhantomData })
    }

    /// Copies `text` and a NUL into the caller's buffer, or nothing where it is too small.
    pub fn out_string(&self, name: &str, buffer: *mut c_char, capacity: usize, text: &[u8]) -> Result<()> {
        check_not_null(name, buffer)?;
        if capacity <= text.len() {
            return Err(argument(format_args!("{name}: {capacity} bytes are too few for {} and a NUL", text.len())));
        }
        // SAFETY: the buffer is writable for `capacity` bytes by the caller's contract (`Call::new`), which are more
        // than those of the text; a string of ours does not overlap the caller's memory.
        unsafe {
            buffer.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
            buffer.add(text.len()).write(0);
        }
        Ok(())
    }

    /// A struct the caller filled or got filled, to be read and written back; `None` for NULL.
    pub fn in_out<T: Copy>(&self, name: &str, pointer: *mut T) -> Result<Option<(T, Out<'_, T>)>> {
        let Some(out) = self.out_or_null(name, pointer)? else { return Ok(None) };
        // SAFETY: not NULL and aligned; initialised by the caller's contract (`Call::new`).
        let value = unsafe { pointer.read() };
        Ok(Some((value, out)))
    }

    /// `count` things in a row; NULL only when there are none.
    #[allow(clippy::inline_always, reason = "returned through memory, the slice slows an append of 100 bytes by 4 %")]
    #[inline(always)]
    pub fn array<T: Copy>(&self, name: &str, pointer: *const T, count: usize) -> Result<&[T]> {
        if count == 0 {
            return Ok(&[]);
        }
        check_pointer(name, pointer)?;
        if count.checked_mul(size_of::<T>()).is_none_or(|bytes| isize::try_from(bytes).is_err()) {
            return Err(impossible(name, count));
        }
        // SAFETY: not NULL, aligned, and no larger than an allocation can be; readable, initialised and unchanged
        // during the call by the caller's contract (`Call::new`).
        Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
    }

    /// The caller's bytes.
    #[allow(clippy::inline_always, reason = "as `array`")]
    #[inline(always)]
    pub fn bytes(&self, name: &str, data: *const c_void, size: usize) -> Result<&[u8]> {
        self.array(name, data.cast::<u8>(), size)
    }

    /// A list of the caller's byte slices.
    pub fn slices(&self, name: &str, slices: *const immuta_slice, count: usize) -> Result<Vec<&[u8]>> {
        let slices = self.array(name, slices, count)?;
        let mut list = list_of(name, slices.len())?;
        for slice in slices {
            list.push(self.bytes(name, slice.data, slice.size)?);
        }
        Ok(list)
    }

    /// A list of byte slices that lie one after the other.
    pub fn packed(&self, data: *const c_void, sizes: *const usize, count: usize) -> Result<Vec<&[u8]>> {
        let sizes = self.array("sizes", sizes, count)?;
        let total = sizes.iter().try_fold(0_usize, |sum, size| sum.checked_add(*size));
        let total = total.ok_or_else(|| argument("sizes: their sum cannot be in memory"))?;
        let mut rest = self.bytes("data", data, total)?;
        let mut list = list_of("sizes", count)?;
        for size in sizes {
            // The sum was checked, and the caller keeps the sizes as they are during the call; if not, it ends here.
            let (bytes, after) =
                rest.split_at_checked(*size).ok_or_else(|| argument("sizes: changed during the call"))?;
            list.push(bytes);
            rest = after;
        }
        Ok(list)
    }

    /// A string of the caller's.
    pub fn string(&self, name: &str, text: *const c_char) -> Result<&CStr> {
        check_pointer(name, text)?;
        // SAFETY: not NULL; NUL-terminated and unchanged during the call by the caller's contract (`Call::new`).
        Ok(unsafe { CStr::from_ptr(text) })
    }

    /// A string of the caller's that must be UTF-8.
    pub fn utf8(&self, name: &str, text: *const c_char) -> Result<&str> {
        self.string(name, text)?.to_str().map_err(|_| argument(format_args!("{name} is not UTF-8")))
    }

    /// A struct of the caller's that begins with its own size, a `size_t`: as much of it as this library knows.
    pub fn sized_struct<T: Copy>(&self, name: &str, pointer: *const T) -> Result<T> {
        check_pointer(name, pointer)?;
        // SAFETY: not NULL, aligned; the first field is readable by the caller's contract (`Call::new`).
        let size = unsafe { pointer.cast::<usize>().read() };
        if size < size_of::<T>() {
            return Err(argument(format_args!(
                "{name}: its struct_size is {size}, not {}; pass sizeof",
                size_of::<T>()
            )));
        }
        // SAFETY: as above, and it says itself that it is this large.
        Ok(unsafe { pointer.read() })
    }

    /// The name of a namespace. What is not UTF-8 is an illegal name.
    pub fn name(&self, name: *const c_char) -> Result<&str> {
        self.string("name", name)?
            .to_str()
            .map_err(|_| Error::new(ErrorKind::Name, "illegal namespace name: it is not UTF-8"))
    }
}

/// Where a growing struct goes.
pub struct GrowingOut<'call, T> {
    pointer: *mut T,
    size: usize,
    call: PhantomData<&'call Call>,
}

impl<T: Copy> GrowingOut<'_, T> {
    /// Writes what fits into the caller's struct, and zeroes what the caller has more.
    pub fn set(self, value: &T) {
        let fitting = self.size.min(size_of::<T>());
        let target = self.pointer.cast::<u8>();
        // SAFETY: the target is writable for `size` bytes by the caller's contract (`Call::new`), the source for its
        // own size; both ranges end within theirs, and a local value does not overlap the caller's memory.
        unsafe {
            target.copy_from_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), fitting);
            target.add(fitting).write_bytes(0, self.size - fitting);
        }
    }
}

/// The first byte of `data` for C. Some languages abort on small numbers in pointers, which is what an empty slice may
/// have.
pub fn first_byte(data: &[u8]) -> *const c_void {
    static EMPTY: [u8; 1] = [0];
    if data.is_empty() { EMPTY.as_ptr().cast() } else { data.as_ptr().cast() }
}

pub fn argument(message: impl Display) -> Error {
    Error::new(ErrorKind::Argument, message)
}

#[inline]
fn check_not_null<T>(name: &str, pointer: *const T) -> Result<()> {
    if pointer.is_null() { Err(argument(format_args!("{name} is NULL"))) } else { Ok(()) }
}

#[cold]
fn impossible(name: &str, count: usize) -> Error {
    argument(format_args!("{name}: {count} of them cannot be in memory"))
}

#[inline]
fn check_pointer<T>(name: &str, pointer: *const T) -> Result<()> {
    check_not_null(name, pointer)?;
    if !pointer.is_aligned() {
        return Err(argument(format_args!("{name} is not aligned to {} bytes", align_of::<T>())));
    }
    Ok(())
}

/// An empty list with room for `count` entries: as many as the caller says, so the allocation may be refused.
fn list_of<'a>(name: &str, count: usize) -> Result<Vec<&'a [u8]>> {
    let mut list = Vec::new();
    let bytes = (count as u64).saturating_mul(size_of::<&[u8]>() as u64);
    list.try_reserve_exact(count).map_err(|_| no_memory(name, bytes))?;
    Ok(list)
}
