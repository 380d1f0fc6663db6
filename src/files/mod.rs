//! The files beside a record file, as the layers above use them: the index file, the journal, the live page.

pub mod index;
pub mod journal;
pub mod live;
pub mod new_file;
