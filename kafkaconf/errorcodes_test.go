package kafkaconf

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
)

// unknownToSarama begins sarama's text for an error code that it does not know.
const unknownToSarama = "Unknown error"

// Without it a refusal by Kafka would be shown as "no broker answers", or send a person to the wrong setting.
func TestEveryErrorCodeHasItsCause(t *testing.T) {
	t.Parallel()
	s := Settings{Brokers: []string{"a:1"}}
	owner := make(map[sarama.KError]string)
	for _, a := range codeCauses() {
		if a.code == "" || a.what == "" || a.check == "" {
			t.Errorf("incomplete: %+v", a)
		}
		for _, code := range a.errors {
			if other, twice := owner[code]; twice {
				t.Errorf("code %d is both %q and %q", code, other, a.what)
			}
			owner[code] = a.what
		}
	}
	known := 0
	for code := sarama.KError(-1); code < 1000; code++ {
		got := s.Explain(fmt.Errorf("asking: %w", code))
		if !got.Refused || !slices.Contains(Codes(), got.Code) {
			t.Errorf("code %d: Kafka answered, but the cause is %+v", code, got)
		}
		if strings.HasPrefix(code.Error(), unknownToSarama) && code != sarama.ErrProducerFenced { // sarama has a name for it, but no text
			continue
		}
		known++
		if owner[code] == "" {
			t.Errorf("code %d has no cause of its own: %s", code, code.Error())
		}
	}
	if known < 93 {
		t.Errorf("sarama has words for %d codes only: how it says that it has none must have changed", known)
	}
}

// Without it a client would run without the limits that its connections must have.
func TestWrapRefusesWhatItCannotWrap(t *testing.T) {
	t.Parallel()
	same := func(conn net.Conn) net.Conn { return conn }
	ours, err := Settings{Brokers: []string{"a:1"}}.Sarama("x")
	if err != nil {
		t.Fatal(err)
	}
	foreign := sarama.NewConfig()
	off := *ours
	off.Net.Proxy.Enable = false
	for name, test := range map[string]struct {
		c    *sarama.Config
		wrap func(net.Conn) net.Conn
	}{"foreign dialer": {foreign, same}, "not in use": {&off, same}, "no wrapper": {ours, nil}} {
		if err := Wrap(test.c, test.wrap); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if LastFailure(foreign) == nil {
		t.Error("a foreign dialer's failures are unknown, but are reported as none")
	}
	if err := Wrap(ours, same); err != nil {
		t.Error(err)
	}
	if err := Wrap(ours, same); err == nil {
		t.Error("the second wrapper silently replaced the first")
	}
}
