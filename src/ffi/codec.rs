//! Codecs: what payloads go through on their way to the file, and back.

use super::callback::call_back;
use super::error::immuta_error;
use super::guard::Call;
use super::handle::{Opaque, Taken, give};
use super::ptr::{argument, first_byte};
use super::sink::{immuta_sink, lend};
use super::status::{IMMUTA_OK, immuta_status};
use crate::codec::{Builtin, Codec, Sink, Transform};
use crate::util::memory;
use crate::{Error, ErrorKind, Result};
use std::ffi::{c_char, c_void};
use std::ptr::null_mut;

/// A codec, for immuta_options_add_codec. Any number of options, logs and threads may use the same codec.
///
/// Threads: any.
pub struct immuta_codec {
    _opaque: [u8; 0],
}

impl Opaque for immuta_codec {
    type Body = Codec;
    const MAGIC: u64 = u64::from_le_bytes(*b"imCodecs");
}

/// Raw DEFLATE (RFC 1951). Levels 1 to 9; 0 means 6.
pub const IMMUTA_CODEC_DEFLATE: i32 = 1;
/// A Zstandard frame (RFC 8878). Levels -7 to 22; 0 means 3. A library built without it answers
/// IMMUTA_E_UNSUPPORTED.
pub const IMMUTA_CODEC_ZSTD: i32 = 2;
/// An LZ4 frame. No levels: 0.
pub const IMMUTA_CODEC_LZ4: i32 = 3;
/// Snappy in its framing format. No levels: 0.
pub const IMMUTA_CODEC_SNAPPY: i32 = 4;

const _: () = {
    assert!(IMMUTA_CODEC_DEFLATE.unsigned_abs() == Builtin::Deflate as u32);
    assert!(IMMUTA_CODEC_ZSTD.unsigned_abs() == Builtin::Zstd as u32);
    assert!(IMMUTA_CODEC_LZ4.unsigned_abs() == Builtin::Lz4 as u32);
    assert!(IMMUTA_CODEC_SNAPPY.unsigned_abs() == Builtin::Snappy as u32);
};

/// A codec of the caller's.
///
/// The library calls encode and decode on the thread that appends or reads, from several threads at once. They may call
/// the library, see Callbacks on the first page. They give their output to immuta_sink_write, in any number of pieces,
/// and return 0. Any other value fails this one payload with IMMUTA_E_CODEC_FAILED and comes back as os_error. decode
/// must give back exactly what encode was given. It must expect any bytes at all: files can be damaged.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct immuta_codec_vtable {
    /// sizeof(immuta_codec_vtable).
    pub struct_size: usize,
    /// The id that the index file records: 0x10000 or more, and the same transformation for ever.
    pub id: u32,
    /// 0.
    pub reserved: u32,
    /// For messages: 1 to 64 bytes of UTF-8 without control characters; copied.
    pub name: *const c_char,
    /// Passed to the functions.
    pub user: *mut c_void,
    /// Turns a payload into its stored form. data is never NULL.
    pub encode: Option<
        unsafe extern "C-unwind" fn(user: *mut c_void, data: *const c_void, size: usize, out: *mut immuta_sink) -> i32,
    >,
    /// Turns the stored form back into the payload. data is never NULL.
    pub decode: Option<
        unsafe extern "C-unwind" fn(user: *mut c_void, data: *const c_void, size: usize, out: *mut immuta_sink) -> i32,
    >,
    /// Called once, when nothing uses the codec any more, on the thread that made the last release. May be NULL.
    pub destroy: Option<unsafe extern "C-unwind" fn(user: *mut c_void)>,
}

const _: () = assert!(size_of::<immuta_codec_vtable>() == 56);

/// Makes a codec that comes with the library. It stores the standard frame of its kind, the same on every machine. The
/// tools of that format can read it.
///
/// kind:      IMMUTA_CODEC_DEFLATE, IMMUTA_CODEC_ZSTD, IMMUTA_CODEC_LZ4 or IMMUTA_CODEC_SNAPPY.
/// level:     how hard the codec tries, within the bounds of its kind; 0 is its default. Only appending depends on it.
/// codec_out: the codec, for immuta_codec_free.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: the kind is unknown, or it has no such level
///         IMMUTA_E_UNSUPPORTED: this library was built without this kind
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the codec is the caller's until immuta_codec_free.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_codec_builtin(
    kind: i32,
    level: i32,
    codec_out: *mut *mut immuta_codec,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let codec_out = call.out("codec_out", codec_out)?;
        let builtin = u32::try_from(kind).ok().and_then(Builtin::from_id);
        let builtin = builtin.ok_or_else(|| argument(format_args!("codec kind {kind} is unknown")))?;
        codec_out.set(give(Codec::builtin(builtin, level)?)?);
        Ok(IMMUTA_OK)
    })
}

/// Makes a codec of the caller's functions.
///
/// vtable:    copied, with the name. What user leads to must live until destroy is called.
/// codec_out: the codec, for immuta_codec_free.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: encode or decode is NULL, or the id, the name or struct_size is out of bounds
///         IMMUTA_E_VERSION: struct_size is that of a newer header
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the codec is the caller's until immuta_codec_free.
///
/// destroy is called exactly once if this function could read the vtable. It can read the vtable whenever vtable is not
/// NULL and struct_size is not too small. If this function fails, it calls destroy before it returns. Else destroy is
/// called when the codec and all options, logs and streams that use it are released. In a forked child destroy is never
/// called.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_codec_custom(
    vtable: *const immuta_codec_vtable,
    codec_out: *mut *mut immuta_codec,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let vtable = call.sized_struct::<immuta_codec_vtable>("vtable", vtable)?;
        let custom = memory::boxed(Custom(vtable))?; // from here on it is destroyed, whatever happens
        let codec_out = call.out("codec_out", codec_out)?;
        if vtable.struct_size > size_of::<immuta_codec_vtable>() {
            let message = "the vtable is of a newer header than this library; use the header of the library";
            return Err(Error::new(ErrorKind::Version, message));
        }
        if vtable.encode.is_none() || vtable.decode.is_none() || vtable.reserved != 0 {
            return Err(argument("vtable: encode and decode must not be NULL, reserved must be 0"));
        }
        let name = call.utf8("vtable.name", vtable.name)?;
        codec_out.set(give(Codec::custom(vtable.id, name, custom)?)?);
        Ok(IMMUTA_OK)
    })
}

/// Makes a codec whose work is done outside the library. This is for bindings that transform payloads themselves. The
/// id of the codec is recorded and compared. The library does not change the bytes.
///
/// id:        0x10000 or more, and the same transformation for ever.
/// name:      for messages: 1 to 64 bytes of UTF-8 without control characters; copied.
/// codec_out: the codec, for immuta_codec_free.
/// err:       NULL, or written on failure only.
///
/// Returns IMMUTA_OK
///         IMMUTA_E_ARGUMENT: the id or the name is out of bounds
///         IMMUTA_E_NO_MEMORY.
///
/// Ownership: the codec is the caller's until immuta_codec_free.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_codec_external(
    id: u32,
    name: *const c_char,
    codec_out: *mut *mut immuta_codec,
    err: *mut immuta_error,
) -> immuta_status {
    // SAFETY: the pointers are this call's arguments, for which the C caller vouches.
    let call = unsafe { Call::new(err) };
    call.run(|| {
        let codec_out = call.out("codec_out", codec_out)?;
        codec_out.set(give(Codec::external(id, call.utf8("name", name)?)?)?);
        Ok(IMMUTA_OK)
    })
}

/// Releases the caller's hold on a codec. Options that the codec was added to, and logs opened with them, keep theirs.
///
/// codec: a codec, or NULL.
///
/// Threads: any, and nothing may use this pointer afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn immuta_codec_free(codec: *mut immuta_codec) {
    // SAFETY: the pointer is this call's argument, for which the C caller vouches.
    let call = unsafe { Call::new(null_mut()) };
    call.run(|| {
        if let Taken::Back(codec) = call.take(codec, |_| false)? {
            drop(codec);
        }
        Ok(IMMUTA_OK)
    });
}

/// A codec of C functions; dropping it calls `destroy`.
struct Custom(immuta_codec_vtable);

// SAFETY: the functions are called from several threads, as the vtable's documentation says; `user` is theirs alone.
unsafe impl Send for Custom {}
// SAFETY: as above.
unsafe impl Sync for Custom {}

impl Custom {
    fn run(
        &self,
        function: Option<unsafe extern "C-unwind" fn(*mut c_void, *const c_void, usize, *mut immuta_sink) -> i32>,
        data: &[u8],
        out: &mut Sink,
    ) -> Result<()> {
        let function = function.ok_or_else(|| argument("a codec without functions"))?;
        // SAFETY: a function of the caller's, called as its documentation says, with bytes and a sink that live during
        // the call.
        let value =
            lend(out, |sink| call_back(|| unsafe { function(self.0.user, first_byte(data), data.len(), sink) }))?;
        if value == 0 {
            return Ok(());
        }
        let mut error = Error::new(ErrorKind::CodecFailed, format_args!("its function returned {value}"));
        error.os_error = value;
        Err(error)
    }
}

impl Transform for Custom {
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        self.run(self.0.encode, data, out)
    }

    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()> {
        self.run(self.0.decode, data, out)
    }
}

impl Drop for Custom {
    fn drop(&mut self) {
        if let Some(destroy) = self.0.destroy {
            // SAFETY: a function of the caller's, called once, when nothing uses the codec any more.
            let _gone_either_way = call_back(|| unsafe { destroy(self.0.user) });
        }
    }
}
