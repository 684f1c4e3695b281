package consumer

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/IBM/sarama"
)

// wire is a connection to a broker that unpacks the batches of what is fetched
// over it. Everything else goes through as it is.
type wire struct {
	net.Conn
	unpacker unpacker

	mu      sync.Mutex
	fetches map[int32]int16 // the version of each Fetch request under way, by its correlation id

	head    [8]byte // the length and the correlation id of the answer that is being read
	rest    []byte  // of an answer, to be read next
	body    []byte  // to be read after it
	buffer  buffer  // the answer as the broker gave it
	through int64   // bytes that follow, to go through as they are
}

// newWire makes one of a connection that is ready for requests.
func newWire(conn net.Conn, unpacked int, s standIn) net.Conn {
	return &wire{Conn: conn, unpacker: unpacker{codecs: codecs{most: unpacked}, standIn: s}, fetches: make(map[int32]int16)}
}

// Layout of a request and of an answer: https://kafka.apache.org/protocol#protocol_messages.
const (
	fetchKey      = 1
	requestHeader = 4 + 2 + 2 + 4 // length, API key, version, correlation id
)

// Write sends one request; sarama gives each of them whole.
func (w *wire) Write(request []byte) (int, error) {
	if len(request) < requestHeader || int(binary.BigEndian.Uint32(request))+4 != len(request) {
		return 0, errors.New("a request in parts: it could fetch unnoticed")
	}
	if binary.BigEndian.Uint16(request[4:]) == fetchKey {
		w.mu.Lock()
		w.fetches[correlation(request[8:])] = int16(binary.BigEndian.Uint16(request[6:])) //nolint:gosec // versions are small
		w.mu.Unlock()
	}
	return w.Conn.Write(request)
}

func correlation(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) } //nolint:gosec // it is signed

// Read gives the answers, one after the other.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		w.rest, w.body = w.body, nil
	}
	if len(w.rest) == 0 && w.through == 0 {
		if err := w.next(); err != nil {
			return 0, err
		}
	}
	if len(w.rest) > 0 {
		n := copy(p, w.rest)
		w.rest = w.rest[n:]
		return n, nil
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), w.through)])
	w.through -= int64(n)
	return n, err
}

// next begins with the next answer.
func (w *wire) next() error {
	if _, err := io.ReadFull(w.Conn, w.head[:]); err != nil {
		return err
	}
	length := int64(binary.BigEndian.Uint32(w.head[:]))
	w.mu.Lock()
	id := correlation(w.head[4:])
	version, fetch := w.fetches[id]
	delete(w.fetches, id)
	w.mu.Unlock()
	if !fetch || length < 4 || length > int64(sarama.MaxResponseSize) { // sarama refuses what is too long
		w.rest, w.through = w.head[:], max(length-4, 0)
		return nil
	}
	w.buffer.reset()
	w.buffer = slices.Grow(w.buffer, int(length-4))[:length-4]
	if _, err := io.ReadFull(w.Conn, w.buffer); err != nil {
		return err
	}
	body, err := w.unpacker.answer(version, w.buffer)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(w.head[:], uint32(len(body)+4)) //nolint:gosec // bounded by MaxResponseSize and KAFKA_UNPACKED_BYTES
	w.rest, w.body = w.head[:], body
	return nil
}
