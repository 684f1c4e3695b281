package attacks

import (
	"bytes"
	"context"
)

// The attacks of this file write a changed copy behind the record, instead of changing the record where it is stored.
// That is the same for the reader: it decides about each record by its bytes.

// tamper writes a record with one character of its ciphertext changed.
func tamper(ctx context.Context, o *operator, r stored) ([]Position, error) {
	r.value = bytes.Clone(r.value)
	at := max(len(r.value)-tailBytes, 0)
	if old := r.value[at]; old == 'A' { // another one that base64 has, so that the text formats stay text
		r.value[at] = 'B'
	} else {
		r.value[at] = 'A'
	}
	return o.write(ctx, o.target.Topic, r)
}

// tailBytes is how far from the end of a record its ciphertext certainly ends: behind it are at most a tag and a dot.
const tailBytes = 30

// replay writes a record once more.
func replay(ctx context.Context, o *operator, r stored) ([]Position, error) {
	return o.write(ctx, o.target.Topic, r)
}
