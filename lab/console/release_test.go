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
	d.timeline = []Step{{Name: StepKey, At: time.Now()}, {Name: StepOpen}}
	if got := english(c).Steps[1]; got.Severity != "wait" || got.Time != "of the new key" {
		t.Errorf("records open with the key before, and the step that no record of the new one has reached is %+v", got)
	}
	d.timeline = []Step{{Name: StepReport, At: time.Now(), Failed: true, Wait: WaitSidecar}}
	if got := english(c).Steps[0]; got.Reason != "This pod has no sidecar that could get the key." {
		t.Errorf("without a sidecar: %+v", got)
	}
	d.events = []Event{{At: time.Now().Add(time.Minute)}}
	if got := english(c).Steps[0]; got.Reason != "The pod's sidecar has not started yet. Only it can get the key." {
		t.Errorf("before the sidecar starts: %+v", got)
	}
	if page := get(t, base+"/"); !strings.Contains(page, `<pre id="verify-command"`) || !strings.Contains(page, "So verify the pod from outside:") {
		t.Error("beside a failure the command that verifies the pod is missing")
	}
	d.timeline, d.events = nil, nil
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
