package console

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/lab/podapi"
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

	if got := p.justOpened(); got != 1 {
		t.Errorf("%d records are said to have opened when the key came, want 1", got)
	}
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
	if got := p.justOpened(); got != 0 {
		t.Errorf("of a pod that has just started %d records are said to have opened", got)
	}
	eventually(t, "what it says after the restart is there", func() bool { return state(stored) == "no_key" })
}

// Without this a long run would take all memory.
func TestPodIsBounded(t *testing.T) {
	p := newPod("", "")
	for i := range 5 * keptRecords {
		record := podapi.Record{Rev: uint64(i + 1), Offset: int64(i), State: "decrypted"}
		p.keep(podapi.Answer{Feed: "a", Next: uint64(i + 1), Records: []podapi.Record{record}})
	}
	if len(p.records) > 2*keptRecords {
		t.Errorf("%d records are kept", len(p.records))
	}
	if _, ok, _ := p.at(newStoredRecord(&kgo.Record{Offset: 5*keptRecords - 1})); !ok {
		t.Error("the newest record is not kept")
	}
}

// Without this a text that a pod shows could stop the console.
func FuzzTextOf(f *testing.F) {
	f.Add("/w==", "base64")
	f.Add("=", "base64")
	f.Add("text", "utf-8")
	f.Fuzz(func(_ *testing.T, value, encoding string) { textOf(podapi.Record{Value: &value, Encoding: &encoding}) })
}
