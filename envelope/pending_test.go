package envelope_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this, whoever may write could make a record unreadable for ever, by flooding the
// reader with headers before the key comes.
func TestOpenWithAKeptHeader(t *testing.T) {
	full, lean := testSealer{}.leanPair(t)
	_, other := testSealer{}.leanPair(t)
	opener := newOpener(t)
	if _, err := opener.Open(nil, "t", full); !errors.Is(err, envelope.ErrNoKey) {
		t.Fatal(err)
	}
	kept := opener.HeaderOf(lean)
	for range 3000 {
		stranger := longPrefix("t", 1, 256)
		rand.Read(stranger[4:36])
		_, _ = opener.Open(nil, "t", stranger) //nolint:errcheck // only what it learns counts
	}
	if err := opener.SetKeys(key2048()); err != nil {
		t.Fatal(err)
	}
	if _, err := opener.Open(nil, "t", lean); !errors.Is(err, envelope.ErrNeedsHeader) {
		t.Fatalf("the flood was too small: %v", err)
	}
	if _, err := opener.OpenWith(nil, "t", other, kept); !errors.Is(err, envelope.ErrNeedsHeader) {
		t.Errorf("with the header of another record: %v", err)
	}
	if _, err := opener.OpenWith(nil, "u", lean, kept); !errors.Is(err, envelope.ErrUndecryptable) {
		t.Errorf("in another topic: %v", err)
	}
	if msg, err := opener.OpenWith(nil, "t", lean, kept); err != nil || string(msg.Plaintext) != "second" {
		t.Errorf("%q, %v", msg.Plaintext, err)
	}
}

// Without this, a reader would not try its waiting records again when their header comes,
// with the next record or with another opener; or try them without end.
func TestHeadersLearned(t *testing.T) {
	full, lean := testSealer{}.leanPair(t)
	opener, other := newOpener(t, key2048()), newOpener(t)
	last := opener.HeadersLearned()
	for i, step := range []struct {
		do    func()
		grows bool
	}{
		{func() { _, _ = opener.Open(nil, "t", lean) }, false},         //nolint:errcheck // only what it learns counts
		{func() { _, _ = opener.Open(nil, "t", full) }, true},          //nolint:errcheck // as above
		{func() { _, _ = opener.Open(nil, "t", full) }, false},         //nolint:errcheck // as above
		{func() { _, _ = other.Open(nil, "t", full) }, false},          //nolint:errcheck // as above
		{func() { opener, other = other, opener }, false},              // with other keys
		{func() { opener.CopyHeaders(other) }, true},                   // it has no new ones
		{func() { opener.CopyHeaders(newOpener(t, key3072())) }, true}, // as above
	} {
		step.do()
		if now := opener.HeadersLearned(); i == 4 {
			last = max(now, other.HeadersLearned())
		} else if (now > last) != step.grows {
			t.Errorf("step %d: %d after %d", i, now, last)
		} else {
			last = now
		}
	}
}

// Without this, one record that was copied from another topic could keep a reader from
// looking for the headers of all others.
func TestFindHeadersGoesOnBehindAHeaderOfAnotherTopic(t *testing.T) {
	full, lean := testSealer{}.leanPair(t)
	foreign, copied := testSealer{topic: "u"}.leanPair(t)
	log := &partitionLog{values: [][]byte{full, foreign, copied, lean}}
	opener := newOpener(t, key2048())
	s := log.search(t, 3)
	name, _ := envelope.LeanName(copied)
	s.Names = append(s.Names, name)
	if err := opener.FindHeaders(s); !errors.Is(err, envelope.ErrUndecryptable) || errors.Is(err, envelope.ErrHeaderLost) {
		t.Error(err)
	}
	if _, err := opener.Open(nil, "t", lean); err != nil {
		t.Error(err)
	}
	s.Names = append(s.Names, envelope.HeaderName{1})
	if err := newOpener(t).FindHeaders(s); !errors.Is(err, envelope.ErrUndecryptable) || !errors.Is(err, envelope.ErrHeaderLost) {
		t.Error(err)
	}
}
