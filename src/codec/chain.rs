//! The codecs of a log: applied in the order added, undone in reverse, the same for all of its records.

use super::{Builtin, Codec, Sink, Transform, about};
use crate::error::{Error, ErrorKind, Result};
use crate::format::codecs::ChainIds;
use crate::util::memory;
use crate::util::sync::Arc;
use std::fmt::{self, Display};
use std::path::Path;

/// Codecs in the order they are applied.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// `None`: no codecs.
    codecs: Option<Arc<Vec<Codec>>>,
}

impl Chain {
    pub fn new(codecs: &[Codec]) -> Result<Chain> {
        if codecs.is_empty() {
            return Ok(Chain::default());
        }
        Ok(Chain { codecs: Some(Arc::new(memory::list(codecs.iter().cloned())?)?) })
    }

    /// The ids of the codecs, which the index file records.
    pub fn ids(&self) -> ChainIds {
        self.codecs().iter().map(Codec::id).collect()
    }

    fn codecs(&self) -> &[Codec] {
        self.codecs.as_ref().map_or(&[], |codecs| codecs)
    }

    /// Whether payloads are stored as they are: there is no codec, or only ones that work outside the library.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.codecs().iter().all(|codec| codec.transform().is_none())
    }

    /// The bytes stored in place of `data`. The result, and what each codec makes on the way, has at most
    /// `limit_bytes`.
    pub fn encode(&self, data: &[u8], limit_bytes: u64) -> Result<Vec<u8>> {
        pass(self.codecs().iter(), data, limit_bytes, <dyn Transform>::encode)
    }

    /// The bytes from which `encode` made `data`, under the same limit.
    pub fn decode(&self, data: &[u8], limit_bytes: u64) -> Result<Vec<u8>> {
        pass(self.codecs().iter().rev(), data, limit_bytes, <dyn Transform>::decode)
    }

    /// The chain to open the log at `path` with, if the opener asks for this chain.
    ///
    /// `recorded` is the chain in the index file; `None`: the index file does not know it. An opener that names no
    /// codecs gets the recorded chain.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`] when the log has another chain, or one that must be named; [`ErrorKind::Unsupported`] when
    /// a codec of it was not compiled in.
    pub fn agree(&self, recorded: Option<&[u32]>, path: &Path) -> Result<Chain> {
        let Some(recorded) = recorded else { return Ok(self.clone()) };
        if *self.ids() == *recorded {
            return Ok(self.clone());
        }
        if !self.codecs().is_empty() {
            let refusal =
                Error::new(ErrorKind::Codec, "the log has other codecs").comparing(Ids(recorded), Ids(&self.ids()));
            return Err(refusal.advising("name the same codecs in the same order").of(path));
        }
        let builtin = |id: &u32| {
            let Some(kind) = Builtin::from_id(*id) else {
                let refusal = Error::new(ErrorKind::Codec, "the log has codecs that must be named")
                    .comparing(Ids(recorded), "none");
                let advice = format_args!("codecs from {:#x} on do not come with the library", super::CUSTOM_ID_MIN);
                return Err(refusal.advising("name them").advising(advice).of(path));
            };
            Codec::builtin(kind, 0).map_err(|error| error.of(path))
        };
        let mut codecs = Vec::new();
        for id in recorded {
            memory::push(&mut codecs, builtin(id)?)?;
        }
        Chain::new(&codecs)
    }
}

type Direction = fn(&(dyn Transform + 'static), &[u8], &mut Sink) -> Result<()>;

fn pass<'a>(
    codecs: impl Iterator<Item = &'a Codec>,
    data: &[u8],
    limit_bytes: u64,
    direction: Direction,
) -> Result<Vec<u8>> {
    let mut made = None;
    for codec in codecs {
        let Some(transform) = codec.transform() else { continue };
        let mut sink = Sink::new(limit_bytes);
        let outcome = direction(transform, made.as_deref().unwrap_or(data), &mut sink);
        made = Some(sink.finish(outcome).map_err(|error| about(codec.name(), error))?);
    }
    if let Some(made) = made {
        return Ok(made);
    }
    let mut sink = Sink::new(limit_bytes);
    let outcome = sink.write(data);
    sink.finish(outcome)
}

/// A chain for a message, with names for the built-in codecs and numbers for the others.
struct Ids<'a>(&'a [u32]);

impl Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, id) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "[" } else { ", " })?;
            match Builtin::from_id(*id) {
                Some(kind) => f.write_str(kind.name())?,
                None => write!(f, "{id:#x}")?,
            }
        }
        f.write_str("]")
    }
}
