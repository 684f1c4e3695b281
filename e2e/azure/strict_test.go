package azure_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"kafka-e2ee/consumer"
	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// consumerEnv returns the environment of the deployed consumer, and fails if a value is not in the security policy.
func (s *shell) consumerEnv() map[string]string {
	s.t.Helper()
	object, err := s.world.Object("mine", "Deployment", "kafka", "kafka-golang-consumer")
	if err != nil {
		s.t.Fatal(err)
	}
	policy, err := s.world.Policy("mine")
	if err != nil {
		s.t.Fatal(err)
	}
	containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	if err != nil {
		s.t.Fatal(err)
	}
	variables, _, err := unstructured.NestedSlice(containers[0].(map[string]any), "env") //nolint:errcheck,forcetypeassert // a container
	if err != nil {
		s.t.Fatal(err)
	}
	env := map[string]string{}
	for _, v := range variables {
		name, _, _ := unstructured.NestedString(v.(map[string]any), "name")   //nolint:errcheck,forcetypeassert // a variable
		value, _, _ := unstructured.NestedString(v.(map[string]any), "value") //nolint:errcheck,forcetypeassert // a variable
		env[name] = value
		for line := range strings.Lines("name: " + name + "\n" + value) {
			if !strings.Contains(string(policy), strings.TrimSpace(line)) {
				s.t.Errorf("the pod's policy does not hold %q of %s", line, name)
			}
		}
	}
	return env
}

// Without this STRICT=yes could deploy a consumer that trusts another key or sender than the deployed ones, or whose
// trust is not measured, and clean-up would leave the signing key in the cluster.
func TestAzureStrict(t *testing.T) {
	t.Parallel()
	s := newShell(t, "demovault.vault.azure.net")
	s.must("all")
	if env := s.consumerEnv(); env["TRUSTED_SENDERS"]+env["REQUIRE_SENDER"] != "" {
		t.Errorf("without STRICT: %q", env)
	}
	s.must("all", "down")
	s.given["STRICT"] = "yes"
	for _, stage := range azureStages[:8] {
		s.must(stage.script)
	}
	if policy := s.releasePolicy(); !strings.Contains(policy, `"none"`) {
		t.Errorf("before the key is bound its policy is %s", policy)
	}
	s.must("all")
	s.decrypts()
	env := s.consumerEnv()
	for variable, want := range map[string]string{"REQUIRE_FORMAT": "envelope", "REQUIRE_SENDER": "verified", "ALLOWED_READERS": "held", "REQUIRE_FRESH": "true", "EXPECTED_KEY_IDS": s.keyID()} {
		if env[variable] != want {
			t.Errorf("%s is %q, want %q", variable, env[variable], want)
		}
	}
	if _, err := consumer.Load(func(name string) (string, bool) { value, set := env[name]; return value, set }); err != nil {
		t.Errorf("the deployed consumer would not start: %v", err)
	}
	// The producer's Secret holds the key of the trusted sender.
	secret, err := s.world.Object("mine", "Secret", "kafka", "signing-key")
	if err != nil {
		t.Fatal(err)
	}
	encoded, _, err := unstructured.NestedString(secret.Object, "data", "signing.pem")
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	signing, err := envelope.ParseSigningKey(text)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := envelope.ParseTrustedSenders([]byte(env["TRUSTED_SENDERS"]))
	if err != nil || len(trusted) != 1 || !trusted[0].Key.Equal(signing.Public()) {
		t.Errorf("the consumer trusts %v, %v", trusted, err)
	}
	if info, err := os.Stat(filepath.Join(s.dir, "state", "demo", "signing.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the signing key's file: %v, %v", info, err)
	}
	// Again, nothing changes; with another key, everything that names it.
	if out := s.must("all"); !strings.Contains(out, "the consumer is the one that was measured") || !strings.Contains(out, "the key is bound to the measured consumer already") {
		t.Errorf("again: %s", out)
	}
	s.given["KEY_NAME"] = "second"
	s.must("all", "round-trip")
	if left := s.resources(); len(left) > 0 {
		t.Errorf("left over: %s", strings.Join(left, "\n"))
	}
}

// Without this one failing command in the strict variant could leave a key that no stage can bind.
func TestAzureStrictBreaks(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "after"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			s := newShell(t, "demovault.vault.azure.net")
			s.given["STRICT"] = "yes"
			for _, stage := range azureStages[:7] {
				s.must(stage.script)
			}
			breaks := 0
			for _, stage := range azureStages[7:12] {
				breaks += s.finish(stage.script, when)
			}
			s.world.Break("")
			s.decrypts()
			s.must("all", "down")
			if left := s.resources(); len(left) > 0 || breaks < 5 {
				t.Errorf("%d calls were broken; left over: %s", breaks, strings.Join(left, "\n"))
			}
		})
	}
}

// keyID returns the id of the public key that the stages wrote.
func (s *shell) keyID() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "state", "demo", s.given["KEY_NAME"]+"-pub.pem"))
	if err != nil {
		s.t.Fatal(err)
	}
	keys, err := envelope.ParsePublicKeys(text)
	if err != nil || len(keys) != 1 {
		s.t.Fatalf("%d public keys: %v", len(keys), err)
	}
	return envelope.KeyID(keys[0])
}

// releasePolicy returns the release policy that the stages wrote.
func (s *shell) releasePolicy() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "state", "demo", harness.KeyName+"-release-policy.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}
