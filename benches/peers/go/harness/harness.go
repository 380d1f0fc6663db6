// Package harness runs one work on one peer, and prints one line of JSON. README.md of the peers describes works and
// arguments.
//
//	PROGRAM WORK --records N --bytes B --directory D [--threads T] [--batch K] [--seconds S]
package harness

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Mode is how a log is opened.
type Mode int

const (
	// Fast: the peer syncs nothing while it appends, as far as it can be told so.
	Fast Mode = iota
	// Flushing: the same, but for a sync each second: of its own, or by Syncer.
	Flushing
	// Durable: a record is on the device before its append returns.
	Durable
)

// Visit is called for each record read.
type Visit func(record []byte)

// Log is an open log. A call that fails calls Die.
type Log interface {
	Append(payload []byte)
	Close()
}

// Batcher appends all of them or none.
type Batcher interface{ AppendBatch(payloads [][]byte) }

// Finisher does what is still to be done before the records appended count as appended. It is part of the measured
// time.
type Finisher interface{ Finish() }

// Syncer is called each second beside the appends, in mode Flushing.
type Syncer interface{ Sync() }

// Sharer gives each of several threads its own way to append at the same time as the others.
type Sharer interface{ Appender() func(payload []byte) }

// Reader visits every record in order. Some peers cannot say where the log ends, so that they are told.
type Reader interface {
	Read(records uint64, visit Visit)
	Close()
}

// Peer is what a program measures. All files of a log are in its directory.
type Peer struct {
	Open       func(directory string, mode Mode) Log
	OpenReader func(directory string) Reader
}

const (
	blockRecords    = 16 // timed together in a sustained run, so that the clock costs little
	warmUpRecords   = 100_000
	recordBytesMax  = 131_072
	poolPeriod      = 1_048_573 // a prime
	syncSleep       = 10 * time.Millisecond
	directoryRights = 0o777
)

type work struct {
	name                           string
	records, bytes, threads, batch uint64
	seconds                        float64
}

type measurement struct {
	records              uint64
	total, read, longest time.Duration
	worstSecond          float64
}

// Die ends the program if there is an error.
func Die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dief(format string, arguments ...any) { Die(fmt.Errorf(format, arguments...)) }

// Main is the program of a peer.
func Main(peer Peer) {
	if len(os.Args) < 2 {
		dief("usage: %s WORK --records N --bytes B --directory D", os.Args[0])
	}
	task := work{name: os.Args[1]}
	flags := flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	flags.Uint64Var(&task.records, "records", 0, "records to append or read")
	flags.Uint64Var(&task.bytes, "bytes", 0, "of each record")
	flags.Uint64Var(&task.threads, "threads", 1, "that share the records")
	flags.Uint64Var(&task.batch, "batch", 1, "records of a batch")
	flags.Float64Var(&task.seconds, "seconds", 0, "of a sustained run")
	directory := flags.String("directory", ".", "where the files go")
	Die(flags.Parse(os.Args[2:]))
	if task.bytes == 0 || task.bytes > recordBytesMax {
		dief("--bytes is 1 to %d", recordBytesMax)
	}
	if task.records%(task.threads*task.batch) != 0 {
		dief("--records is no multiple of the threads and the batch")
	}
	fillPool()
	task.warmUp().runIn(peer, filepath.Join(*directory, "warm-up"))
	result := task.runIn(peer, filepath.Join(*directory, "measured"))
	fmt.Printf("{\"records\": %d, \"total_ns\": %d, \"read_ns\": %d, \"worst_second\": %.4f, \"longest_ns\": %d}\n",
		result.records, result.total, result.read, result.worstSecond, result.longest)
}

// A tenth of the work, or less.
func (task work) warmUp() work {
	step := task.threads * task.batch
	task.records = (min(task.records/10, warmUpRecords)/step + 1) * step
	task.seconds /= 10
	return task
}

func (task work) runIn(peer Peer, directory string) measurement {
	Die(os.Mkdir(directory, directoryRights))
	result := task.run(peer, directory)
	Die(os.RemoveAll(directory))
	return result
}

func (task work) run(peer Peer, directory string) measurement {
	result := measurement{records: task.records}
	switch task.name {
	case "append":
		result.total = task.appendAll(peer, directory, Fast)
	case "durable":
		if task.threads > 1 {
			result.total = task.appendFromThreads(peer, directory)
			task.verifyUnordered(peer, directory)
			return result
		}
		result.total = task.appendAll(peer, directory, Durable)
	case "batch":
		result.total = task.appendBatches(peer, directory)
	case "read":
		task.appendAll(peer, directory, Fast)
		task.verify(peer, directory, task.records)
		result.total = task.readTimed(peer, directory)
		return result
	case "headline":
		result.total = task.appendAll(peer, directory, Fast)
		result.read = task.readTimed(peer, directory)
	case "sustained":
		result = task.sustain(peer, directory)
	default:
		dief("unknown work %s", task.name)
	}
	task.verify(peer, directory, result.records)
	return result
}

// ---- Payloads: the same in every language ----

// Record N is the bytes at N * size modulo the period, so that neighbours share nothing that a compressor finds.
var pool []byte

func fillPool() {
	state := uint64(0)
	for len(pool) < poolPeriod { // splitmix64
		state += 0x9e3779b97f4a7c15
		word := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		word = (word ^ word>>27) * 0x94d049bb133111eb
		word ^= word >> 31
		for range 8 {
			pool = append(pool, byte(word))
			word >>= 8
		}
	}
	pool = append(pool[:poolPeriod], pool[:recordBytesMax]...)
}

type payloads struct{ size, offset uint64 }

func payloadsFrom(number, size uint64) payloads {
	return payloads{size: size, offset: number % poolPeriod * size % poolPeriod}
}

func (source *payloads) next() []byte {
	payload := pool[source.offset : source.offset+source.size]
	source.offset += source.size
	if source.offset >= poolPeriod {
		source.offset -= poolPeriod
	}
	return payload
}

// ---- Appending ----

func finish(log Log) {
	if finisher, has := log.(Finisher); has {
		finisher.Finish()
	}
}

func (task work) appendAll(peer Peer, directory string, mode Mode) time.Duration {
	source := payloadsFrom(0, task.bytes)
	log := peer.Open(directory, mode)
	start := time.Now()
	for range task.records {
		log.Append(source.next())
	}
	finish(log)
	took := time.Since(start)
	log.Close()
	return took
}

func (task work) appendBatches(peer Peer, directory string) time.Duration {
	source := payloadsFrom(0, task.bytes)
	batch := make([][]byte, task.batch)
	log := peer.Open(directory, Fast)
	batcher, has := log.(Batcher)
	if !has {
		dief("no batches")
	}
	start := time.Now()
	for range task.records / task.batch {
		for i := range batch {
			batch[i] = source.next()
		}
		batcher.AppendBatch(batch)
	}
	finish(log)
	took := time.Since(start)
	log.Close()
	return took
}

func (task work) appendFromThreads(peer Peer, directory string) time.Duration {
	log := peer.Open(directory, Durable)
	sharer, has := log.(Sharer)
	if !has {
		dief("no appends from several threads")
	}
	share := task.records / task.threads
	var all sync.WaitGroup
	start := time.Now()
	for thread := range task.threads {
		all.Go(func() {
			source := payloadsFrom(thread*share, task.bytes)
			appendOne := sharer.Appender()
			for range share {
				appendOne(source.next())
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	log.Close()
	return took
}

func (task work) sustain(peer Peer, directory string) measurement {
	log := peer.Open(directory, Flushing)
	var beside sync.WaitGroup
	over := make(chan struct{})
	if syncer, has := log.(Syncer); has {
		beside.Go(func() { syncEachSecond(syncer, over) })
	}
	result := task.appendForSeconds(log)
	close(over)
	beside.Wait()
	log.Close()
	return result
}

func syncEachSecond(syncer Syncer, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(time.Second):
			syncer.Sync()
		}
	}
}

func (task work) appendForSeconds(log Log) measurement {
	var result measurement
	source := payloadsFrom(0, task.bytes)
	length := time.Duration(task.seconds * float64(time.Second))
	start := time.Now()
	blockStart, secondStart, secondRecords := start, start, uint64(0)
	worstSecond := 0.0
	for over := false; !over; {
		for range blockRecords {
			log.Append(source.next())
		}
		result.records += blockRecords
		over = time.Since(start) >= length
		if over {
			finish(log)
		}
		now := time.Now()
		result.longest = max(result.longest, now.Sub(blockStart))
		blockStart = now
		second := now.Sub(secondStart)
		if second < time.Second && !over {
			continue
		}
		// What is left of the last second counts as one if it is half a second or more, or all there is.
		if second >= time.Second/2 || secondStart.Equal(start) {
			worstSecond = max(worstSecond, float64(second)/float64(result.records-secondRecords))
		}
		secondStart, secondRecords = now, result.records
	}
	result.total = blockStart.Sub(start)
	result.worstSecond = float64(result.total) / float64(result.records) / worstSecond
	return result
}

// ---- Reading ----

func readAll(peer Peer, directory string, records uint64, visit Visit) time.Duration {
	reader := peer.OpenReader(directory)
	start := time.Now()
	reader.Read(records, visit)
	took := time.Since(start)
	reader.Close()
	return took
}

var mixed byte // so that what is read is used

func (task work) readTimed(peer Peer, directory string) time.Duration {
	var records, size uint64
	took := readAll(peer, directory, task.records, func(record []byte) {
		records++
		size += uint64(len(record))
		mixed ^= record[0] ^ record[len(record)-1]
	})
	if records != task.records || size != task.records*task.bytes {
		dief("read %d records of %d", records, task.records)
	}
	return took
}

// Compares every byte of every record, in the order of the appends.
func (task work) verify(peer Peer, directory string, records uint64) {
	source := payloadsFrom(0, task.bytes)
	number := uint64(0)
	readAll(peer, directory, records, func(record []byte) {
		if !bytes.Equal(record, source.next()) {
			dief("record %d differs from what was appended", number)
		}
		number++
	})
	if number != records {
		dief("read %d records, %d were appended", number, records)
	}
}

// The same where threads appended in no certain order.
func (task work) verifyUnordered(peer Peer, directory string) {
	var found, expected [][]byte
	readAll(peer, directory, task.records, func(record []byte) { found = append(found, bytes.Clone(record)) })
	source := payloadsFrom(0, task.bytes)
	for range task.records {
		expected = append(expected, source.next())
	}
	slices.SortFunc(found, bytes.Compare)
	slices.SortFunc(expected, bytes.Compare)
	if !slices.EqualFunc(found, expected, bytes.Equal) {
		dief("the records differ from what was appended")
	}
}
