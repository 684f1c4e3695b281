package producer

import "bytes"

// A batch of lines passes from the reader to the sealer in one step: a step for each line costs a tenth of the CPU time.
// The reader never waits for a line in order to fill a batch.
type batch struct {
	messages []message
	buffer   []byte   // holds the lines
	records  []record // of the messages
}

const (
	batchLines = 64
	batchBytes = 64 << 10
)

// free returns an empty slice with room for the next line.
func (b *batch) free() []byte { return b.buffer[len(b.buffer):] }

// add adds a message, whose line was appended to free.
func (b *batch) add(msg message) {
	if free := b.free(); len(msg.line) <= cap(free) { // otherwise append has moved it
		b.buffer = b.buffer[:len(b.buffer)+len(msg.line)]
	}
	b.messages = append(b.messages, msg)
}

// hasRoom reports whether another line like the last one fits.
func (b *batch) hasRoom() bool {
	return len(b.messages) < batchLines && cap(b.free()) >= len(b.messages[len(b.messages)-1].line)
}

// hasLine reports whether text has a whole line.
func hasLine(text []byte) bool { return bytes.IndexByte(text, '\n') >= 0 }

// batchPool holds batches for reuse.
type batchPool chan *batch

func newBatchPool() batchPool { return make(batchPool, 16) }

func (p batchPool) get() *batch {
	select {
	case b := <-p:
		return b
	default:
		return &batch{messages: make([]message, 0, batchLines), buffer: make([]byte, 0, batchBytes), records: make([]record, 0, batchLines)}
	}
}

// put returns a batch to the pool. Nobody else may hold it, or a line of it, any more.
func (p batchPool) put(b *batch) {
	clear(b.messages)
	clear(b.records)
	b.messages, b.buffer, b.records = b.messages[:0], b.buffer[:0], b.records[:0]
	select {
	case p <- b:
	default:
	}
}
