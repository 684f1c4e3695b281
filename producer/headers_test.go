package producer

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/envelope"
)

// Without it the program would repeat the header in every record, or a wrong setting would be taken for another one.
func TestHeaderSettings(t *testing.T) {
	t.Parallel()
	public := rsaPEM(t, 2048)
	for name, test := range map[string]struct {
		records, interval string // unset if empty
		format            envelope.Format
		lean              bool
		problem           string
	}{
		"by default":       {"", "", envelope.FormatEnvelope, true, ""},
		"the most":         {"1024", "1m", envelope.FormatEnvelope, true, ""},
		"always":           {"1", "", envelope.FormatEnvelope, false, ""},
		"always, by time":  {"", "0s", envelope.FormatEnvelope, false, ""},
		"jwe":              {"", "", envelope.FormatJWE, false, ""},
		"rsa":              {"", "", envelope.FormatRSA, false, ""},
		"too many":         {"1025", "", envelope.FormatEnvelope, false, "HEADER_RECORDS: want 1 to 1024"},
		"negative":         {"-1", "", envelope.FormatEnvelope, false, "HEADER_RECORDS: want 1 to 1024"},
		"too long":         {"", "61s", envelope.FormatEnvelope, false, "HEADER_INTERVAL: want 0s to 1m"},
		"a negative time":  {"", "-1s", envelope.FormatRSA, false, "HEADER_INTERVAL: want 0s to 1m"},
		"no number at all": {"hunter2", "", envelope.FormatEnvelope, false, "HEADER_RECORDS: "},
	} {
		env := map[string]string{"PUBKEY": public, "FORMAT": string(test.format)}
		if test.records != "" {
			env["HEADER_RECORDS"] = test.records
		}
		if test.interval != "" {
			env["HEADER_INTERVAL"] = test.interval
		}
		cfg, err := Load(from(env))
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		synctest.Test(t, func(t *testing.T) { // so that no interval passes
			s := testSealer(t, cfg, io.Discard)
			first := sealed(t, s)
			if isLeanRecord(t, first.value) {
				t.Errorf("%s: the first record is lean", name)
			}
			if s.stored(first); isLeanRecord(t, sealed(t, s).value) != test.lean {
				t.Errorf("%s: the second record is lean: %t", name, !test.lean)
			}
		})
	}
}

func isLeanRecord(t *testing.T, value []byte) bool {
	t.Helper()
	d, err := envelope.Describe(value)
	if err != nil {
		t.Fatal(err)
	}
	return d.Lean
}

// leanSealer seals lean records: the first one was stored.
func leanSealer(t *testing.T, settings map[string]string) *sealer {
	t.Helper()
	settings["FORMAT"] = "envelope"
	cfg, err := Load(from(settings))
	if err != nil {
		t.Fatal(err)
	}
	s := testSealer(t, cfg, io.Discard)
	s.stored(sealed(t, s))
	return s
}

// Without it a message would be accepted that only fits without the header, and be refused by Kafka if it is one of those
// that contain it.
func TestLimitsCountTheHeader(t *testing.T) {
	t.Parallel()
	s := leanSealer(t, map[string]string{"PUBKEY": rsaPEM(t, 2048), "HEADER_INTERVAL": "1m"})
	const longest = 1000
	size := s.current.Load().Size(longest)
	s.setLimit(size)
	s.query = func() (int, error) { return size, nil }
	text := make([]byte, longest+1)
	if err := s.admit(message{text: text}); err == nil || !strings.Contains(err.Error(), "longer than the 1000 bytes that this topic holds") {
		t.Errorf("a message that fits without the header: %v", err)
	}
	if got := s.size(text[1:], nil); got != size {
		t.Errorf("a record without the header counts as %d bytes, want %d", got, size)
	}
	for lean := range 2 {
		msg := message{text: text[1:]}
		if err := s.admit(msg); err != nil {
			t.Fatal(err)
		}
		value, _, err := s.seal(nil, &record{text: msg.text})
		if err != nil || isLeanRecord(t, value) != (lean == 0) || len(value) > size {
			t.Errorf("%v, %d bytes of %d, lean: %t", err, len(value), size, lean == 0)
		}
		s.repeatHeader()
	}
}

// Without it compaction would delete the header that records name, and they could never be read again: in a topic that is
// compacted, that has been for a while, or of which nobody knows.
func TestRecordsThatMayOutliveTheirHeaderContainIt(t *testing.T) {
	public := rsaPEM(t, 2048)
	synctest.Test(t, func(t *testing.T) {
		log := new(strings.Builder)
		s := leanSealer(t, map[string]string{"PUBKEY": public})
		var is bool
		var failure error
		answer := make(chan struct{})
		query := func() (bool, error) {
			<-answer
			return is, failure
		}
		go s.compaction.follow(t.Context(), query, slog.New(slog.NewTextHandler(log, nil)))
		// kinds seals a record without a key and one with a key.
		kinds := func() (got string) {
			for _, key := range [][]byte{nil, []byte("key")} {
				m := sealedWith(t, s, key)
				s.stored(m)
				if kind := "F"; !isLeanRecord(t, m.value) {
					got += kind
				} else {
					got += "l"
				}
			}
			return got
		}
		expect := func(name, want string) {
			t.Helper()
			synctest.Wait()
			select {
			case answer <- struct{}{}:
				synctest.Wait()
			default: // nobody asks
			}
			if got := kinds(); got != want {
				t.Errorf("%s: without and with a key %s, want %s", name, got, want)
			}
		}
		nextDataKey := func() {
			time.Sleep(2 * time.Hour)
			if first := kinds(); first != "FF" {
				t.Errorf("the first of a data key: %s, want FF", first)
			}
		}
		if got := kinds(); got != "lF" {
			t.Errorf("before Kafka answers: %s, want lF", got)
		}
		expect("not compacted", "ll")
		is = true
		expect("nobody asks yet", "ll")
		nextDataKey()
		expect("compacted", "FF")
		failure = sarama.ErrTopicAuthorizationFailed
		nextDataKey()
		expect("unknown", "lF")
		is, failure = false, nil
		nextDataKey()
		expect("not compacted any more", "ll")
		if said := log.String(); strings.Count(said, "the topic is compacted: every") != 1 || strings.Count(said, "does not say whether") != 1 || !strings.Contains(said, "cause=") {
			t.Errorf("the log: %s", said)
		}
	})
}
