package vault

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/skrclient/policy"
)

func updateBody(policyText string, immutable bool) string {
	return fmt.Sprintf(`{"release_policy":{"data":%q,"immutable":%t}}`, base64.RawURLEncoding.EncodeToString([]byte(policyText)), immutable)
}

// unbound is a release policy that no workload satisfies.
func (w *fixture) unbound(t testing.TB) string {
	t.Helper()
	return strings.Replace(policyFor(t, w.a), measured, "none", 1)
}

// releases returns the status of a release to a workload with the host data.
func (w *fixture) releases(t testing.TB, path, hostData string) int {
	t.Helper()
	claims := w.claims(w.a)
	claims[policy.ClaimHostData] = hostData
	return w.do("POST", path+"/release?api-version=7.4", "pod", releaseBody(w.a.sign(t, "k", claims))).Code
}

// A key that is made before its workload is measured could be released to another workload, before or after it is bound,
// or never to its own.
func TestKeyIsBoundLater(t *testing.T) {
	w := setup(t)
	answer := w.do("POST", "/keys/early/create?api-version=7.4", "officer", createBody(2048, w.unbound(t)))
	var made struct{ Key struct{ Kid, N string } }
	if err := json.Unmarshal(answer.Body.Bytes(), &made); err != nil || answer.Code != 200 {
		t.Fatalf("creating: %d %s", answer.Code, answer.Body)
	}
	version, other := strings.TrimPrefix(made.Key.Kid, "https://vault.example"), strings.Repeat("cd", 32)
	for _, workload := range []string{measured, other, strings.Repeat("0", 64)} {
		if got := w.releases(t, "/keys/early", workload); got != 403 {
			t.Errorf("before it is bound, %s: status %d", workload, got)
		}
	}
	bound := w.do("PATCH", version+"?api-version=7.4", "officer", updateBody(policyFor(t, w.a), false))
	if bound.Code != 200 || !strings.Contains(bound.Body.String(), made.Key.Kid) || !strings.Contains(bound.Body.String(), made.Key.N) {
		t.Fatalf("binding: %d %s", bound.Code, bound.Body)
	}
	for _, path := range []string{"/keys/early", version} {
		if got := w.releases(t, path, measured); got != 200 {
			t.Errorf("the measured workload: status %d", got)
		}
		if got := w.releases(t, path, other); got != 403 {
			t.Errorf("another workload: status %d", got)
		}
	}
	// A newer version has a policy of its own, and the newest is meant if none is named.
	if answer := w.do("POST", "/keys/early/create?api-version=7.4", "officer", createBody(2048, w.unbound(t))); answer.Code != 200 {
		t.Fatalf("creating again: %d %s", answer.Code, answer.Body)
	}
	if newest, first := w.releases(t, "/keys/early", measured), w.releases(t, version, measured); newest != 403 || first != 200 {
		t.Errorf("status %d for the newest version, and %d for the first", newest, first)
	}
	if answer := w.do("PATCH", "/keys/early/?api-version=7.4", "user", updateBody(policyFor(t, w.a), false)); answer.Code != 200 {
		t.Fatalf("binding the newest: %d %s", answer.Code, answer.Body)
	}
	if got := w.releases(t, "/keys/early", measured); got != 200 {
		t.Errorf("the newest, bound: status %d", got)
	}
}

// A policy that is promised never to change could be changed.
func TestImmutablePolicy(t *testing.T) {
	w := setup(t)
	w.create(t, "fixed")
	const path = "/keys/fixed?api-version=7.4"
	if answer := w.do("PATCH", path, "officer", updateBody(policyFor(t, w.a), true)); answer.Code != 200 {
		t.Fatalf("making it immutable: %d %s", answer.Code, answer.Body)
	}
	for name, body := range map[string]string{"another": updateBody(w.unbound(t), true), "mutable again": updateBody(policyFor(t, w.a), false)} {
		if answer := w.do("PATCH", path, "officer", body); answer.Code != 400 || !strings.Contains(answer.Body.String(), "immutable") {
			t.Errorf("%s: status %d: %s", name, answer.Code, answer.Body)
		}
	}
	if answer := w.do("PATCH", path, "officer", updateBody(policyFor(t, w.a), true)); answer.Code != 200 {
		t.Errorf("the same: status %d: %s", answer.Code, answer.Body)
	}
	if got := w.releases(t, "/keys/fixed", measured); got != 200 {
		t.Errorf("the measured workload: status %d", got)
	}
}

// An update could lose what it does not name, or a key that never leaves the vault could get a release policy.
func TestUpdateChangesOnlyWhatItNames(t *testing.T) {
	w := setup(t)
	w.create(t, "changing")
	const path = "/keys/changing?api-version=7.4"
	type stored struct {
		Key struct {
			Ops []string `json:"key_ops"`
		}
		Attributes struct{ Enabled, Exportable bool }
		Tags       map[string]string
		Policy     json.RawMessage `json:"release_policy"`
	}
	get := func() (key stored) {
		t.Helper()
		if err := json.Unmarshal(w.do("GET", path, "officer", "").Body.Bytes(), &key); err != nil {
			t.Fatal(err)
		}
		return key
	}
	before := get()
	if answer := w.do("PATCH", path, "officer", `{"attributes":{"enabled":false},"tags":{"by":"me"}}`); answer.Code != 200 {
		t.Fatalf("disabling: %d %s", answer.Code, answer.Body)
	}
	after := get()
	if after.Attributes.Enabled || after.Tags["by"] != "me" || !after.Attributes.Exportable || len(after.Key.Ops) != len(before.Key.Ops) || string(after.Policy) != string(before.Policy) {
		t.Errorf("got %+v from %+v", after, before)
	}
	if got := w.releases(t, "/keys/changing", measured); got != 403 {
		t.Errorf("a disabled key: status %d", got)
	}
	if answer := w.do("PATCH", path, "officer", `{"attributes":{"enabled":true},"key_ops":["encrypt","decrypt"]}`); answer.Code != 200 || len(get().Key.Ops) != 2 || get().Tags["by"] != "me" {
		t.Errorf("enabling: %d %s", answer.Code, answer.Body)
	}
	if got := w.releases(t, "/keys/changing", measured); got != 200 {
		t.Errorf("enabled again: status %d", got)
	}
	if answer := w.do("POST", "/keys/staying/create?api-version=7.4", "officer", `{"kty":"RSA"}`); answer.Code != 200 {
		t.Fatalf("creating: %d %s", answer.Code, answer.Body)
	}
	if answer := w.do("PATCH", "/keys/staying?api-version=7.4", "officer", updateBody(policyFor(t, w.a), false)); answer.Code != 400 || !strings.Contains(answer.Body.String(), "exportable") {
		t.Errorf("a policy for a key that stays: status %d: %s", answer.Code, answer.Body)
	}
}

// A release during an update could be decided by half of each policy.
func TestUpdateDuringReleases(t *testing.T) {
	w := setup(t)
	w.create(t, "busy")
	var all sync.WaitGroup
	token := releaseBody(w.a.sign(t, "k", w.claims(w.a)))
	for _, text := range []string{policyFor(t, w.a), w.unbound(t)} {
		all.Go(func() {
			for range 20 {
				if answer := w.do("PATCH", "/keys/busy?api-version=7.4", "officer", updateBody(text, false)); answer.Code != 200 {
					t.Errorf("updating: %d %s", answer.Code, answer.Body)
				}
			}
		})
		all.Go(func() {
			for range 5 {
				if answer := w.do("POST", "/keys/busy/release?api-version=7.4", "pod", token); answer.Code != 200 && answer.Code != 403 {
					t.Errorf("releasing: %d %s", answer.Code, answer.Body)
				}
			}
		})
	}
	all.Wait()
}

// A crafted update could open a key to every workload.
func FuzzUpdate(f *testing.F) {
	w := setup(f)
	w.create(f, "fuzzed")
	f.Add([]byte(updateBody(policyFor(f, w.a), false)))
	f.Add([]byte(updateBody(w.unbound(f), true)))
	f.Add([]byte(`{"release_policy":null,"attributes":{"exportable":true,"enabled":false},"key_ops":[],"tags":{}}`))
	f.Add([]byte(`{"release_policy":{"data":""}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w.do("PATCH", "/keys/fuzzed?api-version=7.4", "officer", string(body))
		key, refusal := w.vault.find(target{name: "fuzzed"})
		if refusal != nil || key.policy == nil || !key.policy.parsed.Requires(policy.ClaimHostData) {
			t.Fatalf("after %q the key has the policy %+v", body, key)
		}
	})
}
