package console

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
)

// Without this the console would tell what it expects of an attack, not what became of it.
func TestAttackIsReported(t *testing.T) {
	d := newFakeDemo(t)
	proceed := make(chan error)
	d.attack = func(_ context.Context, name string) (Observation, error) {
		if err := <-proceed; err != nil {
			return Observation{}, err
		}
		before, r := d.write(1, []byte("not touched")), d.write(1, []byte("forged"))
		d.confidential.shows(before, "decrypted", "not touched", nil)
		d.confidential.shows(r, "decrypted", "forged", map[string]any{"flags": []string{"gap"}})
		d.ordinary.shows(before, "no_key", "", nil)
		d.ordinary.shows(r, "no_key", "", nil)
		return Observation{Attack: name, Outcome: "not_noticed", Detail: "decrypted", Records: []Position{{before.Partition, before.Offset}, {r.Partition, r.Offset}}}, nil
	}
	c, base := startConsole(t, d)
	if failed := post(t, base, "/attack", url.Values{"attack": {"replay"}}); failed != "" {
		t.Fatal(failed)
	}
	eventually(t, "the attack runs", func() bool { return english(c).Attacks.Running })
	if v := english(c).Attacks; !v.Running || v.Last.Tries != "Do replay." || v.Last.Outcome.Words != "being tried" {
		t.Errorf("while the attack runs: %+v", v.Last)
	}
	for _, name := range []string{"drop", "tamper"} { // the one that was pressed last is next
		if failed := post(t, base, "/attack", url.Values{"attack": {name}}); failed != "" {
			t.Errorf("a second attack at the same time: %q", failed)
		}
	}
	for _, row := range english(c).Attacks.Rows {
		if got, want := row.Cells[0].Words, map[string]string{"replay": "trying", "tamper": "next"}[row.Name]; got != cmp.Or(want, "not tried") {
			t.Errorf("%s is %s", row.Name, got)
		}
	}
	if failed := post(t, base, "/scenario?lang=ja", url.Values{"scenario": {"tampered"}}); !strings.HasPrefix(failed, "攻撃または変更が実行中") || english(c).Scenario.All[0].Current == false {
		t.Errorf("a change during an attack: %q", failed)
	}
	const why = "Grey buttons wait until the attack replay has ended."
	if page := get(t, base+"/"); strings.Count(page, `aria-disabled="true" aria-describedby="waits" title="`+why) < 10 || !strings.Contains(page, ">"+why+"</p>") {
		t.Error("the buttons of scenarios, formats and data do not say why they cannot be pressed, or not where all can read it")
	}
	proceed <- errors.New("not now")
	eventually(t, "the next attack runs", func() bool { return d.attacks("tamper") })
	if !english(c).Busy {
		t.Error("a change could start while an attack runs")
	}
	proceed <- errors.New("no key yet")
	eventually(t, "both attacks have ended", func() bool { return !english(c).Busy })
	if got := english(c).Attacks.Last; got.Outcome.Words != "could not be tried" || got.Detail != "no key yet" {
		t.Errorf("the failure is %+v", got)
	}
	if post(t, base, "/attack", url.Values{"attack": {"replay"}}) != "" {
		t.Fatal("an attack after the others is refused")
	}
	proceed <- nil
	eventually(t, "the attack has ended", func() bool { return !english(c).Busy })
	if got := english(c).Attacks.Last; got.Outcome.Words != "attack NOT NOTICED:" || got.Outcome.Severity != "bad" || got.Detail != "opened" {
		t.Errorf("the outcome is %+v", got)
	}
	eventually(t, "the attacked record that the pod warns of is shown, and stays", func() bool {
		d.seals("of no interest")
		s := english(c).Record
		return s.Mode == modeAttacked && s.Position == "1/1" && s.Confidential.Text == "forged" && strings.HasPrefix(english(c).Log[0].Position, "0/")
	})
	if page := get(t, base+"/"); !strings.Contains(page, "<strong>Attacked: replay</strong>") {
		t.Error("the page does not say which attack the record is from")
	}
	if post(t, base, "/attack", url.Values{"attack": {"tamper"}}) != "" {
		t.Fatal("another attack is refused")
	}
	eventually(t, "the record is not taken for the attack's that runs now", func() bool {
		s := english(c).Record
		return d.attacks("tamper") && s.Mode == modeNewest && s.Attack == ""
	})
	proceed <- errors.New("not now")
	eventually(t, "that attack has ended, too", func() bool { return !english(c).Busy })
	d.mu.Lock()
	d.board = map[string]map[string]string{"replay": {"rsa": "not_noticed", "envelope-unsigned": "flagged", "envelope": "refused"}}
	d.mu.Unlock()
	for _, row := range english(c).Attacks.Rows {
		for i, want := range map[string][3]string{"replay": {"not_noticed", "flagged", "refused"}}[row.Name] {
			if row.Cells[i].Outcome != want {
				t.Errorf("%s: the scoreboard says %q, want %q", row.Name, row.Cells[i].Outcome, want)
			}
		}
		if row.Name != "replay" && row.Cells[0].Outcome != "" {
			t.Errorf("%s was not tried and is %q", row.Name, row.Cells[0].Outcome)
		}
	}
}
