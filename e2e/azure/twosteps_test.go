package azure_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/policy"
)

// measuredAs sets the measurement of a pod with that security policy.
func measuredAs(securityPolicy string) []string {
	return []string{fmt.Sprintf("WORKLOAD_MEASUREMENT=%x", sha256.Sum256([]byte(securityPolicy)))}
}

// step runs the script, which has to succeed, and say something.
func (a *azure) step(settings []string, name, step string, says ...string) {
	a.t.Helper()
	out, err := a.run(settings, name, a.host, step)
	if err != nil {
		a.t.Fatalf("%s: %v: %s", step, err, out)
	}
	for _, want := range append(says, "Key id: "+a.keyID(name)+"\n") {
		if !strings.Contains(out, want) {
			a.t.Errorf("%s: %q is missing in: %s", step, want, out)
		}
	}
}

// onlyFor checks that of two workloads only one gets the key, or none.
func (a *azure) onlyFor(name, securityPolicy string) {
	a.t.Helper()
	for _, workload := range []string{harness.MeasuredPolicy, otherPolicy} {
		key, err := a.release(name, workload)
		switch {
		case workload == securityPolicy && (err != nil || !key.PublicKey.Equal(a.public(name))):
			a.t.Errorf("%s is not released to its workload: %v", name, err)
		case workload != securityPolicy && err == nil:
			a.t.Errorf("%s is released to another workload", name)
		case workload != securityPolicy && skrclient.AsError(err).Cause != skrclient.CausePolicy:
			a.t.Errorf("%s is not refused by its policy, but with %v", name, err)
		}
	}
}

const otherPolicy = "package agent_policy\n# of another workload\n"

// Without this a key whose id the workload names could be released to nobody, to another workload, or, before it is
// bound, to anybody.
func TestSetupKeyInTwoSteps(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{"key vault": "lab.vault.azure.net", "managed HSM": "lab.managedhsm.azure.net"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAzure(t, host)
			none := []string{"WORKLOAD_MEASUREMENT="}
			a.step(none, "demo", "create", "Made the key demo", `"none"`, "No pod gets it before the step bind.")
			id := a.keyID("demo")
			a.onlyFor("demo", "")
			a.step(none, "demo", "create", "there already", "No pod gets it before the step bind.")
			if out, err := a.run(nil, "demo", host); err == nil || !strings.Contains(out, "the step bind changes it") {
				t.Errorf("in one step: %v: %s", err, out)
			}
			a.onlyFor("demo", "")

			a.step(nil, "demo", "bind", "Bound the key demo, which was for no workload")
			a.onlyFor("demo", harness.MeasuredPolicy)
			a.checkReleases("demo")
			a.checkFiles("demo")
			a.step(nil, "demo", "bind", "there already")
			a.step(none, "demo", "create", "there already, and bound to a workload")
			a.checkFiles("demo") // with the policy that the key has
			a.onlyFor("demo", harness.MeasuredPolicy)

			// A rotation: the new workload names both keys, so both are bound to it.
			a.step(none, "demo2", "create", "Made the key demo2")
			for _, key := range []string{"demo", "demo2"} {
				a.step(measuredAs(otherPolicy), key, "bind", "Bound the key "+key)
				a.onlyFor(key, otherPolicy)
			}
			if a.keyID("demo") != id || a.keyID("demo2") == id {
				t.Error("the keys have changed")
			}
			// A key that was made in one step is bound in the same way.
			if out, err := a.run(nil, "demo3", host); err != nil || !strings.Contains(out, "Made the key demo3") {
				t.Fatalf("in one step: %v: %s", err, out)
			}
			a.step(measuredAs(otherPolicy), "demo3", "bind", "which was for "+fmt.Sprintf("%x", sha256.Sum256([]byte(harness.MeasuredPolicy))))
			a.onlyFor("demo3", otherPolicy)
		})
	}
}

// Without this the step bind could make a key available to the workload that somebody else holds as well, or whose
// policy allows more than the workload.
func TestBindRefuses(t *testing.T) {
	t.Parallel()
	a := newAzure(t, "lab.vault.azure.net")
	for name, c := range map[string]struct {
		change func(key string)
		says   []string
	}{
		"another key in the vault": {func(key string) {
			if _, err := a.cloud.Vault.Add(key, harness.NewKey(t), policy.ForWorkload(harness.AttestationHost, sha256.Sum256([]byte(otherPolicy)))); err != nil {
				t.Fatal(err)
			}
		}, []string{"another one than that of", "who replaced it"}},
		"another folder": {func(key string) {
			if err := os.Remove(filepath.Join(a.dir, key+"-pub.pem")); err != nil {
				t.Fatal(err)
			}
		}, []string{"nobody would notice", "the folder of the step create"}},
		"debugging allowed": {func(key string) {
			a.patch(key, `{"version":"1.0.0","anyOf":[{"authority":"https://`+harness.AttestationHost+`","allOf":[{"claim":"x-ms-attestation-type","equals":"sevsnpvm"},{"claim":"x-ms-sevsnpvm-hostdata","equals":"none"}]}]}`, false)
		}, []string{"another release policy"}},
		"two workloads": {func(key string) {
			one := `{"authority":"https://` + harness.AttestationHost + `","allOf":[{"claim":"x-ms-attestation-type","equals":"sevsnpvm"},{"claim":"x-ms-compliance-status","equals":"azure-signed-katacc-uvm"},{"claim":"x-ms-sevsnpvm-is-debuggable","equals":"false"},{"claim":"x-ms-sevsnpvm-hostdata","equals":"none"}]}`
			a.patch(key, `{"version":"1.0.0","anyOf":[`+one+`,`+strings.Replace(one, "none", strings.Repeat("a", 64), 1)+`]}`, false)
		}, []string{"another release policy"}},
		"immutable": {func(key string) { a.patch(key, a.policyText(key), true) }, []string{"asking the vault failed", "immutable", "in one step"}},
	} {
		t.Run(name, func(t *testing.T) {
			key := strings.ReplaceAll(name, " ", "-")
			a.step(nil, key, "create")
			c.change(key)
			out, err := a.run(nil, key, a.host, "bind")
			if err == nil {
				t.Errorf("it succeeds: %s", out)
			}
			for _, want := range c.says {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in: %s", want, out)
				}
			}
			a.cloud.Vault.Grant(cloud.PodID, vault.ReleaseUser)
			if _, err := a.release(key, harness.MeasuredPolicy); err == nil {
				t.Error("the workload gets the key")
			}
		})
	}
}

// policyText returns the release policy that the script wrote.
func (a *azure) policyText(name string) string {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, name+"-release-policy.json"))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// patch sets a release policy in the vault.
func (a *azure) patch(name, policyText string, immutable bool) {
	a.t.Helper()
	token, err := a.cloud.Identities.Token(cloud.OperatorID, a.cloud.Vault.Resource())
	if err != nil {
		a.t.Fatal(err)
	}
	body := fmt.Sprintf(`{"release_policy":{"data":%q,"immutable":%t}}`, base64.RawURLEncoding.EncodeToString([]byte(policyText)), immutable)
	r, err := http.NewRequestWithContext(a.t.Context(), http.MethodPatch, "https://"+a.host+"/keys/"+name+"?api-version=7.4", strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := a.cloud.Client().Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("setting the policy: status %d", resp.StatusCode)
	}
}

// Without this the stages could deploy a consumer that uses any key, or bind the key to another consumer than the
// deployed one.
func TestAzureKeyInTwoSteps(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	s.given["KEY_STEPS"] = "two"
	usesOnly := func() {
		t.Helper()
		s.decrypts() // which also tries another workload
		text, err := os.ReadFile(filepath.Join(s.dir, "state", "demo", s.given["KEY_NAME"]+"-pub.pem"))
		if err != nil {
			t.Fatal(err)
		}
		keys, err := envelope.ParsePublicKeys(text)
		if err != nil {
			t.Fatal(err)
		}
		consumer, err := s.world.Object("mine", "Deployment", "kafka", "kafka-golang-consumer")
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := consumer.MarshalJSON()
		if err != nil || !strings.Contains(string(manifest), `{"name":"EXPECTED_KEY_IDS","value":"`+envelope.KeyID(keys[0])+`"}`) {
			t.Errorf("the consumer does not name the key: %v: %s", err, manifest)
		}
	}
	for _, stage := range azureStages[:7] {
		s.must(stage.script)
	}
	if out := s.must("08-measure.sh"); !strings.Contains(out, "creating the key "+harness.KeyName+", which no pod gets before 09-key.sh") {
		t.Errorf("the key is not created first: %s", out)
	}
	s.must("08-measure.sh")
	if out, err := s.run("10-verify.sh"); err == nil || !strings.Contains(out, "not for the measured consumer only") {
		t.Errorf("before it is bound: %v: %s", err, out)
	}
	s.must("all")
	usesOnly()
	s.world.Calls()
	s.must("all")
	for _, call := range s.world.Calls() {
		if slices.Contains(call.Args, "PATCH") || slices.Contains(call.Args, "POST") || slices.Contains(call.Args, "create") {
			t.Errorf("run again: %s", call)
		}
	}
	usesOnly()
	// Another consumer, and back: the key is the same, and bound to the one that is deployed.
	for _, tag := range []string{"2", "1"} {
		s.given["IMAGE_TAG"] = tag
		if out := s.must("all"); !strings.Contains(out, "binding the key") {
			t.Errorf("the key is not bound again: %s", out)
		}
		usesOnly()
	}
	s.must("all", "down")
	if left := s.resources(); len(left) > 0 {
		t.Errorf("left over: %s", strings.Join(left, "\n"))
	}
}

// Without this a vault that takes no other release policy would be told from Azure's words alone, or not at all.
func TestAzureVaultKeepsReleasePolicies(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	s.given["KEY_STEPS"] = "two"
	for _, stage := range azureStages[:7] {
		s.must(stage.script)
	}
	s.must("08-measure.sh")
	s.world.Refusals["az rest --only-show-errors --method PATCH"] = "Bad Request({\"error\":{\"code\":\"BadParameter\"}})"
	out, err := s.run("09-key.sh")
	for _, want := range []string{"09-key.sh: binding the key", "asking the vault failed: ", "BadParameter", "make the key in one step", "run deploy/azure/09-key.sh again"} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("%q is missing: %v: %s", want, err, out)
		}
	}
}
