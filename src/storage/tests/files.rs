//! What every engine must do besides putting and viewing bytes: names, locks, the commit word, holes, files opened to
//! read.

use super::{MIB, create, kind, on_each_engine, os_error, read};
use crate::storage::{Lock, OpenMode};
use std::io;

#[test]
fn the_commit_word_is_shared() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        file.write_at(0, &[1; 7])?;
        assert_eq!(kind(file.commit_word(false)), Some(io::ErrorKind::UnexpectedEof), "7 bytes are no word");
        file.write_at(0, &5_u64.to_le_bytes())?;
        let word = file.commit_word(true)?;
        let reader = storage.open("a", OpenMode::Read)?.commit_word(false)?;
        assert_eq!(reader.load()?, 5);
        word.store(0x0102_0304_0506_0708)?;
        assert_eq!((word.load()?, reader.load()?), (0x0102_0304_0506_0708, 0x0102_0304_0506_0708));
        assert_eq!(read(&file, 0, 8)?, [8, 7, 6, 5, 4, 3, 2, 1], "little-endian in the file");
        assert_eq!(os_error(reader.store(6)), Some(libc::EBADF), "a reader cannot store");
        let unwritable = storage.open("a", OpenMode::Read)?;
        assert!(
            unwritable.commit_word(true).and_then(|word| word.store(1)).is_err(),
            "nor through a file opened to read"
        );
        assert_eq!(word.load()?, 0x0102_0304_0506_0708);
        Ok(())
    })
}

#[test]
fn one_open_file_holds_the_lock() -> io::Result<()> {
    on_each_engine(|storage| {
        let first = create(storage, "a")?;
        let second = storage.open("a", OpenMode::Write)?;
        let reader = storage.open("a", OpenMode::Read)?;
        assert!(!first.is_locked()? && !reader.is_locked()?, "free");
        assert!(first.try_lock()? && first.try_lock()?, "taken, and taken again by its holder");
        assert!(!second.try_lock()?, "not by another");
        assert!(!first.is_locked()?, "its own lock is not in the holder's way");
        assert!(second.is_locked()? && reader.is_locked()?, "but in everybody else's");
        assert_eq!([second.lock_seen()?, reader.lock_seen()?], [Lock::Held; 2], "by a writer that is not ready");
        first.set_ready()?;
        assert_eq!([second.lock_seen()?, reader.lock_seen()?], [Lock::Ready; 2], "which it now is");
        assert!(!second.try_lock()?, "it holds the lock still");
        let obstacle = second.obstacle(None)?;
        assert!(obstacle.is_some_and(|obstacle| !obstacle.is_read_lock), "{obstacle:?}");
        if let Some(holder) = obstacle.and_then(|obstacle| obstacle.holder) {
            assert_eq!(holder, std::process::id());
        }
        assert_eq!(first.obstacle(None)?, None, "its own lock is not in the holder's way");
        let (view, tail) = (first.view()?, first.tail()?);
        drop(first);
        assert!(reader.is_locked()?, "held as long as anything refers to the file");
        drop((view, tail));
        assert!(!reader.is_locked()? && second.try_lock()?, "then free for the next");
        assert_eq!(reader.lock_seen()?, Lock::Held, "who is not ready");
        Ok(())
    })
}

#[test]
fn data_is_found_after_holes() -> io::Result<()> {
    on_each_engine(|storage| {
        let file = create(storage, "a")?;
        assert_eq!(file.next_data(0)?, None, "an empty file has none");
        file.set_size(64 * MIB)?;
        file.write_at(10 * MIB + 17, b"x")?;
        let found = file.next_data(0)?;
        assert!(found.is_some_and(|found| found <= 10 * MIB + 17), "the byte is not passed over: {found:?}");
        assert_eq!(file.next_data(10 * MIB + 17)?, Some(10 * MIB + 17));
        assert_eq!(file.next_hole(5)?, 5, "a hole begins there already");
        let hole = file.next_hole(10 * MIB + 17)?;
        assert!(hole > 10 * MIB + 17 && hole <= 12 * MIB, "the next one is right after the byte's block: {hole}");
        file.write_at(64 * MIB - 1, b"y")?;
        assert_eq!(file.next_hole(64 * MIB - 1)?, 64 * MIB, "the end of the file counts as one");
        assert_eq!(file.next_hole(70 * MIB)?, 64 * MIB, "nothing lies beyond it");
        assert_eq!(file.next_data(64 * MIB)?, None, "nothing at the end");
        assert_eq!(file.next_data(65 * MIB)?, None, "nothing beyond it");
        Ok(())
    })
}

#[test]
fn names_are_made_changed_and_listed() -> io::Result<()> {
    on_each_engine(|storage| {
        assert_eq!(os_error(storage.open("a", OpenMode::Write)), Some(libc::ENOENT));
        assert_eq!(storage.metadata("a")?, None);
        let file = create(storage, "a")?;
        assert_eq!(os_error(create(storage, "a")), Some(libc::EEXIST));
        file.write_at(0, b"12345")?;
        let meta = storage.metadata("a")?;
        assert_eq!(meta, Some(file.metadata()?), "the same by name and by file");
        assert!(meta.is_some_and(|meta| meta.is_regular && meta.size_bytes == 5));
        create(storage, "b")?;
        storage.rename("a", "b")?;
        assert_eq!(storage.list()?, ["b"], "renamed over the other");
        assert_eq!(storage.metadata("b")?.map(|meta| meta.id), Some(file.metadata()?.id));
        storage.sync_directory()?;
        file.sync()?;
        storage.remove("b")?;
        assert_eq!(storage.list()?, [""; 0]);
        assert_eq!(os_error(storage.remove("b")), Some(libc::ENOENT));
        assert_eq!(os_error(storage.rename("b", "c")), Some(libc::ENOENT));
        assert_eq!(read(&file, 0, 9)?, b"12345", "an open file outlives its name");
        Ok(())
    })
}

#[test]
fn a_file_opened_to_read_is_never_written() -> io::Result<()> {
    on_each_engine(|storage| {
        create(storage, "a")?.write_at(0, b"safe")?;
        let file = storage.open("a", OpenMode::Read)?;
        assert!(file.write_at(0, b"x").is_err());
        assert!(file.set_size(1).is_err());
        assert!(file.tail()?.make_room(4, 5).is_err());
        assert_eq!(os_error(file.try_lock()), Some(libc::EBADF), "locking is for writers");
        assert_eq!(read(&file, 0, 9)?, b"safe");
        Ok(())
    })
}
