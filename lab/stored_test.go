package lab

import (
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
		d.stored.add(0, offset, []byte(strings.Repeat("x", int(offset%200))))
	}
	held := 0
	for _, text := range d.stored.texts {
		held += len(text) + entryBytes
	}
	if held != d.stored.size || held > limit || len(d.stored.order) != len(d.stored.texts) {
		t.Errorf("%d bytes in %d entries and a list of %d, counted as %d, limit %d", held, len(d.stored.texts), len(d.stored.order), d.stored.size, limit)
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
	d.stored.addTyped(0, 999, []byte("again")) // somebody recreated the topic
	typed, ok := d.Typed()
	if text, _ := d.Sent(0, 999); text != "again" || !ok || typed.Text != "again" || typed.Offset != 999 {
		t.Errorf("after the topic was recreated: %q, typed %+v", text, typed)
	}
	d.stored.forget()
	if _, ok := d.Sent(0, 999); ok || d.stored.size != 0 || len(d.stored.order) != 0 {
		t.Errorf("after forgetting all, %d bytes in a list of %d are held", d.stored.size, len(d.stored.order))
	}
	d.stored.add(1, 0, []byte(strings.Repeat("x", 2*limit)))
	if len(d.stored.texts) != 1 || len(d.stored.order) != 1 {
		t.Errorf("beside a message over the limit %d are held", len(d.stored.texts)-1)
	}
}
