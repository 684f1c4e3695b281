package console

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Without this a presenter could not show that a new version of the key is used, or would show an attack's result beside
// pods that it says nothing of.
func TestChangesOfKeyAndScenarioAreSeen(t *testing.T) {
	d := newFakeDemo(t)
	c, base := startConsole(t, d)
	key := func(r *kgo.Record, id string) {
		d.confidential.shows(r, "decrypted", "text", map[string]any{"key_id": id})
		d.ordinary.shows(r, "no_key", "", nil)
	}
	key(d.write(0, []byte("one")), "first-key-of-the-pod")
	key(d.write(1, []byte("two")), "other-key-of-the-pod")
	key(d.write(1, []byte("three")), "other-key-of-the-pod")
	d.keys = []string{"other-key-of-the-pod", "first-key-of-the-pod"}
	eventually(t, "the newest record is shown", func() bool {
		v := english(c)
		return v.Record.Position == "1/1" && v.Record.Confidential.Key == "other-ke"
	})
	v := english(c)
	if len(v.Keys) != 2 || v.Keys[0] != "other-ke" {
		t.Errorf("the pod's keys are shown as %q", v.Keys)
	}
	for _, cell := range v.Log {
		if first := cell.Position == "1/0"; (cell.NewKey != "") != first {
			t.Errorf("record %s: %q", cell.Position, cell.NewKey)
		}
	}
	if page := get(t, base+"/"); !strings.Contains(page, "other-ke: current") || strings.Contains(page, "first-ke: ") {
		t.Error("nothing says what the highlighted key is")
	}
	if page := get(t, base+"/?lang=ja"); !strings.Contains(page, "other-ke: 現在の鍵") {
		t.Error("nothing says in Japanese what the highlighted key is")
	}
	if page := get(t, base+"/"); strings.Count(page, "← new key") != 1 {
		t.Error("nothing is said of the new key between the records")
	}
	d.mu.Lock()
	d.attacked = Attacked{Attack: AttackInfo{"move", ""}, Ended: time.Now(), Seen: Observation{Outcome: "refused", Detail: "2 × undecryptable; rejected (sender), unheard-of"}}
	d.mu.Unlock()
	if got := english(c).Attacks.Last; got.Detail != "2 × could not be opened; no trusted sender signed it, unheard-of" {
		t.Errorf("the last attack is shown as %+v", got)
	}
	d.began = time.Now()
	if got := english(c).Attacks.Last; got.Name != "" {
		t.Errorf("after another scenario began, the attack before it is shown: %+v", got)
	}
	wanted := "rotate"
	c.changing.Store(&wanted)
	for _, s := range english(c).Scenario.All {
		if s.Current != (s.Name == "rotate") {
			t.Errorf("while another scenario is prepared, %s is marked: %t", s.Name, s.Current)
		}
	}
}
