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
	mu     sync.Mutex
	of     limitedBy
	bytes  int
	told   int             // what Limit returned last
	format envelope.Format // at that time
}

// limitedBy is what the limit depends on.
type limitedBy struct {
	format  envelope.Format
	written time.Time // the public keys
	size    int64
}

// Limit returns how long a message from the console may be. While an attack runs it stays what it was: the key that
// the attack slips to the producer is not one for the audience to reckon with.
func (d *demo) Limit() int {
	now, format := d.limit.now(d), d.choice().format.records()
	attacked, _ := d.Attacked()
	d.limit.mu.Lock()
	defer d.limit.mu.Unlock()
	if !attacked.Running || d.limit.format != format {
		d.limit.told, d.limit.format = now, format
	}
	return d.limit.told
}

// now returns how long a message may be that the producer takes at this moment.
func (m *messageLimit) now(d *demo) int {
	file := filepath.Join(d.dir, env.PublicKeyFile)
	keys, err := os.Stat(file)
	if err != nil {
		return 0
	}
	now := limitedBy{d.choice().format.records(), keys.ModTime(), keys.Size()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of != now {
		bytes, err := limitOf(now.format, d.topic, file)
		if err != nil {
			return 0
		}
		m.of, m.bytes = now, bytes
	}
	return m.bytes
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
