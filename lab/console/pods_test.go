package console

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func startPod(t *testing.T, address string) *pod {
	p := newPod(address, address)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); p.follow(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return p
}

// Without this the console would show what a pod said before it was restarted in another scenario, or of another record.
func TestPodSaysItItself(t *testing.T) {
	d := newFakeDemo(t)
	p := startPod(t, d.addresses.Confidential)
	record := d.write(0, []byte("ciphertext"))
	stored := newStoredRecord(record)
	state := func(r storedRecord) string {
		shown, ok, answers := p.at(r)
		if !ok || !answers {
			return ""
		}
		return shown.State
	}
	eventually(t, "the pod answers", func() bool { _, _, answers := p.at(stored); return answers })
	if got := state(stored); got != "" {
		t.Errorf("before the pod shows the record the console says %q", got)
	}
	d.confidential.shows(record, "no_key", "ciphertext", nil)
	eventually(t, "the record is there", func() bool { return state(stored) == "no_key" })
	d.confidential.shows(record, "decrypted", "text", nil)
	eventually(t, "the record's new state is there", func() bool { return state(stored) == "decrypted" })

	other := stored
	other.at = other.at.Add(1e6)
	if got := state(other); got != "" {
		t.Errorf("another record at the same position is %q", got)
	}
	d.confidential.mu.Lock()
	d.confidential.feed, d.confidential.records = "another process", nil
	d.confidential.mu.Unlock()
	eventually(t, "what it said before the restart is gone", func() bool { return state(stored) == "" })
	d.confidential.shows(record, "no_key", "ciphertext", nil)
	eventually(t, "what it says after the restart is there", func() bool { return state(stored) == "no_key" })
}

// Without this a long run would take all memory.
func TestPodIsBounded(t *testing.T) {
	p := newPod("", "")
	for i := range 5 * keptRecords {
		record := podRecord{Rev: uint64(i + 1), Offset: int64(i), State: "decrypted"}
		p.keep(podAnswer{feed: "a", next: uint64(i + 1), records: []podRecord{record}})
	}
	if len(p.records) > 2*keptRecords {
		t.Errorf("%d records are kept", len(p.records))
	}
	if _, ok, _ := p.at(newStoredRecord(&kgo.Record{Offset: 5*keptRecords - 1})); !ok {
		t.Error("the newest record is not kept")
	}
}

// Without this bytes from a pod could stop the console, or fill its memory.
func FuzzPodAnswer(f *testing.F) {
	f.Add(`{"feed":"a","records":[{"rev":1,"partition":0,"offset":1,"timestamp_ms":5,"state":"decrypted","value":"x","encoding":"utf-8","flags":["gap"],"sender":{"state":"verified","name":"n"}}],"next":2}`)
	f.Add(`{"feed":"a","records":[{"value":"` + strings.Repeat("é", keptBytes) + `"}],"next":18446744073709551615}`)
	f.Add(`{"records":null}`)
	f.Add(`{"feed":"a","records":[{"value":"/w==","encoding":"base64"}]`)
	f.Fuzz(func(t *testing.T, body string) {
		answer, err := readAnswer(strings.NewReader(body))
		if err != nil {
			return
		}
		if answer.feed == "" || len(answer.records) > pollLimit {
			t.Errorf("%q is accepted", body)
		}
		for _, r := range answer.records {
			if r.Value != nil && len(*r.Value) > keptBytes {
				t.Errorf("%d bytes of a value are kept", len(*r.Value))
			}
			_ = r.text()
		}
	})
}
