package console

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Without this the console would promise that a pod reads a record which nobody can read any more.
func TestDeletedRecordIsNotAwaited(t *testing.T) {
	d := newFakeDemo(t)
	c, _ := startConsole(t, d)
	withheld, rewritten := d.write(0, ciphertext(1)), d.write(0, ciphertext(2))
	again, deleted, waiting := d.write(0, rewritten.Value), d.write(1, ciphertext(3)), d.write(2, ciphertext(4))
	shown := func(r *kgo.Record) recordView {
		c.selection.selectRecord(Position{r.Partition, r.Offset})
		return english(c).Record
	}
	eventually(t, "the pods answer, and the records are read", func() bool {
		_, _, confidential := c.confidential.at(storedRecord{})
		_, _, ordinary := c.ordinary.at(storedRecord{})
		return confidential && ordinary && shown(waiting).Found && shown(again).Found && shown(deleted).Found
	})
	for _, r := range []*kgo.Record{withheld, rewritten, deleted, waiting} {
		if got := shown(r); got.Confidential.Label != "Not read yet" || got.Ordinary.Label != "Not read yet" {
			t.Errorf("%d/%d is %q and %q", r.Partition, r.Offset, got.Confidential.Label, got.Ordinary.Label)
		}
	}
	d.mu.Lock()
	d.seen = []Observation{{Attack: "drop", Format: "rsa", Outcome: "not_noticed", Withheld: []Withheld{{Position: Position{0, withheld.Offset}}}}}
	d.mu.Unlock()
	var offsets kadm.Offsets
	offsets.AddOffset("topic", 0, again.Offset, -1)
	offsets.AddOffset("topic", 1, deleted.Offset+1, -1)
	if _, err := kadm.NewClient(d.client).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the console knows that they are deleted", func() bool {
		return shown(withheld).Stored.Label == "Has deleted it" && shown(deleted).Stored.Label == "Has deleted it"
	})
	for name, tc := range map[string]struct {
		record                *kgo.Record
		severity, label, text string
	}{
		"withheld":            {withheld, "bad", "Withheld from this pod", "Kafka's operator deleted it before this pod read it."},
		"written again":       {rewritten, "neutral", "Deleted from Kafka", "Somebody deleted it here. The same bytes are at 0/2 now."},
		"deleted":             {deleted, "neutral", "Deleted from Kafka", "Kafka does not hold it any more, and this pod has not read it."},
		"there, and not read": {waiting, "neutral", "Not read yet", ""},
		"the copy, not read":  {again, "neutral", "Not read yet", ""},
	} {
		s := shown(tc.record)
		for _, got := range []columnView{s.Confidential, s.Ordinary} {
			if got.Severity != tc.severity || got.Label != tc.label || got.Text != tc.text {
				t.Errorf("%s: %+v", name, got)
			}
		}
	}
	// The attack is over: the columns show what it took away, and not a record beside it.
	c.selection.resume()
	d.mu.Lock()
	d.attacked = Attacked{Attack: AttackInfo{Name: "drop"}, Ended: time.Now(), Seen: Observation{
		Attack: "drop", Records: []Position{{0, rewritten.Offset}, {0, again.Offset}}, Withheld: []Withheld{{Position: Position{0, withheld.Offset}}},
	}}
	d.mu.Unlock()
	eventually(t, "the record that the attack took away is shown", func() bool {
		s := english(c).Record
		return s.Mode == modeAttacked && s.at == Position{0, withheld.Offset} && s.Confidential.Label == "Withheld from this pod"
	})
	if got := english(c).Legend; len(got) != 1 || got[0] != "Deleted from Kafka" {
		t.Errorf("the dashes among the records are explained by %q", got)
	}
	// What a pod has read before stays what it is.
	d.confidential.shows(deleted, "decrypted", "read before", nil)
	eventually(t, "the pod has read it", func() bool { return shown(deleted).Confidential.Text == "read before" })

	later := d.write(2, ciphertext(5))
	later.Timestamp = waiting.Timestamp.Add(1e9)
	d.confidential.shows(later, "decrypted", "later", nil)
	eventually(t, "the pod has passed a record", func() bool { return shown(waiting).Confidential.Label == "Not shown" })
	if got := shown(waiting).Ordinary.Label; got != "Not read yet" {
		t.Errorf("the other pod has not: %q", got)
	}
}
