//! The codecs an append goes through, and how the index file of an adopted log learns of them.
//!
//! Page 0 of such a log was written when its chain was not known. Page 3 gets the chain, and is synced, before the
//! first append. Each writer writes page 3 again, with the same bytes: what an earlier writer wrote may have been lost
//! by a failed sync.

use super::Writer;
use super::put::is_lack_of_room;
use crate::codec::Chain;
use crate::error::{Error, Result};
use crate::files::index::{CodecsIn, Run, lost_codecs};
use crate::format::codecs::{CHAIN_PAGE_OFFSET, encode_page};
use crate::namespace::OpenIndex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A writer's chain.
#[derive(Debug)]
pub struct Codecs {
    chain: Chain,
    /// Where the index file had the chain when the log was opened.
    found_in: CodecsIn,
    /// Whether the chain is in the index file, or need not be.
    is_recorded: AtomicBool,
}

impl Codecs {
    pub fn new(open: OpenIndex) -> Codecs {
        let is_recorded = AtomicBool::new(open.codecs_in == CodecsIn::Identity);
        Codecs { chain: open.chain, found_in: open.codecs_in, is_recorded }
    }
}

impl Writer {
    /// The codecs that payloads go through before they are appended.
    pub fn chain(&self) -> &Chain {
        &self.codecs.chain
    }

    /// Whether the log has no codecs, and the index file says so.
    #[inline]
    pub(super) fn stores_plain_records(&self) -> bool {
        self.codecs.chain.is_plain() && self.codecs.is_recorded.load(Ordering::Acquire)
    }

    /// Writes the chain of an adopted log into its index file, before the first append.
    #[inline]
    pub(super) fn record_codecs(&self) -> Result<()> {
        if self.codecs.is_recorded.load(Ordering::Acquire) { Ok(()) } else { self.record_codecs_now() }
    }

    #[cold]
    #[inline(never)] // its page would make every append probe the stack
    fn record_codecs_now(&self) -> Result<()> {
        let mut checkpoints = self.sync.lock();
        if checkpoints.closed.is_some() {
            return Err(self.namespace.closed_error());
        }
        if self.codecs.is_recorded.load(Ordering::Acquire) {
            return Ok(());
        }
        self.refuse_poisoned()?;
        self.refuse_lost_codecs()?;
        let page = encode_page(&self.codecs.chain.ids(), &self.index.log_id);
        let written = self.index.file.write_at(CHAIN_PAGE_OFFSET, &page);
        if let Some(error) = written.as_ref().err().filter(|error| is_lack_of_room(error)) {
            return Err(Error::os("writing its index file", error).of(self.namespace.log_path()));
        }
        self.settle(&mut checkpoints, "recording its codecs", || written.and_then(|()| self.index.file.sync()))?;
        self.codecs.is_recorded.store(true, Ordering::Release);
        Ok(())
    }

    /// An appended record proves that the chain was recorded: if the chain cannot be read any more, it must not be
    /// guessed.
    fn refuse_lost_codecs(&self) -> Result<()> {
        let count = self.namespace.visible.count();
        let is_lost = self.codecs.found_in == CodecsIn::Nowhere;
        let Some(last) = count.checked_sub(1).filter(|_| is_lost) else { return Ok(()) };
        match Run::default().entry(&self.index, last, count)? {
            Some(entry) if !entry.adopted => Err(lost_codecs(last)),
            _ => Ok(()),
        }
    }
}
