package messages

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
	s := newStored(limit)
	for offset := range int64(1000) {
		s.Add(0, offset, []byte(strings.Repeat("x", int(offset%200))), fmt.Append(nil, offset))
	}
	held := 0
	for _, w := range s.order {
		held += len(w.text) + entryBytes
	}
	if held != s.size || held > limit || len(s.order) != len(s.places) || len(s.order) != len(s.values) {
		t.Errorf("%d bytes in %d places, %d values and a list of %d, counted as %d, limit %d", held, len(s.places), len(s.values), len(s.order), s.size, limit)
	}
	if message, ok := s.Wrote(sha256.Sum256([]byte("0"))); ok || !message.Forgot {
		t.Errorf("of the oldest the demo says %+v, %t, and not that it forgot", message, ok)
	}
	if _, ok := s.Sent(0, 0); ok {
		t.Error("the oldest is still held")
	}
	if text, ok := s.Sent(0, 999); !ok || len(text) != 999%200 {
		t.Errorf("the newest: %q, %t", text, ok)
	}
	if _, ok := s.Typed(); ok {
		t.Error("a generated message counts as typed")
	}
	s.AddTyped(0, 999, []byte("again"), []byte("its value")) // somebody recreated the topic
	typed, ok := s.Typed()
	if text, _ := s.Sent(0, 999); text != "again" || !ok || typed.Text != "again" || typed.Offset != 999 {
		t.Errorf("after the topic was recreated: %q, typed %+v", text, typed)
	}
	s.Forget()
	if _, ok := s.Sent(0, 999); ok || len(s.places) != 0 {
		t.Errorf("after the topic was deleted, %d places are held", len(s.places))
	}
	if message, ok := s.Wrote(sha256.Sum256([]byte("its value"))); !ok || message.Text != "again" || message.Offset != 999 {
		t.Errorf("of a value from the deleted topic the demo says %+v, %t", message, ok)
	}
	s.Add(1, 0, []byte(strings.Repeat("x", 2*limit)), nil)
	if len(s.places) != 1 || len(s.values) != 1 || len(s.order) != 1 {
		t.Errorf("beside a message over the limit %d are held", len(s.order)-1)
	}
}
