package messages

import (
	"os"
	"sync"
	"time"

	"kafka-e2ee/envelope"
)

// maxTyped bounds a message from the console, in bytes. The terminal takes longer ones.
const maxTyped = 64 << 10

// Limit knows how long a message from the console may be, in bytes. It remembers that: each window of the console asks
// several times a second.
type Limit struct {
	topic, keyFile string

	mu     sync.Mutex
	of     limitedBy
	bytes  int
	told   int             // what Told returned last
	format envelope.Format // at that time
}

// limitedBy is what the limit depends on.
type limitedBy struct {
	format  envelope.Format
	written time.Time // the public keys
	size    int64
}

// NewLimit returns the limit of messages to a topic, for the public keys in a file.
func NewLimit(topic, keyFile string) *Limit { return &Limit{topic: topic, keyFile: keyFile} }

// Told returns what to tell the audience, if now is the limit at this moment. While an attack runs it stays what it was:
// the key that the attack slips to the producer is not one for the audience to reckon with.
func (l *Limit) Told(format envelope.Format, now int, attacked bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !attacked || l.format != format {
		l.told, l.format = now, format
	}
	return l.told
}

// Now returns how long a message may be that the producer takes at this moment. It is 0 if there is no public key.
func (l *Limit) Now(format envelope.Format) int {
	keys, err := os.Stat(l.keyFile)
	if err != nil {
		return 0
	}
	now := limitedBy{format, keys.ModTime(), keys.Size()}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of != now {
		bytes, err := limitOf(format, l.topic, l.keyFile)
		if err != nil {
			return 0
		}
		l.of, l.bytes = now, bytes
	}
	return l.bytes
}

func limitOf(format envelope.Format, topic, file string) (int, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the lab wrote it
	if err != nil {
		return 0, err
	}
	readers, err := envelope.ParsePublicKeys(text)
	if err != nil {
		return 0, err
	}
	sealer, err := envelope.NewSealer(envelope.SealerConfig{Format: format, Topic: topic, Readers: readers})
	if err != nil {
		return 0, err
	}
	return min(sealer.MaxPlaintext(), maxTyped), nil
}
