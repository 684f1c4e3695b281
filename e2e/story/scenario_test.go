package story_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	releasepolicy "kafka-e2ee/skrclient/policy"
	"kafka-e2ee/skrclient/skrtest"
)

// Without this a presenter's scenario could show something other than it promises, and an evaluator could believe that
// a tampered pod gets the key.
func TestScenariosRefuse(t *testing.T) {
	for scenario, want := range map[string]struct {
		state, says string
		format      envelope.Format
	}{
		"tampered": {"refused", "Hash of this pod's security policy: expected ", envelope.FormatEnvelope},
		"debug":    {"refused", "Debugging must be off; it is on.", envelope.FormatRSA},
		"ordinary": {"unreachable", "Expected in an ordinary pod", envelope.FormatEnvelope},
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			d := harness.StartLab(t, scenario, want.format)
			p := d.Confidential
			p.Wait("the refusal is shown", func() bool { return p.KeyState() == want.state })
			p.Wait("records are shown", func() bool { return p.Count("no_key") >= 2 })
			if n := p.Count("decrypted"); n != 0 {
				t.Errorf("%d records were decrypted", n)
			}
			// The claim that differs is known once the pod has its own token.
			p.Wait("the API says "+want.says, func() bool {
				var key struct{ Reason string }
				return json.Unmarshal(p.Get(p.Page+"/api/key"), &key) == nil && strings.Contains(key.Reason, want.says)
			})
		})
	}
}

// Without this a temporary failure would need a restart.
func TestScenariosRecover(t *testing.T) {
	for scenario, before := range map[string]string{"no-role": "refused", "throttled": "waiting", "late": "unreachable"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			d := harness.StartLab(t, scenario, envelope.FormatEnvelope)
			p := d.Confidential
			p.Wait("the key is missing", func() bool { return p.KeyState() == before })
			p.Wait("records wait for it", func() bool { return p.Count("no_key") >= 1 })
			d.NextEvent(t)
			p.Wait("the key is released", func() bool { return p.KeyState() == "released" })
			p.Wait("every record is decrypted", func() bool { return p.Count("no_key") == 0 && p.Count("decrypted") >= 2 })
		})
	}
}

// Without this old or new records would stay encrypted after a rotation.
func TestScenarioRotate(t *testing.T) {
	for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			scenarioRotates(t, format)
		})
	}
}

func scenarioRotates(t *testing.T, format envelope.Format) {
	d := harness.StartLab(t, "rotate", format)
	p := d.Confidential
	ids := func() map[string]int {
		var answer struct {
			Records []struct {
				State string
				KeyID string `json:"key_id"`
			}
		}
		if json.Unmarshal(p.Get(p.Page+"/api/records?limit=1000"), &answer) != nil {
			return nil
		}
		found := map[string]int{}
		for _, r := range answer.Records {
			if r.State != "decrypted" {
				return nil
			}
			found[r.KeyID]++
		}
		return found
	}
	for versions := 1; versions <= 3; versions++ {
		p.Wait("records under every version are open", func() bool { return len(ids()) == versions })
		if versions < 3 {
			d.NextEvent(t)
		}
	}
}

// Without this a restart with one key version missing would show its records as damaged, or lose the others with them.
func TestVersionsThatAreNotListed(t *testing.T) {
	t.Parallel()
	c := harness.StartCloud(t, harness.VaultHost)
	guest := snp.Guest{SecurityPolicy: []byte(harness.MeasuredPolicy), Measurement: cloud.Measurement()}
	measured := guest.HostData()
	rules := releasepolicy.ForWorkload(harness.AttestationHost, measured)
	c.Vault.Grant(cloud.PodID, vault.ReleaseUser)
	server := httptest.NewServer(skrtest.NewWithPlatform(c.Pod(guest, cloud.PodID)))
	t.Cleanup(server.Close)
	kafka := harness.Broker(t, 1)
	var names []string
	for i := range 2 {
		key := harness.NewKey(t)
		version, err := c.Vault.Add(harness.KeyName, key, rules)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, harness.KeyName+"/"+version)
		harness.Write(t, kafka, 0, harness.Encrypt(t, key, fmt.Sprintf("version %d", i+1)))
	}
	for group, want := range map[string]struct {
		names  string
		states map[string]int
	}{
		"both":   {strings.Join(names, ","), map[string]int{"decrypted": 2}},
		"newest": {harness.KeyName, map[string]int{"decrypted": 1, "undecryptable": 1}},
		"oldest": {names[0], map[string]int{"decrypted": 1, "undecryptable": 1}},
	} {
		cfg := harness.Settings(t, kafka.ListenAddrs(), server.URL)
		cfg.Group, cfg.Keys.Names, cfg.Keys.MAAEndpoint, cfg.Keys.AKVEndpoint = group, want.names, harness.AttestationHost, harness.VaultHost
		p := harness.Consume(t, cfg)
		p.WaitStates(want.states)
		p.Stop()
	}
}

// Without this a typo would run a different scenario.
func TestUnknownScenario(t *testing.T) {
	err := lab.Run(t.Context(), lab.Config{Port: 1, Scenario: "tempered"}, nil, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "tampered") {
		t.Errorf("got %v, want the names that there are", err)
	}
}
