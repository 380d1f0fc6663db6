// NATS JetStream: the server in this process, a connection within the process, a stream in files. Fast: asynchronous
// publishing; the measured time ends with the last acknowledgement. Sustained: the same, and the server syncs each
// second. Durable: the server syncs always, and each publish waits for its acknowledgement. Reads go by an ordered
// consumer; checksums are verified when the server loads a block.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peers/harness"
)

const (
	stream      = "log"
	subject     = "log.records"
	maxPending  = 4096
	startLimit  = 60 * time.Second
	callLimit   = 60 * time.Second
	storeBytes  = 1 << 40
	pullRecords = 4096
	// Deliveries that stop are asked for again after a missed heartbeat; the default is to wait for 30 s.
	heartbeat  = 500 * time.Millisecond
	pullExpiry = 2 * time.Second
)

var background = context.Background()

type log struct {
	server     *server.Server
	connection *nats.Conn
	jetStream  jetstream.JetStream
	stream     jetstream.Stream
	durable    bool
	failed     atomic.Pointer[error]
	batches    int
}

func open(directory string, mode harness.Mode) *log {
	self := &log{durable: mode == harness.Durable}
	options := &server.Options{
		ServerName: "peer", DontListen: true, NoSigs: true, NoLog: true, NoSystemAccount: false,
		JetStream: true, StoreDir: directory, JetStreamMaxStore: storeBytes,
		SyncAlways: self.durable, SyncInterval: time.Hour,
	}
	if mode == harness.Flushing {
		options.SyncInterval = time.Second
	}
	var err error
	self.server, err = server.NewServer(options)
	harness.Die(err)
	self.server.Start()
	if !self.server.ReadyForConnections(startLimit) {
		harness.Die(errors.New("the server did not start"))
	}
	self.connection, err = nats.Connect("", nats.InProcessServer(self.server))
	harness.Die(err)
	self.jetStream, err = jetstream.New(self.connection,
		jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithDefaultTimeout(callLimit),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { self.failed.Store(&err) }))
	harness.Die(err)
	self.stream, err = self.jetStream.CreateOrUpdateStream(background, jetstream.StreamConfig{
		Name: stream, Subjects: []string{subject}, Storage: jetstream.FileStorage, AllowAtomicPublish: true,
	})
	harness.Die(err)
	return self
}

func (self *log) Append(payload []byte) {
	if self.durable {
		self.publish(payload)
		return
	}
	_, err := self.jetStream.PublishAsync(subject, payload, jetstream.WithStallWait(callLimit))
	harness.Die(err)
}

func (self *log) publish(payload []byte) {
	_, err := self.jetStream.Publish(background, subject, payload)
	harness.Die(err)
}

func (self *log) Appender() func([]byte) { return self.publish }

// An atomic batch: the last message commits it, and its answer acknowledges all of them.
func (self *log) AppendBatch(payloads [][]byte) {
	self.batches++
	id := fmt.Sprint(self.batches)
	for i, payload := range payloads {
		message := nats.NewMsg(subject)
		message.Data = payload
		message.Header.Set("Nats-Batch-Id", id)
		message.Header.Set("Nats-Batch-Sequence", fmt.Sprint(i+1))
		if i+1 < len(payloads) {
			harness.Die(self.connection.PublishMsg(message))
			continue
		}
		message.Header.Set("Nats-Batch-Commit", "1")
		answer, err := self.connection.RequestMsg(message, callLimit)
		harness.Die(err)
		if string(answer.Data[:9]) == `{"error":` {
			harness.Die(errors.New(string(answer.Data)))
		}
	}
}

func (self *log) Finish() {
	<-self.jetStream.PublishAsyncComplete()
	if err := self.failed.Load(); err != nil {
		harness.Die(*err)
	}
}

func (self *log) Close() {
	self.connection.Close()
	self.server.Shutdown()
	self.server.WaitForShutdown()
}

func (self *log) Read(records uint64, visit harness.Visit) {
	info, err := self.stream.Info(background)
	harness.Die(err)
	if info.State.Msgs != records {
		harness.Die(fmt.Errorf("the stream has %d records, %d were appended", info.State.Msgs, records))
	}
	consumer, err := self.jetStream.OrderedConsumer(background, stream, jetstream.OrderedConsumerConfig{})
	harness.Die(err)
	messages, err := consumer.Messages(jetstream.PullMaxMessages(pullRecords),
		jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(heartbeat))
	harness.Die(err)
	for range records {
		message, err := messages.Next()
		harness.Die(err)
		visit(message.Data())
	}
	messages.Stop()
}

func main() {
	harness.Main(harness.Peer{
		Open:       func(directory string, mode harness.Mode) harness.Log { return open(directory, mode) },
		OpenReader: func(directory string) harness.Reader { return open(directory, harness.Fast) },
	})
}
