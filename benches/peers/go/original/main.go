// The Go original. Fast: its default; it has no sync to call, so that a sustained run syncs nothing. Durable:
// WithFastWrite(false), which opens the file with O_SYNC. There are no checksums.
package main

import (
	"bytes"
	"context"
	"io"

	"ella.to/immuta"

	"peers/harness"
)

const namespace = "log"

var background = context.Background()

type log struct{ storage *immuta.Storage }

func open(directory string, mode harness.Mode) log {
	storage, err := immuta.New(immuta.WithLogsDirPath(directory), immuta.WithNamespaces(namespace),
		immuta.WithFastWrite(mode != harness.Durable))
	harness.Die(err)
	return log{storage}
}

func (log log) stage(payload []byte) {
	_, _, err := log.storage.Append(background, namespace, bytes.NewReader(payload))
	harness.Die(err)
}

func (log log) Close() { harness.Die(log.storage.Close()) }

func (log log) Read(records uint64, visit harness.Visit) {
	stream := log.storage.Stream(background, namespace, 0)
	var buffer []byte
	for range records {
		record, size, err := stream.Next(background)
		harness.Die(err)
		if int64(cap(buffer)) < size {
			buffer = make([]byte, size)
		}
		_, err = io.ReadFull(record, buffer[:size])
		harness.Die(err)
		visit(buffer[:size])
		record.Done()
	}
	stream.Done()
}

func main() {
	harness.Main(harness.Peer{
		Open:       func(directory string, mode harness.Mode) harness.Log { return open(directory, mode) },
		OpenReader: func(directory string) harness.Reader { return open(directory, harness.Fast) },
	})
}
