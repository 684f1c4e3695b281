package story_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// Without this a presenter would have to restart the demo for each scenario, and would lose the history, the addresses or
// the command that verifies the page; or a fault would stay after its scenario.
func TestScenariosFollowEachOther(t *testing.T) {
	for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			scenariosFollowEachOther(t, format)
		})
	}
}

func scenariosFollowEachOther(t *testing.T, format envelope.Format) {
	d := harness.StartLab(t, "", format)
	p := d.Confidential
	p.Wait("a record is decrypted", func() bool { return p.Count("decrypted") >= 1 })
	d.Type(t, "from before")
	all := func(state string) bool {
		records := p.Records()
		return len(records) >= 2 && !slices.ContainsFunc(records, func(r harness.Record) bool { return r.State != state })
	}
	for _, scenario := range []struct {
		name, before string // state of the key
		events       int
		after        string // state of the key; empty: as before
		verify       bool   // takes ten seconds: the pod attests its page no more often
		status       int    // exit status of verify
	}{
		{name: "tampered", before: "refused", verify: true, status: 1},
		{name: "good", before: "released"},
		{name: "debug", before: "refused"},
		{name: "no-role", before: "refused", events: 1, after: "released"},
		{name: "throttled", before: "waiting", events: 1, after: "released"},
		{name: "late", before: "unreachable", events: 1, after: "released"},
		{name: "ordinary", before: "unreachable"},
		{name: "rotate", before: "released", events: 2, after: "released"},
		{name: "impostor", before: "released", verify: true, status: 1},
		{name: "good", before: "released", verify: true},
	} {
		began := time.Now()
		d.Type(t, "/scenario "+scenario.name)
		p.Wait(scenario.name+": the terminal says what happens", func() bool { return lastScenario(d.Output()) == scenario.name })
		p.Wait(scenario.name+": the key is "+scenario.before, func() bool { return p.KeyState() == scenario.before })
		for range scenario.events {
			d.NextEvent(t)
		}
		if scenario.after != "" {
			p.Wait(scenario.name+": the key is "+scenario.after, func() bool { return p.KeyState() == scenario.after })
		}
		state := "decrypted"
		if p.KeyState() != "released" {
			state = "no_key"
		}
		p.Wait(scenario.name+": the history is "+state, func() bool { return all(state) })
		t.Logf("%s: the history is %s after %s", scenario.name, state, time.Since(began).Round(time.Millisecond))
		if !scenario.verify {
			continue
		}
		if status, said := harness.Verify(t, nil, d.VerifyArgs(t)...); status != scenario.status {
			t.Errorf("%s: verify ends with %d, want %d:\n%s", scenario.name, status, scenario.status, said)
		}
	}
	if !slices.ContainsFunc(p.Records(), func(r harness.Record) bool { return r.Value == "from before" }) {
		t.Error("a line from before the first scenario is lost")
	}
	if d.Ordinary.Count("decrypted") > 0 {
		t.Error("the ordinary pod decrypts")
	}
}

// lastScenario returns the scenario that the terminal named last.
func lastScenario(printed string) string {
	found := regexp.MustCompile(`(?m)^  ([a-z-]+): the confidential pod restarts`).FindAllStringSubmatch(printed, -1)
	if len(found) == 0 {
		return ""
	}
	return found[len(found)-1][1]
}

// Without this a typed line that begins with a slash could be lost, or a mistake could pass for a message.
func TestCommandsAreNoMessages(t *testing.T) {
	t.Parallel()
	d := harness.StartLab(t, "", envelope.FormatRSA)
	p := d.Confidential
	d.Type(t, "//scenario tampered")
	p.Wait("two slashes send a line with one", func() bool {
		return slices.ContainsFunc(p.Records(), func(r harness.Record) bool { return r.Value == "/scenario tampered" })
	})
	d.Type(t, "/temper")
	p.Wait("an unknown command is answered with the list", func() bool {
		printed := d.Output()
		return strings.Contains(printed, "/temper is not a command") && strings.Contains(printed, "/scenario NAME")
	})
	d.Type(t, "/scenario tempered")
	p.Wait("an unknown scenario is answered with the names", func() bool {
		return strings.Contains(d.Output(), `/scenario: the scenario "tempered" is not known (hint: good, tampered, `)
	})
	d.Type(t, "/"+strings.Repeat("x", 10_000))
	p.Wait("a long command is refused", func() bool { return strings.Contains(d.Output(), "a command has at most") })
	d.Type(t, "/replay")
	p.Wait("the terminal says what is tried, and what became of it", func() bool {
		_, after, tried := strings.Cut(d.Output(), "as Kafka's operator: ")
		return tried && strings.Contains(after, "NOT NOTICED (rsa): ")
	})
	d.Type(t, "last")
	p.Wait("lines are messages as before", func() bool {
		return slices.ContainsFunc(p.Records(), func(r harness.Record) bool { return r.Value == "last" })
	})
	for _, r := range p.Records() {
		if strings.HasPrefix(r.Value, "/") && r.Value != "/scenario tampered" {
			t.Errorf("a command became the message %.20q", r.Value)
		}
	}
}

// Without this payments would show one partition, and none of what Kafka's operator learns from keys.
func TestDataAndFormatChange(t *testing.T) {
	t.Parallel()
	d := harness.StartLab(t, "", envelope.FormatRSA)
	p := d.Confidential
	p.Wait("a record is decrypted", func() bool { return p.Count("decrypted") >= 1 })
	d.Type(t, "/data payments")
	partitions := make(map[int32]bool)
	p.Wait("payments are in three partitions", func() bool {
		for _, r := range p.Records() {
			if r.State == "decrypted" && strings.HasPrefix(r.Value, `{"key":"`+r.RecordKey+`","amount":"`) && r.RecordKey != "" {
				partitions[r.Partition] = true
			}
		}
		return len(partitions) == 3
	})
	d.Type(t, "/format envelope")
	p.Wait("payments have a proven sender, and the records before are rejected", func() bool {
		return slices.ContainsFunc(p.Records(), func(r harness.Record) bool { return r.State == "decrypted" && r.Sender.State == "verified" }) && p.Count("rejected") >= 3
	})
	d.Type(t, "/data msg")
	p.Wait("messages follow again", func() bool {
		return slices.ContainsFunc(p.Records(), func(r harness.Record) bool {
			return r.Sender.State == "verified" && r.Value == "Msg 1: Azure Confidential Computing"
		})
	})
}
