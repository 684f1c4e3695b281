package lab

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/env"
)

// maxTyped bounds a message from the console, in bytes. The terminal takes longer ones.
const maxTyped = 64 << 10

// messageLimit remembers how long a message may be: each window of the console asks several times a second.
type messageLimit struct {
	mu    sync.Mutex
	of    limitedBy
	bytes int
}

// limitedBy is what the limit depends on.
type limitedBy struct {
	format  envelope.Format
	written time.Time // the public keys
	size    int64
}

// Limit returns how long a message from the console may be.
func (d *demo) Limit() int {
	file := filepath.Join(d.dir, env.PublicKeyFile)
	keys, err := os.Stat(file)
	if err != nil {
		return 0
	}
	now := limitedBy{d.choice().format.records(), keys.ModTime(), keys.Size()}
	d.limit.mu.Lock()
	defer d.limit.mu.Unlock()
	if d.limit.of != now {
		bytes, err := limitOf(now.format, d.topic, file)
		if err != nil {
			return 0
		}
		d.limit.of, d.limit.bytes = now, bytes
	}
	return d.limit.bytes
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
