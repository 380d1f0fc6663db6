// tidwall/wal. Fast: NoSync; sustained: a Sync each second, beside the appends. Durable: its default, a sync for each
// write. Reads go by record number with NoCopy. There are no checksums.
package main

import (
	"github.com/tidwall/wal"

	"peers/harness"
)

type log struct {
	wal   *wal.Log
	next  uint64
	batch wal.Batch
}

func open(directory string, mode harness.Mode) *log {
	options := *wal.DefaultOptions
	options.NoSync = mode != harness.Durable
	options.NoCopy = true
	opened, err := wal.Open(directory, &options)
	harness.Die(err)
	return &log{wal: opened, next: 1}
}

func (log *log) Append(payload []byte) {
	harness.Die(log.wal.Write(log.next, payload))
	log.next++
}

func (log *log) AppendBatch(payloads [][]byte) {
	log.batch.Clear()
	for _, payload := range payloads {
		log.batch.Write(log.next, payload)
		log.next++
	}
	harness.Die(log.wal.WriteBatch(&log.batch))
}

func (log *log) Sync() { harness.Die(log.wal.Sync()) }

func (log *log) Close() { harness.Die(log.wal.Close()) }

func (log *log) Read(_ uint64, visit harness.Visit) {
	last, err := log.wal.LastIndex()
	harness.Die(err)
	for number := uint64(1); number <= last; number++ {
		record, err := log.wal.Read(number)
		harness.Die(err)
		visit(record)
	}
}

func main() {
	harness.Main(harness.Peer{
		Open:       func(directory string, mode harness.Mode) harness.Log { return open(directory, mode) },
		OpenReader: func(directory string) harness.Reader { return open(directory, harness.Fast) },
	})
}
