//go:build v008

package main

func (log log) Append(payload []byte) { log.stage(payload) }
