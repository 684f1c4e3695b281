package e2e_test

import (
	"context"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab"
	"kafka-e2ee/lab/cloud"
	releasepolicy "kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/setupkey"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/skrtest"
)

// staged is a lab with one scenario, whose planned events happen when the test
// says so.
type staged struct {
	confidential *pod
	ordinary     *pod
	events       chan time.Time
	out          *buffer
}

func startStaged(t *testing.T, scenario string) *staged {
	t.Helper()
	return startStagedIn(t, scenario, envelope.FormatRSA)
}

func startStagedIn(t *testing.T, scenario string, format envelope.Format) *staged {
	t.Helper()
	port := twoFreePorts(t)
	d := &staged{events: make(chan time.Time), out: new(buffer)}
	d.confidential = &pod{t: t, page: "http://localhost:" + strconv.Itoa(port), log: d.out}
	d.ordinary = &pod{t: t, page: "http://localhost:" + strconv.Itoa(port+1), log: d.out}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	lines, typed := io.Pipe()
	go func() {
		done <- lab.Run(ctx, lab.Config{Port: port, Format: format, Scenario: scenario, After: func(time.Duration) <-chan time.Time { return d.events }}, lines, d.out)
	}()
	t.Cleanup(func() {
		cancel()
		typed.Close()
		if err := <-done; err != nil {
			t.Errorf("the lab ended with: %v", err)
		}
		d.checkLog(t)
	})
	return d
}

// checkLog looks for tokens and keys in the lab's log, all of which begin alike.
func (d *staged) checkLog(t *testing.T) {
	t.Helper()
	_, file, found := strings.Cut(d.out.String(), "Logs: ")
	text, err := os.ReadFile(strings.TrimSpace(file))
	if !found || err != nil || len(text) == 0 {
		t.Errorf("the log cannot be read: %v", err)
	}
	for _, secret := range []string{"eyJ", "-----BEGIN", "Bearer"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the log has a token or a key: %q", secret)
		}
	}
	if err := os.Remove(strings.TrimSpace(file)); err != nil {
		t.Error(err)
	}
}

// happen lets the next planned event happen.
func (d *staged) happen(t *testing.T) {
	t.Helper()
	select {
	case d.events <- time.Now():
	case <-time.After(patience):
		t.Fatal("the scenario plans nothing")
	}
}

func (p *pod) count(state string) (n int) {
	for _, r := range p.records() {
		if r.State == state {
			n++
		}
	}
	return n
}

// Without this a presenter would run a scenario and see something else than it
// says, or an evaluator would think that a tampered pod gets the key.
func TestScenariosRefuse(t *testing.T) {
	for scenario, want := range map[string]struct{ state, says string }{
		"tampered": {"refused", "Hash of this pod's security policy: expected "},
		"debug":    {"refused", "Whether a debugger may look in: expected false, measured true"},
		"ordinary": {"unreachable", "Expected in an ordinary pod"},
	} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			d := startStaged(t, scenario)
			p := d.confidential
			p.wait("the refusal is shown", func() bool { return p.keyState() == want.state })
			p.wait("records are shown", func() bool { return p.count("no_key") >= 2 })
			if n := p.count("decrypted"); n != 0 {
				t.Errorf("%d records were decrypted", n)
			}
			// The claim that differs is known once the pod has a token of its own.
			p.wait("the API says "+want.says, func() bool {
				var key struct{ Reason string }
				return json.Unmarshal(p.get(p.page+"/api/key"), &key) == nil && strings.Contains(key.Reason, want.says)
			})
		})
	}
}

// Without this a failure that passes by itself would need a restart.
func TestScenariosHeal(t *testing.T) {
	for scenario, before := range map[string]string{"no-role": "refused", "throttled": "waiting", "late": "unreachable"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			d := startStaged(t, scenario)
			p := d.confidential
			p.wait("the key is missing", func() bool { return p.keyState() == before })
			p.wait("records wait for it", func() bool { return p.count("no_key") >= 1 })
			d.happen(t)
			p.wait("the key is released", func() bool { return p.keyState() == "released" })
			p.wait("every record heals", func() bool { return p.count("no_key") == 0 && p.count("decrypted") >= 2 })
		})
	}
}

// Without this a rotation would leave old or new records closed.
func TestScenarioRotate(t *testing.T) {
	t.Parallel()
	d := startStaged(t, "rotate")
	p := d.confidential
	ids := func() map[string]int {
		var answer struct {
			Records []struct {
				State string
				KeyID string `json:"key_id"`
			}
		}
		if json.Unmarshal(p.get(p.page+"/api/records?limit=1000"), &answer) != nil {
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
		p.wait("records under every version are open", func() bool { return len(ids()) == versions })
		if versions < 3 {
			d.happen(t)
		}
	}
}

// Without this a restart that forgets a version would show records under it as
// if they were damaged for another reason, or lose the others with them.
func TestVersionsThatAreNotListed(t *testing.T) {
	t.Parallel()
	c := startCloud(t, labVault)
	guest := snp.Guest{SecurityPolicy: []byte(measuredPolicy), Measurement: cloud.Measurement()}
	measured := guest.HostData()
	rules, err := releasepolicy.ForWorkload(labMAA, releasepolicy.KataCC, hex.EncodeToString(measured[:]))
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Identities.Token(cloud.OperatorID, c.Vault.Resource())
	if err != nil {
		t.Fatal(err)
	}
	c.Vault.Grant(cloud.PodID, vault.ReleaseUser)
	server := httptest.NewServer(skrtest.On(c.Pod(guest, cloud.PodID)))
	t.Cleanup(server.Close)
	kafka := broker(t, 1)
	var names []string
	for i := range 2 {
		key, err := setupkey.Vault{Host: labVault, Token: token, Client: c.Client()}.Create(t.Context(), keyName, rules)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, keyName+"/"+key.Version)
		write(t, kafka, 0, encrypt(t, &rsa.PrivateKey{PublicKey: *key.Public}, fmt.Sprintf("version %d", i+1)))
	}
	for group, want := range map[string]struct {
		names  string
		states map[string]int
	}{
		"both":   {strings.Join(names, ","), map[string]int{"decrypted": 2}},
		"newest": {keyName, map[string]int{"decrypted": 1, "undecryptable": 1}},
		"oldest": {names[0], map[string]int{"decrypted": 1, "undecryptable": 1}},
	} {
		cfg := settings(t, kafka.ListenAddrs(), server.URL)
		cfg.Group, cfg.KeyNames, cfg.MAAEndpoint, cfg.AKVEndpoint = group, want.names, labMAA, labVault
		p := consume(t, cfg)
		p.waitStates(want.states)
		p.stop()
	}
}

// Without this a typo would run another scenario than the one asked for.
func TestUnknownScenario(t *testing.T) {
	err := lab.Run(t.Context(), lab.Config{Port: 1, Scenario: "tempered"}, nil, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "tampered") {
		t.Errorf("got %v, want the names that there are", err)
	}
}
