//! The files beside a record file, as the layers above use them: the side file, the journal, the live page.

pub mod index;
pub mod journal;
pub mod live;
pub mod new_file;
