package timeline

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"slices"
	"testing"
	"time"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/podapi"
	"kafka-e2ee/lab/sidecar"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient/policy"
)

const name = "demo"

func newTimeline() *Timeline {
	t := New(name, func() []vault.Role { return []vault.Role{vault.User} })
	t.Restart("a\nb", "a\nb\nallow_exec := true")
	return t
}

// reached returns the names of the steps that were reached, those that failed with a "!" behind.
func reached(steps []console.Step) (names string) {
	for _, step := range steps {
		switch {
		case step.At.IsZero():
		case step.Failed:
			names += step.Name + "! "
		default:
			names += step.Name + " "
		}
	}
	return names
}

// Without this a presenter would explain a step that has not happened, or miss the one that failed.
func TestStepsAreThoseThatWereReported(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	step := func(of string, err error) func(*Timeline) {
		return func(tl *Timeline) { tl.OnStep(sidecar.Step{KeyName: name, Name: of, Err: err}) }
	}
	satisfied := func(tl *Timeline) { tl.OnPolicy(name, nil) }
	unmet := func(tl *Timeline) {
		tl.OnPolicy(name, []policy.Check{{Claim: policy.ClaimHostData, Expected: "x", Actual: "y"}})
	}
	unwrapped := func(tl *Timeline) {
		tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepKey, Key: &key.PublicKey})
	}
	refused := errors.New("refused")
	for _, test := range []struct {
		name, want string
		events     []func(*Timeline)
	}{
		{"nothing", "", nil},
		{"no report", "report! ", []func(*Timeline){step(sidecar.StepReport, refused)}},
		{"no token", "report token! ", []func(*Timeline){step(sidecar.StepReport, nil), step(sidecar.StepToken, refused)}},
		{"the policy is not satisfied", "report token vault policy! ", []func(*Timeline){step(sidecar.StepReport, nil), step(sidecar.StepToken, nil), unmet, step(sidecar.StepVault, refused)}},
		{"the vault does not look at the token", "report token vault! ", []func(*Timeline){step(sidecar.StepReport, nil), step(sidecar.StepToken, nil), step(sidecar.StepVault, refused)}},
		{"released", "report token vault policy key ", []func(*Timeline){step(sidecar.StepReport, nil), step(sidecar.StepToken, nil), satisfied, step(sidecar.StepVault, nil), unwrapped}},
		{"a record opened", "report token vault policy key open ", []func(*Timeline){step(sidecar.StepReport, nil), satisfied, step(sidecar.StepToken, nil), unwrapped, func(tl *Timeline) { tl.OnOpen(tl.Awaited()) }}},
		{"a record of another key opened", "report key ", []func(*Timeline){step(sidecar.StepReport, nil), unwrapped, func(tl *Timeline) { tl.OnOpen("other") }}},
		{"a new attempt", "report ", []func(*Timeline){step(sidecar.StepReport, nil), step(sidecar.StepToken, refused), step(sidecar.StepReport, nil)}},
		{"another key", "", []func(*Timeline){func(tl *Timeline) {
			tl.OnStep(sidecar.Step{KeyName: "other", Name: sidecar.StepReport})
			tl.OnPolicy("other", nil)
		}}},
		{"another pod", "", []func(*Timeline){step(sidecar.StepReport, nil), unmet, func(tl *Timeline) { tl.Restart("a", "a") }}},
		{"no sidecar", "report! ", []func(*Timeline){func(tl *Timeline) { tl.OnPod(podapi.Key{State: "unreachable", Since: time.Now()}) }}},
	} {
		tl := newTimeline()
		for _, event := range test.events {
			event(tl)
		}
		if got := reached(tl.Steps()); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	tl := newTimeline()
	unwrapped(tl)
	if got := tl.Awaited(); got != envelope.KeyID(&key.PublicKey) {
		t.Errorf("waiting for a record of the key %q", got)
	}
}

// Without this the times would jump whenever the pod asks again for the key that it has, and differ from those of its page.
func TestTimesAreThoseOfTheFirstRelease(t *testing.T) {
	tl, keys := newTimeline(), make([]*rsa.PrivateKey, 2)
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			t.Fatal(err)
		}
	}
	newReport := func(err error) { tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepReport, Err: err}) }
	ask := func(k *rsa.PrivateKey) {
		newReport(nil)
		tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepToken})
		tl.OnPolicy(name, nil)
		tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepVault})
		tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepKey, Key: &k.PublicKey})
	}
	ask(keys[0])
	id := envelope.KeyID(&keys[0].PublicKey)
	tl.OnOpen(id)
	since := time.Now().Add(3 * time.Second)
	tl.OnPod(podapi.Key{State: "released", Held: []podapi.HeldKey{{ID: id, Since: since}}})
	first := tl.Steps()
	if !first[key].At.Equal(since) {
		t.Errorf("the key came at %s, the pod's page says %s", first[key].At, since)
	}
	newReport(nil)
	if got := tl.Steps(); !slices.Equal(got, first) {
		t.Errorf("while the pod asks again: %+v", got)
	}
	ask(keys[0])
	if got := tl.Steps(); !slices.Equal(got, first) || tl.Awaited() != "" {
		t.Errorf("after it asked again: %+v", got)
	}
	newReport(errors.New("refused"))
	if got := reached(tl.Steps()); got != "report! " {
		t.Errorf("an attempt that fails: %s", got)
	}
	ask(keys[0])
	if got := tl.Steps(); !slices.Equal(got, first) {
		t.Errorf("after the failure: %+v", got)
	}
	ask(keys[1])
	if got := tl.Steps(); got[report].At.Equal(first[report].At) || !got[open].At.IsZero() || tl.Awaited() != envelope.KeyID(&keys[1].PublicKey) {
		t.Errorf("a new key has its own times: %+v", got)
	}
}

// Without this the failing step would not say why.
func TestFailuresCompare(t *testing.T) {
	tl := newTimeline()
	tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepReport})
	tl.OnPolicy(name, []policy.Check{{Claim: policy.ClaimHostData, Expected: "x", Actual: "y"}})
	tl.OnPod(podapi.Key{State: "refused", Reason: "Key refused."})
	if got := tl.Steps()[decision]; got.Expected != "x" || got.Measured != "y" || got.Diff != "+ allow_exec := true" || got.Reason != "Key refused." {
		t.Errorf("another security policy: %+v", got)
	}
	tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepReport})
	tl.OnPolicy(name, []policy.Check{{Claim: policy.ClaimDebug, Expected: "false", Actual: "true"}})
	if got := tl.Steps()[decision]; got.Claim != policy.ClaimDebug || got.Measured != "true" || got.Diff != "" {
		t.Errorf("debugging: %+v", got)
	}
	tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepReport})
	tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepVault, Err: errors.New(`{"innererror":{"code":"ForbiddenByRbac"}}`)})
	if got := tl.Steps()[access]; got.Expected != string(vault.ReleaseUser) || got.Measured != string(vault.User) || got.Wait != "" {
		t.Errorf("a missing role: %+v", got)
	}
	tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepReport})
	tl.OnStep(sidecar.Step{KeyName: name, Name: sidecar.StepVault, Err: errors.New(`{"error":{"code":"Throttled"}}`)})
	if got := tl.Steps(); got[access].Wait != console.WaitVault || !got[decision].At.IsZero() {
		t.Errorf("a busy vault: %+v, and of the policy, which nobody looked at: %+v", got[access], got[decision])
	}
	if got := diff("a\nb\nb\nc", "a\nb\nd"); got != "- b\n- c\n+ d" {
		t.Errorf("got the difference %q", got)
	}
}
