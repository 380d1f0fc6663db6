// Appends a record and reads it back through cgo.
//
//	log DIRECTORY
package main

// #include <stdlib.h>
// #include <immuta.h>
import "C"

import (
	"os"
	"unsafe"
)

func must(status C.immuta_status) {
	if status != C.IMMUTA_OK {
		panic(C.GoString(C.immuta_status_name(status)))
	}
}

func main() {
	directory, name := C.CString(os.Args[1]), C.CString("go")
	defer C.free(unsafe.Pointer(directory))
	defer C.free(unsafe.Pointer(name))
	var err C.immuta_error
	options := C.immuta_options_new()
	must(C.immuta_options_add_namespace(options, name))
	must(C.immuta_options_set_io(options, C.IMMUTA_IO_SYSCALL))
	var log *C.immuta_log
	must(C.immuta_open(directory, options, &log, &err))
	C.immuta_options_free(options)

	payload := []byte("hello world")
	var appended C.immuta_appended
	must(C.immuta_append(log, 0, unsafe.Pointer(&payload[0]), C.size_t(len(payload)), &appended, &err))
	var stream *C.immuta_stream
	must(C.immuta_stream_open(log, 0, 0, &stream, &err))
	var record C.immuta_record
	must(C.immuta_stream_next(stream, 0, &record, &err))
	if read := string(C.GoBytes(record.data, C.int(record.size))); read != string(payload) {
		panic("another record: " + read)
	}
	must(C.immuta_record_done(&record))
	switch status := C.immuta_stream_next(stream, 0, &record, &err); C.enum_immuta_status_code(status) {
	case C.IMMUTA_TIMEOUT:
	default:
		panic("after the last record: " + C.GoString(C.immuta_status_name(status)))
	}
	C.immuta_stream_done(stream)
	must(C.immuta_close(log, &err))
}
