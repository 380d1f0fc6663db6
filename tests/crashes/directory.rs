//! The directory's own name: made by an opener that was killed before the name was durable, or by any other program. A
//! writer makes the name durable before it appends. Otherwise a loss of power takes the log with every acknowledged
//! record.

use crate::disk::{
    Files, POWER_CUTS, after_power_loss, append_batch, cut_anywhere, killed_after, open, records, three_closed,
};
use crate::records::{Records, read_all};
use immuta::storage::simulated::Simulated;
use immuta::{Log, Mode, Options, Repair, import_on, repair_on};

/// The log after losses of power: always all of it.
fn assert_kept(disk: &Simulated, expected: &Records, context: &str) {
    for seed in 0..POWER_CUTS {
        let log = open(&after_power_loss(disk, seed), Mode::Durable).unwrap();
        assert!(read_all(&log).unwrap() == *expected, "{context}, seed {seed}");
    }
}

/// Appends so that the records are acknowledged as durable.
fn append_durably(log: &Log, mode: Mode, records: &[Vec<u8>]) {
    append_batch(log, records).unwrap();
    if mode == Mode::Fast {
        log.sync(0).unwrap();
    }
}

fn in_new_directory(files: &Files) -> Simulated {
    files.on(Simulated::in_new_directory())
}

#[test]
fn what_is_acknowledged_in_a_directory_that_a_killed_opener_made_survives() {
    for mode in [Mode::Fast, Mode::Durable] {
        let disk = Simulated::in_new_directory();
        let log = open(&disk, mode).unwrap();
        append_durably(&log, mode, &records(0, 3, 300));
        assert_kept(&disk, &records(0, 3, 300), &format!("{mode:?}"));
    }
}

#[test]
fn an_opener_that_is_killed_at_any_call_leaves_it_to_the_next() {
    let begin = || (Simulated::in_new_directory(), ());
    cut_anywhere(
        begin,
        |disk, ()| open(disk, Mode::Fast).is_ok(),
        |cut| {
            let log = open(&cut.left, Mode::Durable).unwrap();
            append_durably(&log, Mode::Durable, &records(0, 3, 300));
            for seed in 0..4 {
                let log = open(&after_power_loss(&cut.left, seed), Mode::Durable).unwrap();
                assert!(read_all(&log).unwrap() == records(0, 3, 300), "{}, seed {seed}", cut.context);
            }
        },
    );
}

#[test]
fn an_opener_whose_sync_of_it_fails_acknowledges_nothing() {
    let disk = Simulated::in_new_directory();
    let mut refusals = 0;
    for call in disk.calls().. {
        let tried = disk.copy();
        tried.fail_call(call, libc::EIO, false);
        let opened = open(&tried, Mode::Durable);
        refusals += u64::from(opened.is_err());
        if opened.is_ok_and(|log| append_batch(&log, &records(0, 3, 300)).is_ok()) {
            assert_kept(&tried, &records(0, 3, 300), &format!("call {call} refused"));
        }
        if tried.faults_met() == 0 {
            break;
        }
    }
    assert!(refusals > 1);
}

#[test]
fn a_log_that_a_crash_left_records_without_an_index_file_and_what_was_closed_before_it_was_copied() {
    let killed = Files::of(&killed_after(Mode::Durable, &records(0, 2, 300), &records(2, 1, 300)));
    let adopted = Files { index: None, ..three_closed() };
    for (context, files) in [("recovered", &killed), ("adopted", &adopted), ("copied", &three_closed())] {
        let disk = in_new_directory(files);
        let log = open(&disk, Mode::Durable).unwrap();
        append_durably(&log, Mode::Durable, &records(3, 2, 300));
        assert_kept(&disk, &records(0, 5, 300), context);
    }
}

#[test]
fn an_imported_and_a_repaired_log() {
    let mut old = three_closed();
    let disk = Simulated::in_new_directory();
    disk.write_file("old", old.log());
    let storage = disk.storage();
    import_on(storage.as_ref(), "old", storage.as_ref(), "a", &Options::default(), &mut |_, _| true).unwrap();
    assert_kept(&disk, &records(0, 3, 300), "imported");

    let mut damaged = three_closed();
    damaged.log()[0] = 2;
    let disk = in_new_directory(&damaged);
    let apply = Repair { apply: true, ..Repair::default() };
    repair_on(&disk.storage(), "a", &Options::default(), apply, &mut |_, _| true).unwrap();
    assert_kept(&disk, &records(0, 3, 300), "repaired");
}
