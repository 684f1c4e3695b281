package manifests_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	release "helm.sh/helm/v4/pkg/release/v1"
	"sigs.k8s.io/yaml"
)

// with returns a copy of the values in which one, such as page.tls, is another.
func with(values map[string]any, name string, value any) map[string]any {
	copied := maps.Clone(values)
	first, rest, below := strings.Cut(name, ".")
	if !below {
		copied[first] = value
		return copied
	}
	inner, is := copied[first].(map[string]any)
	if !is {
		inner = make(map[string]any)
	}
	copied[first] = with(inner, rest, value)
	return copied
}

// Without this Helm could refuse the chart, or a cluster an object of it, on a choice that no other test renders.
func TestChartLints(t *testing.T) {
	t.Parallel()
	all := map[string]map[string]any{"the chart's own values": {}}
	for _, overlay := range []string{ordinary, kataCC, aci, coco} {
		all[overlay] = unchanged(t, overlay).values(t)
	}
	for name, values := range all {
		result := lint.RunAll(chartFolder, values, "kafka")
		for _, message := range result.Messages {
			if message.Severity > support.InfoSev {
				t.Errorf("%s: %s", name, message)
			}
		}
	}
}

// Without this a user who forgets a value could deploy something that does not run, or is open to everybody.
func TestChartAsksForValues(t *testing.T) {
	t.Parallel()
	mtls, hubs := []string{"settings", "strimzi", "strimzi-mtls", "strimzi-load-balancer"}, []string{"settings", "event-hubs"}
	for _, test := range []struct {
		of    choice
		names string
	}{
		{unchanged(t, ordinary), "images.consumer images.producer key.public key.vaultHost key.attestationHost key.identityClientID page.host"},
		{choice{kataCC, []string{"settings", "strict", "strimzi"}}, "policy strict.trustedSenders key.expectedIDs"},
		{choice{aci, mtls}, "policy kafka.address"},
		{unchanged(t, coco), "policy"},
		{choice{kataCC, hubs}, "kafka.eventHubs kafka.producerIdentityClientID"},
	} {
		values := test.of.values(t)
		for name := range strings.FieldsSeq(test.names) {
			if _, _, err := install(t, "kafka", with(values, name, "")); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s without %s: %v", test.of, name, err)
			}
		}
	}
	if _, _, err := install(t, "kafka", with(unchanged(t, ordinary).values(t), "page.sourceRanges", []any{})); err == nil || !strings.Contains(err.Error(), "page.sourceRanges") {
		t.Errorf("everybody could open the page: %v", err)
	}
}

// Without this a slip of the pen could be ignored, and values that do not go together could end in a page that never
// shows a message, or shows it to people who should not see it.
func TestChartRefuses(t *testing.T) {
	t.Parallel()
	plain, confidential := unchanged(t, ordinary).values(t), unchanged(t, kataCC).values(t)
	inside := with(with(with(plain, "page.service", "ClusterIP"), "page.sourceRanges", []any{}), "page.dnsLabel", "")
	inside = with(inside, "page.viewerNamespace", "gateways")
	if _, _, err := install(t, "kafka", inside); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		in    map[string]any
		name  string
		value any
		want  string
	}{
		{plain, "pgae", "x", "pgae"},
		{plain, "page.sourceRange", "203.0.113.7/32", "sourceRange"},
		{plain, "platform", "kata", "platform"},
		{plain, "page.tls", "https", "tls"},
		{plain, "debug", "yes", "debug"},
		{plain, "page.sourceRanges", []any{"203.0.113.7/32", "everybody"}, "everybody"},
		{plain, "page.users", filledIn(t)[usersFile], "page.users has no effect: it needs TLS"},
		{inside, "page.sourceRanges", []any{"203.0.113.7/32"}, "page.sourceRanges"},
		{inside, "page.viewerNamespace", "None", "page.viewerNamespace"},
		{inside, "page.dnsLabel", "demo", "page.dnsLabel has no effect"},
		{inside, "page.nodePort", true, "page.nodePort has no effect"},
		{plain, "strict.trustedSenders", filledIn(t)[sendersFile], "strict.trustedSenders has no effect: nothing is checked: set strict.enabled"},
		{plain, "policy", generatedPolicy, "policy has no effect"},
		{plain, "policyInput", true, "policyInput has no effect"},
		{plain, "debug", true, "debug has no effect"},
		{plain, "kafka.address", "192.0.2.9", "kafka.address has no effect"},
		{choice{aci, []string{"settings", "event-hubs"}}.values(t), "kafka.address", "192.0.2.9", "kafka.address has no effect"},
		{plain, "kafka.eventHubs", "hubs.servicebus.windows.net:9093", "kafka.eventHubs has no effect"},
		{confidential, "kafka.producerIdentityClientID", "00000000-0000-0000-0000-000000000002", "kafka.producerIdentityClientID has no effect"},
		{unchanged(t, coco).values(t), "key.vaultHost", "vault.test", "key.vaultHost has no effect"},
		{unchanged(t, coco).values(t), "key.attestationHost", "attestation.test", "key.attestationHost has no effect"},
		{unchanged(t, coco).values(t), "key.identityClientID", "00000000-0000-0000-0000-000000000001", "key.identityClientID has no effect"},
		{plain, "key.public", made.signing, "key.public holds a private key"},
		{plain, "strict.trustedSenders", made.signing, "strict.trustedSenders holds a private key"},
		{confidential, "policy", "not-generated-yet", "policy is not"},
		{unchanged(t, coco).values(t), "page.tls", "attested", "page.tls"},
		{choice{kataCC, []string{"settings", "event-hubs"}}.values(t), "platform", "coco", "kafka.kind"},
		{unchanged(t, aci).values(t), "kafka.kind", "strimzi", "kafka.kind"},
	} {
		_, _, err := install(t, "kafka", with(test.in, test.name, test.value))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s=%.40v: %v", test.name, test.value, err)
		}
		for line := range strings.Lines(fmt.Sprint(test.value)) {
			if line = strings.TrimSpace(line); len(line) > 20 && err != nil && strings.Contains(err.Error(), line) {
				t.Errorf("%s: the error shows the value: %v", test.name, err)
			}
		}
	}
}

// Without this the notes could send a user to bind the key to another pod, or show them the way to a debug pod's key.
func TestChartNotes(t *testing.T) {
	t.Parallel()
	policy, err := base64.StdEncoding.DecodeString(generatedPolicy)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(policy)
	measurement := hex.EncodeToString(sum[:])
	for overlay, want := range map[string][]string{
		ordinary:       {"it shows ciphertext", "http://page.test"},
		kataCC:         {"export WORKLOAD_MEASUREMENT=" + measurement, "setup-key.sh kafka-encryption-demo vault.test\n", "PLATFORM=kata-cc MAA_ENDPOINT=attestation.test MANAGED_IDENTITY=00000000-0000-0000-0000-000000000001"},
		aci:            {"export WORKLOAD_MEASUREMENT=" + measurement, "PLATFORM=confidential-aci"},
		coco:           {"deploy/coco/trustee policy"},
		kataCC + debug: {"Never bind a key"},
	} {
		values := unchanged(t, overlay).values(t)
		// As the generator prints it, and as some editors save it.
		if values["policy"] != nil {
			values["policy"] = generatedPolicy + "\n"
		}
		made, notes, err := install(t, "kafka", values)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(notes, text) {
				t.Errorf("%s: the notes do not say %q:\n%s", overlay, text, notes)
			}
		}
		if tells := strings.Contains(notes, measurement); tells != (overlay == kataCC || overlay == aci) {
			t.Errorf("%s: the notes have a measurement: %t", overlay, tells)
		}
		if strings.Contains(made, generatedPolicy+`\n`) {
			t.Errorf("%s: the policy ends with a line break, so that its hash is another", overlay)
		}
	}
}

// Without this Helm could fail to store a release whose pod has a long policy, after it has installed it.
func TestChartFitsIntoARelease(t *testing.T) {
	t.Parallel()
	longest := make([]byte, 256<<10/4*3-1<<10)    // in base64 nearly 256 KiB, the limit of all annotations
	if _, err := rand.Read(longest); err != nil { // cannot be compressed, which a policy can
		t.Fatal(err)
	}
	values := with(choice{kataCC, []string{"settings", "monitoring", "page-tls", "sign-in", "strict", "strimzi", "strimzi-mtls"}}.values(t), "policy", base64.StdEncoding.EncodeToString(longest))
	manifests, notes, err := install(t, "kafka", values)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := chart()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(release.Release{Name: "kafka-e2ee", Chart: loaded, Config: values, Manifest: manifests, Info: &release.Info{Notes: notes}})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if stored := base64.StdEncoding.EncodedLen(packed.Len()); stored > 1<<20 {
		t.Errorf("%d bytes, and a Secret holds %d", stored, 1<<20)
	}
}

// Without this a document could show a value that does not exist.
func TestDocumentedValuesExist(t *testing.T) {
	t.Parallel()
	known := regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\|").FindAllStringSubmatch(readChart(t, "README.md"), -1)
	names := make([]string, 0, len(known))
	for _, name := range known {
		names = append(names, name[1])
	}
	shown := 0
	for _, file := range []string{"README.md", "values.yaml", "templates/producer.yaml", "templates/checks.yaml", "../gitops/README.md"} {
		for _, flag := range regexp.MustCompile(`--set(?:-file)? ([A-Za-z.]+)=`).FindAllStringSubmatch(readChart(t, file), -1) {
			shown++
			if !slices.Contains(names, flag[1]) {
				t.Errorf("%s shows %s", path.Join("deploy/helm", file), flag[1])
			}
		}
	}
	_, rest, _ := strings.Cut(readChart(t, "README.md"), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```\n")
	var values map[string]any
	if err := yaml.UnmarshalStrict([]byte(example), &values); err != nil {
		t.Fatal(err)
	}
	if _, _, err := install(t, "kafka", with(values, "key.public", filledIn(t)[keyFile])); err != nil {
		t.Errorf("the README's values: %v", err)
	}
	if _, _, err := install(t, "kafka", with(with(values, "key.public", filledIn(t)[keyFile]), "global", map[string]any{})); err != nil {
		t.Errorf("as a part of another chart: %v", err)
	}
	if shown < 5 {
		t.Errorf("%d flags are shown", shown)
	}
}
