//! SQLite: a table by record number, in mode WAL. Fast and sustained: synchronous = NORMAL, which syncs at its own
//! checkpoints. Durable: synchronous = FULL, a transaction for each record. Pages have no checksums.

use std::path::Path;

use harness::{Mode, Peer};
use rusqlite::Connection;

const INSERT: &str = "INSERT INTO log (payload) VALUES (?1)";

struct Sqlite(Connection);

fn open(directory: &Path, synchronous: &str) -> Connection {
    let connection = Connection::open(directory.join("log.sqlite")).expect("cannot open");
    connection.pragma_update(None, "journal_mode", "WAL").expect("cannot set the journal mode");
    connection.pragma_update(None, "synchronous", synchronous).expect("cannot set synchronous");
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
        .expect("cannot make the table");
    connection
}

fn insert(connection: &Connection, payload: &[u8]) {
    connection.prepare_cached(INSERT).and_then(|mut insert| insert.execute([payload])).expect("cannot insert");
}

impl Peer for Sqlite {
    fn open(directory: &Path, mode: Mode) -> Self {
        Sqlite(open(directory, if mode == Mode::Durable { "FULL" } else { "NORMAL" }))
    }

    fn append(&mut self, payload: &[u8]) {
        insert(&self.0, payload);
    }

    fn append_batch(&mut self, payloads: &[&[u8]]) {
        let transaction = self.0.transaction().expect("cannot begin");
        for payload in payloads {
            insert(&transaction, payload);
        }
        transaction.commit().expect("cannot commit");
    }

    type Reader = Connection;

    fn open_reader(directory: &Path) -> Connection {
        open(directory, "NORMAL")
    }

    fn read(connection: &mut Connection, visit: &mut dyn FnMut(&[u8])) {
        let mut select = connection.prepare("SELECT payload FROM log ORDER BY number").expect("cannot read");
        let mut rows = select.query([]).expect("cannot read");
        while let Some(row) = rows.next().expect("cannot read") {
            visit(row.get_ref(0).and_then(|value| Ok(value.as_blob()?)).expect("cannot read"));
        }
    }
}

fn main() {
    harness::main::<Sqlite>();
}
