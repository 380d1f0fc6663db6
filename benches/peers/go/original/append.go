//go:build !v008

package main

import "peers/harness"

// Save commits what was appended before it.
func (log log) Append(payload []byte) {
	log.stage(payload)
	log.save()
}

func (log log) AppendBatch(payloads [][]byte) {
	for _, payload := range payloads {
		log.stage(payload)
	}
	log.save()
}

func (log log) save() {
	var err error
	log.storage.Save(namespace, &err)
	harness.Die(err)
}
