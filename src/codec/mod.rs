//! Codecs: what payloads go through on their way to the file, and back.
//!
//! A codec is an id, which the index file records, and a transformation. The built-in ones make the standard frames of
//! their kind, so that other programs can read what the file contains. A log's codecs form a `Chain`. Everything that a
//! codec makes goes to a `Sink`, which keeps it within the largest record size.

mod chain;
mod deflate;
mod lz4;
mod sink;
mod snappy;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(test)]
mod tests;

pub(crate) use chain::Chain;
pub use sink::Sink;

use crate::error::{Error, ErrorKind, Result, within};
use crate::util::memory;
use crate::util::sync::Arc;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;

/// Ids from here on are for codecs that do not come with the library.
pub const CUSTOM_ID_MIN: u32 = 0x10000;
/// The longest name of such a codec, in bytes.
pub const CODEC_NAME_BYTES_MAX: usize = 64;

/// What a codec does. Any number of threads may call it at once.
pub trait Transform: Send + Sync {
    /// Writes to `out` the bytes that are stored in place of `data`.
    ///
    /// # Errors
    /// [`ErrorKind::CodecFailed`], or the error of the sink.
    fn encode(&self, data: &[u8], out: &mut Sink) -> Result<()>;

    /// Writes to `out` the bytes from which `encode` made `data`. A damaged file may have anything as `data`.
    ///
    /// # Errors
    /// As `encode`.
    fn decode(&self, data: &[u8], out: &mut Sink) -> Result<()>;
}

/// A codec that comes with the library; the discriminant is its id on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Builtin {
    /// Raw DEFLATE, levels 1 to 9.
    Deflate = 1,
    /// A Zstandard frame, levels -7 to 22.
    Zstd = 2,
    /// An LZ4 frame.
    Lz4 = 3,
    /// Snappy's framing format.
    Snappy = 4,
}

impl Builtin {
    /// The built-in codec with this id.
    pub fn from_id(id: u32) -> Option<Builtin> {
        [Builtin::Deflate, Builtin::Zstd, Builtin::Lz4, Builtin::Snappy].into_iter().find(|kind| *kind as u32 == id)
    }

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Builtin::Deflate => "deflate",
            Builtin::Zstd => "zstd",
            Builtin::Lz4 => "lz4",
            Builtin::Snappy => "snappy",
        }
    }

    fn transform(self, level: i32) -> Result<Box<dyn Transform>> {
        Ok(match self {
            Builtin::Deflate => memory::boxed(deflate::Deflate::new(level)?)?,
            #[cfg(feature = "zstd")]
            Builtin::Zstd => memory::boxed(zstd::Zstd::new(level)?)?,
            #[cfg(not(feature = "zstd"))]
            Builtin::Zstd => {
                let message = "this build of the library has no zstd; build it with the feature \"zstd\"";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            Builtin::Lz4 => memory::boxed(lz4::Lz4::new(level)?)?,
            Builtin::Snappy => memory::boxed(snappy::Snappy::new(level)?)?,
        })
    }
}

/// A codec. All its clones share one transformation, in any number of logs and threads.
#[derive(Clone)]
pub struct Codec(Arc<Body>);

struct Body {
    id: u32,
    name: String,
    /// `None`: payloads pass through as they are.
    transform: Option<Box<dyn Transform>>,
}

impl Codec {
    /// A codec of the library's at `level`; 0 is its default.
    ///
    /// # Errors
    /// [`ErrorKind::Argument`] for a level that the codec does not have, [`ErrorKind::Unsupported`] for a codec that
    /// was not compiled in.
    pub fn builtin(kind: Builtin, level: i32) -> Result<Codec> {
        let transform = kind.transform(level).map_err(|error| about(kind.name(), error))?;
        Ok(Codec(Arc::new(Body { id: kind as u32, name: memory::text(kind.name())?, transform: Some(transform) })?))
    }

    /// A codec of the caller's: `id` is [`CUSTOM_ID_MIN`] or more, and means the same transformation for ever.
    ///
    /// # Errors
    /// [`ErrorKind::Argument`] for an id or a name out of bounds.
    pub fn custom(id: u32, name: &str, transform: Box<dyn Transform>) -> Result<Codec> {
        Codec::foreign(id, name, Some(transform))
    }

    /// A codec whose work is done outside the library: its id is recorded, payloads pass through as they are.
    ///
    /// # Errors
    /// As [`Codec::custom`].
    pub fn external(id: u32, name: &str) -> Result<Codec> {
        Codec::foreign(id, name, None)
    }

    fn foreign(id: u32, name: &str, transform: Option<Box<dyn Transform>>) -> Result<Codec> {
        if id < CUSTOM_ID_MIN {
            let message = format_args!("codec id {id:#x}: those below {CUSTOM_ID_MIN:#x} are the library's");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        if name.is_empty() || name.len() > CODEC_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let message =
                format_args!("a codec's name has 1 to {CODEC_NAME_BYTES_MAX} bytes, none a control character");
            return Err(Error::new(ErrorKind::Argument, message));
        }
        Ok(Codec(Arc::new(Body { id, name: memory::text(name)?, transform })?))
    }

    /// Its id, which the index file records.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// Its name in messages.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    fn transform(&self) -> Option<&(dyn Transform + 'static)> {
        self.0.transform.as_deref()
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("id", &self.0.id).field("name", &self.0.name).finish_non_exhaustive()
    }
}

/// The same error, said of the codec `name`.
fn about(name: &str, error: Error) -> Error {
    error.about(format_args!("codec {name}"))
}

/// The failure of a built-in codec.
fn failed(what: impl Display) -> Error {
    Error::new(ErrorKind::CodecFailed, what)
}

/// `level`, or `default` if it is 0.
fn level_in(level: i32, bounds: RangeInclusive<i32>, default: i32) -> Result<i32> {
    if level == 0 {
        return Ok(default);
    }
    if bounds.start() == bounds.end() && !bounds.contains(&level) {
        return Err(Error::new(ErrorKind::Argument, format_args!("it has no levels; pass 0, not {level}")));
    }
    within("the level", &bounds, level).map_err(|refusal| refusal.advising("0 is the default"))?;
    Ok(level)
}
