// The write-ahead log of etcd: each record is a Raft entry, saved by itself. Fast and sustained: SetUnsafeNoFsync,
// which also turns a sync on demand off. Durable: its default, a sync for each Save. It is read as a whole, into
// memory; checksums are verified.
package main

import (
	"path/filepath"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"peers/harness"
)

type log struct {
	wal   *wal.WAL
	next  uint64
	state *raftpb.HardState
}

func files(directory string) string { return filepath.Join(directory, "wal") }

func open(directory string, mode harness.Mode) harness.Log {
	created, err := wal.Create(nil, files(directory), nil)
	harness.Die(err)
	if mode != harness.Durable {
		created.SetUnsafeNoFsync()
	}
	return &log{wal: created, next: 1, state: &raftpb.HardState{}}
}

func (log *log) Append(payload []byte) { log.AppendBatch([][]byte{payload}) }

// One Save. A crash can leave a part of it, but etcd's own records are not atomic either.
func (log *log) AppendBatch(payloads [][]byte) {
	entries := make([]*raftpb.Entry, len(payloads))
	for i, payload := range payloads {
		entries[i] = &raftpb.Entry{Term: proto.Uint64(1), Index: proto.Uint64(log.next), Data: payload}
		log.next++
	}
	harness.Die(log.wal.Save(log.state, entries))
}

func (log *log) Close() { harness.Die(log.wal.Close()) }

type reader struct{ wal *wal.WAL }

func openReader(directory string) harness.Reader {
	opened, err := wal.Open(nil, files(directory), &walpb.Snapshot{})
	harness.Die(err)
	return &reader{opened}
}

func (reader *reader) Read(_ uint64, visit harness.Visit) {
	_, _, entries, err := reader.wal.ReadAll()
	harness.Die(err)
	for _, entry := range entries {
		visit(entry.GetData())
	}
}

func (reader *reader) Close() { harness.Die(reader.wal.Close()) }

func main() {
	harness.Main(harness.Peer{Open: open, OpenReader: openReader})
}
