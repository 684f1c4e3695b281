package lab

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// Without this a long demo, or somebody who sends long lines, could fill the memory; or an old message could be shown
// beside a new record.
func TestStoredIsBounded(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	d := &demo{stored: newStored(limit)}
	for offset := range int64(1000) {
		d.stored.add(0, offset, []byte(strings.Repeat("x", int(offset%200))), fmt.Append(nil, offset))
	}
	held := 0
	for _, w := range d.stored.order {
		held += len(w.text) + entryBytes
	}
	if held != d.stored.size || held > limit || len(d.stored.order) != len(d.stored.places) || len(d.stored.order) != len(d.stored.values) {
		t.Errorf("%d bytes in %d places, %d values and a list of %d, counted as %d, limit %d", held, len(d.stored.places), len(d.stored.values), len(d.stored.order), d.stored.size, limit)
	}
	if message, ok := d.Wrote(sha256.Sum256([]byte("0"))); ok || !message.Forgot {
		t.Errorf("of the oldest the demo says %+v, %t, and not that it forgot", message, ok)
	}
	if _, ok := d.Sent(0, 0); ok {
		t.Error("the oldest is still held")
	}
	if text, ok := d.Sent(0, 999); !ok || len(text) != 999%200 {
		t.Errorf("the newest: %q, %t", text, ok)
	}
	if _, ok := d.Typed(); ok {
		t.Error("a generated message counts as typed")
	}
	d.stored.addTyped(0, 999, []byte("again"), []byte("its value")) // somebody recreated the topic
	typed, ok := d.Typed()
	if text, _ := d.Sent(0, 999); text != "again" || !ok || typed.Text != "again" || typed.Offset != 999 {
		t.Errorf("after the topic was recreated: %q, typed %+v", text, typed)
	}
	d.stored.forget()
	if _, ok := d.Sent(0, 999); ok || len(d.stored.places) != 0 {
		t.Errorf("after the topic was deleted, %d places are held", len(d.stored.places))
	}
	if message, ok := d.Wrote(sha256.Sum256([]byte("its value"))); !ok || message.Text != "again" || message.Offset != 999 {
		t.Errorf("of a value from the deleted topic the demo says %+v, %t", message, ok)
	}
	d.stored.add(1, 0, []byte(strings.Repeat("x", 2*limit)), nil)
	if len(d.stored.places) != 1 || len(d.stored.values) != 1 || len(d.stored.order) != 1 {
		t.Errorf("beside a message over the limit %d are held", len(d.stored.order)-1)
	}
}
