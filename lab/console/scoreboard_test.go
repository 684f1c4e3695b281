package console

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
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
	const why = "Attack replay runs. Grey buttons work again after it."
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
	d.board = map[string]map[string]Observation{"replay": {"rsa": {Outcome: "not_noticed"}, "envelope-unsigned": {Outcome: "flagged"}, "envelope": {Outcome: "refused"}}}
	d.mu.Unlock()
	for _, row := range english(c).Attacks.Rows {
		for i, want := range map[string][3]string{"replay": {"not_noticed", "flagged", "refused"}}[row.Name] {
			if row.Cells[i].Outcome != want {
				t.Errorf("%s: the scoreboard says %q, want %q", row.Name, row.Cells[i].Outcome, want)
			}
			// A record's flag is red on both pages. An outcome is red only if nobody noticed.
			if severity := row.Cells[i].Severity; (severity == "bad") != (want == "not_noticed") || row.Cells[i].Icon == "⚑" {
				t.Errorf("%s: %q is %s %s", row.Name, want, row.Cells[i].Icon, severity)
			}
		}
		if row.Name != "replay" && row.Cells[0].Outcome != "" {
			t.Errorf("%s was not tried and is %q", row.Name, row.Cells[0].Outcome)
		}
	}
}

// Without this an attack by which a message got out would look as harmless as one that the pod refused, and nobody would see
// what the operator has read.
func TestReadIsNotHarmless(t *testing.T) {
	d := newFakeDemo(t)
	c, _ := startConsole(t, d)
	r := d.write(0, ciphertext(1))
	d.confidential.shows(r, "rejected", "", map[string]any{"reject_reason": "reader", "value": nil, "encoding": nil})
	d.ordinary.shows(r, "no_key", "", nil)
	at := Position{r.Partition, r.Offset}
	for outcome, want := range map[string]struct{ severity, cell, became string }{
		"refused":     {"wait", "operator read it; pod refused it", "Kafka's operator could read it; the pod refused it:"},
		"flagged":     {"wait", "operator read it; pod flagged it", "Kafka's operator could read it; the pod flagged it:"},
		"not_noticed": {"bad", "NOT NOTICED", "Kafka's operator could read it; NOT NOTICED:"},
	} {
		o := Observation{Attack: "reader", Format: "rsa", Outcome: outcome, Records: []Position{at}, Read: []Reading{{Position: at, Text: "what the operator's key opened", Resealed: true}}}
		d.mu.Lock()
		d.seen, d.board = []Observation{o}, map[string]map[string]Observation{"reader": {"rsa": o}}
		d.attacked = Attacked{Attack: AttackInfo{Name: "reader"}, Ended: time.Now(), Seen: o}
		d.mu.Unlock()
		v := english(c).Attacks
		for _, row := range v.Rows {
			if cell := row.Cells[0]; row.Name == "reader" && (cell.Severity != want.severity || cell.Words != want.cell || !cell.Read) {
				t.Errorf("%s: the scoreboard says %+v", outcome, cell)
			}
		}
		if v.Last.Outcome.Severity != want.severity || v.Last.Outcome.Words != want.became {
			t.Errorf("%s: the last attack is %+v", outcome, v.Last)
		}
	}
	eventually(t, "the record is shown", func() bool { s := english(c).Record; return s.Found && s.Confidential.Label == "Record rejected" })
	if s := english(c).Record.Plain; s.Label != "Wrote this text" || s.Text != "what the operator's key opened" || !strings.Contains(s.Note, "encrypted it again for the pod") {
		t.Errorf("of the producer's own message, which the operator encrypted again, the producer's column says %+v", s)
	}
	if s := english(c).Record.Stored; s.Severity != "bad" || s.Label != "Can read this record" || s.Text != "what the operator's key opened" {
		t.Errorf("the operator's column is %+v", s)
	}
}

// Without this the presenter could not say which message nobody gets, nor how the pod knows.
func TestMissingRecordIsNamed(t *testing.T) {
	d := newFakeDemo(t)
	c, _ := startConsole(t, d)
	missing := Withheld{Position{1, 9}, "Msg 12: Azure Confidential Computing", Position{1, 14}}
	long := missing
	long.Text = strings.Repeat("long ", 100)
	unknown := missing
	unknown.Text = ""
	for want, o := range map[string]Observation{
		"1/9 “Msg 12: Azure Confidential Computing” is missing. The pod flagged the record after it, 1/14: records are missing.": {
			Outcome: "flagged", Detail: "decrypted; decrypted, gap", Marks: []string{"gap"}, Noticed: []Position{missing.Next}, Withheld: []Withheld{missing},
		},
		"1/9 “Msg 12: Azure Confidential Computing” is missing. Nothing on the pod's page says so.": {
			Outcome: "not_noticed", Detail: "2 × decrypted", Withheld: []Withheld{missing},
		},
		"1/9 “long long long long long long long long …” is missing. opened; out of order": { // not by the record after it
			Outcome: "flagged", Detail: "decrypted; late", Marks: []string{"late"}, Noticed: []Position{{1, 15}}, Withheld: []Withheld{long},
		},
		"1/9 is missing. Nothing on the pod's page says so.": {Outcome: "not_noticed", Withheld: []Withheld{unknown}},
	} {
		if got := c.english().detail(o); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// Without this an outcome would be told in another way when the pods require something else, and what was refused would look
// as if it had never been.
func TestOutcomeStays(t *testing.T) {
	d := newFakeDemo(t)
	c, _ := startConsole(t, d)
	r, other := d.write(0, ciphertext(1)), d.write(0, ciphertext(2))
	at := Position{r.Partition, r.Offset}
	d.mu.Lock()
	d.format = "rsa"
	d.seen = []Observation{{Attack: "forge", Format: "envelope", Outcome: "refused", Noticed: []Position{at}, Records: []Position{at, {other.Partition, other.Offset}}}}
	d.mu.Unlock()
	for _, r := range []*kgo.Record{r, other} {
		d.confidential.shows(r, "decrypted", "forged", nil)
		d.ordinary.shows(r, "no_key", "", nil)
	}
	shown := func(r *kgo.Record) columnView {
		c.selection.selectRecord(Position{r.Partition, r.Offset})
		return english(c).Record.Confidential
	}
	eventually(t, "the records are shown", func() bool { return shown(r).Label == "Decrypted" && shown(other).Label == "Decrypted" })
	if s := shown(r); s.Severity != "wait" || s.Attack != "forge with envelope, signed: refused" || s.AttackSeverity != "good" {
		t.Errorf("the forgery's column is %+v", s)
	}
	if s := shown(other); s.Severity != "good" { // the pod has not warned of that one
		t.Errorf("the other record's column is %+v", s)
	}
	for _, cell := range english(c).Log {
		if cell.Position == at.String() && (cell.Severity != "wait" || !strings.Contains(cell.State, "forge with envelope, signed: refused")) {
			t.Errorf("in the list the forgery is %+v", cell)
		}
	}
}
