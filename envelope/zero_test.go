package envelope_test

import (
	"errors"
	"fmt"
	"testing"

	"kafka-e2ee/envelope"
)

// Without this, a forgotten constructor could end the program, or worse: write a message that is not sealed.
func TestZeroValues(t *testing.T) {
	value := seal(t, key2048(), "hello")
	t.Run("opener", func(t *testing.T) {
		var opener envelope.Opener
		if _, err := opener.Open(nil, "t", value); !errors.Is(err, envelope.ErrNoKey) || len(opener.KeyIDs()) != 0 {
			t.Errorf("got %v, want %v", err, envelope.ErrNoKey)
		}
		var other envelope.Opener
		opener.CopyHeaders(&other)
		if err := opener.FindHeaders(envelope.HeaderSearch{}); err != nil {
			t.Error(err)
		}
		withKey, err := opener.WithKeys(key2048())
		if err != nil {
			t.Fatal(err)
		}
		if err := opener.SetKeys(key2048()); err != nil {
			t.Fatal(err)
		}
		for name, o := range map[string]*envelope.Opener{"SetKeys": &opener, "WithKeys": withKey} {
			if msg, err := o.Open(nil, "t", value); err != nil || string(msg.Plaintext) != "hello" {
				t.Errorf("%s: %q, %v", name, msg.Plaintext, err)
			}
		}
	})
	t.Run("sealer", func(t *testing.T) {
		var sealer envelope.Sealer
		dst := []byte("before")
		if got, err := sealer.Seal(dst, []byte("hello"), 0); err == nil || string(got) != "before" {
			t.Errorf("sealed %q, %v", got, err)
		}
		if got, err := sealer.SealFull(dst, []byte("hello"), 0); err == nil || string(got) != "before" {
			t.Errorf("sealed %q, %v", got, err)
		}
		if err := sealer.NewDataKey(); err == nil {
			t.Error("made a data key")
		}
		sealer.RepeatHeader()
		sealer.Stored(envelope.Sealed{}, 0)
		var sealed envelope.Sealed
		if got, err := sealed.Open(dst, value); err == nil || string(got) != "before" || !sealed.Expires().IsZero() {
			t.Errorf("opened %q, %v", got, err)
		}
		if _, err := envelope.NewSealer(envelope.SealerConfig{}); err == nil || sealer.Size(1) < 1 || sealer.MaxPlaintext() < 1 || fmt.Sprintf("%v", &sealer) == "" {
			t.Errorf("a sealer of the zero configuration: %v", err)
		}
	})
}
