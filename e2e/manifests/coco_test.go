package manifests_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
)

// kbsClient stands in for the kbs-client of Trustee 0.21, and for an earlier one beside a file named "earlier": it refuses
// unknown options, records the requests, and prints what it sent, as the real ones do.
const kbsClient = `#!/usr/bin/env bash
set -euo pipefail
here=$(dirname "$0") option=--admin-token-file
[[ ! -e $here/earlier ]] || option=--auth-private-key
[[ $1 == --url && $2 == https://kbs.test:8443 && $3 == --cert-file && -s $4 && $5 == config ]] || exit 2
[[ $6 == "$option" && -s $7 ]] || { echo "error: unexpected argument '$6' found" >&2; exit 2; }
[[ ! -e $here/down ]] || { echo 'Error: connection refused' >&2; exit 1; }
shift 7
case "$1 $2" in
"set-resource --path") [[ $4 == --resource-file ]]; cp "$5" "$here/resource"; echo "resource $3" >>"$here/asked"; base64 "$5" ;;
"set-resource-policy --policy-file") cp "$3" "$here/policy"; echo policy >>"$here/asked" ;;
"set-sample-reference-value --as-integer") echo "{\"$3\": [$4]}" >>"$here/references" ;;
"set-sample-reference-value "*) echo "{\"$2\": [\"$3\"]}" >>"$here/references" ;;
*) exit 2 ;;
esac
`

const agentPolicyText = "package agent_policy\ndefault ExecProcessRequest := false\n"

const cocoSettings = "deploy/kubernetes/" + settings

// cocoScripts is a copy of deploy/ with the settings filled in, and a shell that runs its scripts.
type cocoScripts struct {
	t   *testing.T
	dir string
}

func newCoCoScripts(t *testing.T, hardware string) *cocoScripts {
	t.Helper()
	harness.Require(t, harness.OpenSSL)
	c := &cocoScripts{t: t, dir: t.TempDir()}
	harness.WritePrograms(t, func() error { return os.CopyFS(filepath.Join(c.dir, "deploy"), os.DirFS("../../deploy")) })
	c.edit(cocoSettings, "https://set-KBS_URL.example", "https://kbs.test:8443")
	c.edit(cocoSettings, "set-TEE", hardware)
	c.write("bin/kbs-client", kbsClient)
	c.write("policy.rego", agentPolicyText)
	c.write("admin.token", "a token")
	c.write("ca.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")
	return c
}

func (c *cocoScripts) write(name, text string) {
	c.t.Helper()
	file := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		c.t.Fatal(err)
	}
	harness.WritePrograms(c.t, func() error { return os.WriteFile(file, []byte(text), 0o755) })
}

func (c *cocoScripts) read(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

func (c *cocoScripts) edit(name, old, replacement string) {
	c.t.Helper()
	text := c.read(name)
	if !strings.Contains(text, old) {
		c.t.Fatalf("%s holds no %q", name, old)
	}
	c.write(name, strings.ReplaceAll(text, old, replacement))
}

func (c *cocoScripts) run(command string, env ...string) (string, error) {
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + c.dir + "/bin:" + os.Getenv("PATH"), "KBS_ADMIN_TOKEN_FILE=admin.token", "KBS_CA_FILE=ca.pem"}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// wasNotAsked fails the test if Trustee was asked anything.
func (c *cocoScripts) wasNotAsked() {
	c.t.Helper()
	for _, record := range []string{"bin/asked", "bin/references"} {
		if _, err := os.Stat(filepath.Join(c.dir, record)); err == nil {
			c.t.Errorf("Trustee was asked: %s", c.read(record))
		}
	}
}

func (c *cocoScripts) must(command string) string {
	c.t.Helper()
	out, err := c.run(command)
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return out
}

// Without this the guest could get unreadable initdata, Trustee could expect another hash than the hardware reports,
// the private key could be printed, or messages could be encrypted with another key's public half.
func TestTrusteeIsPreparedForTheMeasuredPod(t *testing.T) {
	t.Parallel()
	c := newCoCoScripts(t, "snp")
	hash := strings.TrimSpace(c.must("deploy/coco/initdata coco policy.rego"))
	encoded := c.read("deploy/kubernetes/overlays/coco/initdata.base64")
	if again := strings.TrimSpace(c.must("deploy/coco/initdata coco policy.rego")); again != hash || c.read("deploy/kubernetes/overlays/coco/initdata.base64") != encoded {
		t.Error("the same input gives another initdata")
	}
	compressed, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(text)); got != hash {
		t.Errorf("prints %s, the hash is %s", hash, got)
	}
	for _, want := range []string{
		"algorithm = \"sha256\"\nversion = \"0.1.0\"\n", "\"policy.rego\" = '''\n" + agentPolicyText + "'''", "url = \"https://kbs.test:8443\"\ncert = \"\"\"\n-----BEGIN",
		"url = \"https://kbs.test:8443\"\nkbs_cert = \"\"\"\n-----BEGIN",
	} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("the initdata holds %q %d times:\n%s", want, strings.Count(string(text), want), text)
		}
	}

	c.fillIn("snp")
	said := c.must("deploy/coco/trustee reference-values && deploy/coco/trustee policy && deploy/coco/trustee key")
	if got := c.read("bin/asked"); got != "policy\nresource default/key/kafka-encryption-demo\n" {
		t.Errorf("Trustee was asked\n%s", got)
	}
	private, err := envelope.ParsePrivateKey([]byte(c.read("bin/resource")))
	if err != nil {
		t.Fatal(err)
	}
	public, err := envelope.ParsePublicKeys([]byte(c.read("deploy/kubernetes/components/settings/kafka-encryption-demo-pub.pem")))
	if err != nil || len(public) != 1 || !private.PublicKey.Equal(public[0]) || private.N.BitLen() != 3072 {
		t.Errorf("the public half is of another key, or of %d bits: %v", private.N.BitLen(), err)
	}
	if want := "Key id: " + envelope.KeyID(&private.PublicKey) + "\n"; !strings.HasSuffix(said, want) {
		t.Errorf("prints\n%s\nwant %s", said, want)
	}
	if body := strings.Split(c.read("bin/resource"), "\n")[5]; strings.Contains(said, body) || strings.Contains(said, base64.StdEncoding.EncodeToString([]byte(body))[:40]) {
		t.Error("the private key was printed")
	}
}

// generatedWith returns a command that prepares the overlay coco with a policy whose settings, on several lines as genpolicy
// writes them, hold this for ExecProcessRequest.
func generatedWith(exec string) string {
	lines := strings.NewReplacer("{", "{\n  ", "[", "[\n  ", ",", ",\n ")
	return "(cat policy.rego; echo 'policy_data := " + lines.Replace(`{"request_defaults": {"ReadStreamRequest": false, "ExecProcessRequest": `+exec+"}}") +
		"') > open.rego; deploy/coco/initdata coco open.rego"
}

// Without this a policy as genpolicy writes it by default could be taken for one that lets people look inside, so that no
// pod could be deployed.
func TestAStrictPolicyIsTaken(t *testing.T) {
	t.Parallel()
	c := newCoCoScripts(t, "snp")
	c.write("policy.rego", agentPolicyText+"# default AllowRequestsFailingPolicy := true\ndefault SetPolicyRequest := false\n")
	c.must(generatedWith(`{"allowed_commands": [], "regex": []}, "CreateContainerRequest": {"allow_env_regex": ["^TERM=xterm$"]}`))
}

// Without this a mistake could end in a pod that gets no key, or in a Trustee that gives it to everyone, with no
// explanation.
func TestCoCoScriptsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := newCoCoScripts(t, "snp")
	for _, test := range []struct{ name, command, want string }{
		{"no arguments", "deploy/coco/initdata", "want two arguments"},
		{"no such overlay", "deploy/coco/initdata kata-cc policy.rego", "has no initdata"},
		{"no policy", "deploy/coco/initdata coco none.rego", "missing or empty"},
		{"another file", "deploy/coco/initdata coco ca.pem", "package agent_policy"},
		{"a debug policy", "sed s/false/true/ policy.rego > open.rego; deploy/coco/initdata coco open.rego", "allows looking inside"},
		{"a generated debug policy", `(cat policy.rego; echo '{"ReadStreamRequest": true}') > open.rego; deploy/coco/initdata coco open.rego`, "allows looking inside"},
		{"a policy that allows what it forbids", "(cat policy.rego; echo 'default AllowRequestsFailingPolicy := true') > open.rego; deploy/coco/initdata coco open.rego", "allows looking inside"},
		{"a policy that can be replaced", "(cat policy.rego; echo 'default SetPolicyRequest = true') > open.rego; deploy/coco/initdata coco open.rego", "allows looking inside"},
		{"a rule without a default", "(cat policy.rego; echo ' ReadStreamRequest := true') > open.rego; deploy/coco/initdata coco open.rego", "allows looking inside"},
		{"commands by pattern", generatedWith(`{"allowed_commands": [], "regex": ["^/bin/sh$"]}`), "allows looking inside"},
		{"commands by name", generatedWith(`{"allowed_commands": [["/bin/sh"]], "regex": []}`), "allows looking inside"},
		{"commands as earlier generators name them", generatedWith(`{"commands": ["/bin/sh"], "regex": []}`), "allows looking inside"},
		{"a list of commands", generatedWith(`["/bin/sh"]`), "allows looking inside"},
		{"text that ends early", "(cat policy.rego; echo \"'''\") > early.rego; deploy/coco/initdata coco early.rego", "end its section"},
		{"no certificate", "KBS_CA_FILE=policy.rego deploy/coco/initdata coco policy.rego", "has no certificate"},
		{"no step", "deploy/coco/trustee", "want one argument"},
		{"unknown step", "deploy/coco/trustee keys", "want one argument"},
		{"no administrator", "KBS_ADMIN_TOKEN_FILE= deploy/coco/trustee policy", "want either KBS_ADMIN_TOKEN_FILE"},
		{"two administrators", "KBS_ADMIN_KEY_FILE=admin.token deploy/coco/trustee policy", "want either KBS_ADMIN_TOKEN_FILE"},
		{"an empty token", ": > empty; KBS_ADMIN_TOKEN_FILE=empty deploy/coco/trustee policy", "missing or empty"},
		{"no client", "PATH=/usr/bin:/bin deploy/coco/trustee policy", "kbs-client is not installed"},
		{"no initdata", "deploy/coco/trustee policy", "has no initdata yet"},
		{"initdata with another hash", "f=deploy/kubernetes/overlays/coco/initdata.base64; cp $f kept; echo 'algorithm = \"sha384\"' | gzip | base64 -w0 > $f; deploy/coco/trustee policy; code=$?; mv kept $f; exit $code", "not hashed with sha256"},
		{"values not filled in", "deploy/coco/trustee reference-values", "snp_tee_svn in "},
		{"an earlier client", "touch bin/earlier; deploy/coco/trustee key; code=$?; rm bin/earlier; exit $code", "one before it KBS_ADMIN_KEY_FILE"},
		{"Trustee is down", "touch bin/down; deploy/coco/trustee key", "refused it"},
		{"unknown hardware", "sed -i s/TEE=snp/TEE=tdx/ " + cocoSettings + "; deploy/coco/trustee key", "neither snp nor az-snp-vtpm"},
		{"not https", "sed -i s/https:/http:/ " + cocoSettings + "; deploy/coco/initdata coco policy.rego", "is not https://"},
	} {
		if out, err := c.run(test.command); err == nil || !strings.Contains(out, test.want) {
			t.Errorf("%s: %v, want %q in:\n%s", test.name, err, test.want, out)
		}
	}
	for _, untouched := range []string{"overlays/coco/initdata.base64", "components/settings/kafka-encryption-demo-pub.pem"} {
		want, err := os.ReadFile(filepath.Join("../../deploy/kubernetes", untouched))
		if err != nil {
			t.Fatal(err)
		}
		if c.read(filepath.Join("deploy/kubernetes", untouched)) != string(want) {
			t.Errorf("%s was changed by a script that failed", untouched)
		}
	}
	c.wasNotAsked()
}

// Without this the steps could not be run against a Trustee before 0.21, whose client knows no token.
func TestEarlierTrusteeTakesItsAdministratorsKey(t *testing.T) {
	t.Parallel()
	c := newCoCoScripts(t, "snp")
	c.write("admin.key", "a key")
	c.must("touch bin/earlier; deploy/coco/initdata coco policy.rego")
	c.must("KBS_ADMIN_TOKEN_FILE= KBS_ADMIN_KEY_FILE=admin.key deploy/coco/trustee policy")
	if got := c.read("bin/asked"); got != "policy\n" {
		t.Errorf("Trustee was asked %q", got)
	}
}
