package e2e_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/skrtest"
)

const measuredPolicy = "package agent_policy\ndefault AllowRequestsFailingPolicy := false\n"

func repository(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// azure is a person's shell: the scripts, the az stand-in and curl, led to the
// emulated cloud.
type azure struct {
	t     *testing.T
	cloud *cloud.Cloud
	host  string
	dir   string
	env   []string

	mu     sync.Mutex
	grants []string
}

func newAzure(t *testing.T, vaultHost string) *azure {
	t.Helper()
	for _, tool := range []string{"bash", "jq", "curl", "openssl", "base64", "od"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the script needs %s, which is not installed here", tool)
		}
	}
	a := &azure{t: t, cloud: startCloud(t, vaultHost), host: vaultHost, dir: t.TempDir()}
	grants := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		query := r.URL.Query()
		a.grants = append(a.grants, query.Get("scope"))
		a.cloud.Vault.Grant(query.Get("identity"), vault.Role(query.Get("role")))
	}))
	t.Cleanup(grants.Close)
	token, err := a.cloud.Identities.Token(cloud.OperatorID, a.cloud.Vault.Resource())
	if err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", string(a.cloud.Authority.PEM()))
	a.write("token", token)
	a.write(".curlrc", fmt.Sprintf("cacert = %q\nconnect-to = %q\n", filepath.Join(a.dir, "ca.pem"), vaultHost+":443:"+a.cloud.Addr()))
	a.env = []string{
		"HOME=" + a.dir, "PATH=" + repository(t, "e2e/testdata") + ":" + os.Getenv("PATH"),
		"LAB_TOKEN_FILE=" + filepath.Join(a.dir, "token"), "LAB_GRANTS=" + grants.URL,
		"MAA_ENDPOINT=" + labMAA, "MANAGED_IDENTITY=" + cloud.PodID, fmt.Sprintf("WORKLOAD_MEASUREMENT=%x", sha256.Sum256([]byte(measuredPolicy))),
	}
	return a
}

func (a *azure) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// run runs the script; later settings go before the shell's own.
func (a *azure) run(settings []string, args ...string) (string, error) {
	command := exec.Command("bash", append([]string{repository(a.t, "deploy/azure/setup-key.sh")}, args...)...)
	command.Dir, command.Env = a.dir, append(append([]string{}, a.env...), settings...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// opens encrypts for the public key that the script wrote, releases the private
// key to the pod that was measured, and decrypts with it.
func (a *azure) opens(name string) {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(a.dir, name+"-pub.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		a.t.Fatalf("not PEM: %s", text)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		a.t.Fatal(err)
	}
	public, ok := parsed.(*rsa.PublicKey)
	if !ok || public.N.BitLen() != 3072 {
		a.t.Fatal("not an RSA key of 3072 bits")
	}
	record, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("hello"), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	guest := snp.Guest{SecurityPolicy: []byte(measuredPolicy), Measurement: cloud.Measurement()}
	server := httptest.NewServer(skrtest.On(a.cloud.Pod(guest, cloud.PodID)))
	defer server.Close()
	client, err := skrclient.New(skrclient.Config{URL: server.URL})
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := client.Release(a.t.Context(), skrclient.Request{KeyName: name, MAAEndpoint: labMAA, AKVEndpoint: a.host})
	if err != nil {
		a.t.Fatal(err)
	}
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(private); err != nil {
		a.t.Fatal(err)
	}
	opened, err := opener.Open(nil, topic, []byte(base64.StdEncoding.EncodeToString(record)))
	if err != nil || string(opened.Plaintext) != "hello" {
		a.t.Errorf("the record does not open: %v", err)
	}
}

// Without this the document's step would make a key that the measured pod does
// not get, or that others get.
func TestSetupKeyScript(t *testing.T) {
	for name, host := range map[string]string{"key vault": "lab.vault.azure.net", "managed HSM": "lab.managedhsm.azure.net"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAzure(t, host)
			out, err := a.run(nil, "demo", host)
			if err != nil || !strings.Contains(out, "Made the key demo") || !strings.Contains(out, `"x-ms-sevsnpvm-hostdata"`) {
				t.Fatalf("%v: %s", err, out)
			}
			a.opens("demo")
			before, err := os.ReadFile(filepath.Join(a.dir, "demo-pub.pem"))
			if err != nil {
				t.Fatal(err)
			}
			if out, err = a.run(nil, "demo", host); err != nil || !strings.Contains(out, "there already") {
				t.Errorf("the second run: %v: %s", err, out)
			}
			if after, err := os.ReadFile(filepath.Join(a.dir, "demo-pub.pem")); err != nil || string(after) != string(before) {
				t.Error("the second run wrote another key")
			}
			for _, scope := range a.grants {
				if !strings.HasSuffix(scope, "/keys/demo") {
					t.Errorf("the role was given for %s, which is more than the key", scope)
				}
			}
			other := []string{"WORKLOAD_MEASUREMENT=" + strings.Repeat("0", 64)}
			if out, err = a.run(other, "demo", host); err == nil || !strings.Contains(out, "another release policy") {
				t.Errorf("another workload took over the key: %v: %s", err, out)
			}
			withToken := []string{"VAULT_TOKEN_FILE=" + filepath.Join(a.dir, "token"), "PLATFORM=kata-cc"}
			if out, err = a.run(withToken, "demo2", host); err != nil || !strings.Contains(out, "let the pod's identity release") {
				t.Fatalf("with a token file: %v: %s", err, out)
			}
			a.cloud.Vault.Grant(cloud.PodID, vault.ReleaseUser)
			a.opens("demo2")
		})
	}
}

// Without this a mistake would end in a key that is too open, or in words that
// help no one.
func TestSetupKeyScriptRefuses(t *testing.T) {
	a := newAzure(t, "lab.vault.azure.net")
	a.write("garbled", "abc")
	token, err := a.cloud.Identities.Token(cloud.PodID, a.cloud.Vault.Resource())
	if err != nil {
		t.Fatal(err)
	}
	a.write("podtoken", token)
	for name, c := range map[string]struct {
		settings []string
		args     []string
		want     []string
	}{
		"no measurement":  {[]string{"WORKLOAD_MEASUREMENT="}, []string{"demo", a.host}, []string{"every confidential workload"}},
		"everything":      {[]string{"WORKLOAD_MEASUREMENT=x", "MAA_ENDPOINT=https://m", "MANAGED_IDENTITY="}, nil, []string{"two arguments", "MAA_ENDPOINT", "MANAGED_IDENTITY", "WORKLOAD_MEASUREMENT"}},
		"a URL":           {nil, []string{"demo", "https://" + a.host}, []string{"without https://"}},
		"platform":        {[]string{"PLATFORM=sgx"}, []string{"demo", a.host}, []string{"PLATFORM"}},
		"no role":         {[]string{"LAB_TOKEN_FILE=" + filepath.Join(a.dir, "podtoken")}, []string{"demo", a.host}, []string{"ForbiddenByRbac", "Key Vault Crypto Officer"}},
		"bad token":       {[]string{"VAULT_TOKEN_FILE=" + filepath.Join(a.dir, "garbled")}, []string{"demo", a.host}, []string{"new token"}},
		"no token":        {[]string{"VAULT_TOKEN_FILE=/nowhere"}, []string{"demo", a.host}, []string{"VAULT_TOKEN_FILE"}},
		"unreachable":     {nil, []string{"demo", "other.vault.azure.invalid"}, []string{"asking the vault failed"}},
		"a name in paths": {nil, []string{"../demo", a.host}, []string{"key's name"}},
	} {
		out, err := a.run(c.settings, c.args...)
		if err == nil {
			t.Errorf("%s: it went through: %s", name, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not said: %s", name, want, out)
			}
		}
		if strings.Contains(out, token) {
			t.Errorf("%s: the token is told", name)
		}
	}
}

// Without this the key would be made for another workload than the one that is
// deployed.
func TestMeasure(t *testing.T) {
	policy := base64.StdEncoding.EncodeToString([]byte(measuredPolicy))
	kata, aci := "io.katacontainers.config.agent.policy", "microsoft.containerinstance.virtualnode.ccepolicy"
	sum := sha256.Sum256([]byte(measuredPolicy))
	for name, c := range map[string]struct{ manifest, want string }{
		"kata-cc":         {"metadata:\n  annotations:\n    " + kata + ": " + policy + "\n", hex.EncodeToString(sum[:])},
		"aci, quoted":     {"    " + aci + ": \"" + policy + "\"\n", hex.EncodeToString(sum[:])},
		"json":            {`      "` + kata + `": "` + policy + "\",\n", hex.EncodeToString(sum[:])},
		"same pod twice":  {kata + ": " + policy + "\n---\n" + kata + ": " + policy + "\n", hex.EncodeToString(sum[:])},
		"different pods":  {kata + ": " + policy + "\n---\n" + kata + ": AAAA\n", "several pods"},
		"none":            {"metadata: {}\n", "no security policy"},
		"placeholder":     {kata + ": |\n  " + policy + "\n", "no security policy"},
		"not base64":      {kata + ": AAAAA\n", "not base64"},
		"other key":       {"x" + kata + ": " + policy + "\n", "no security policy"},
		"empty manifest":  {"", "no security policy"},
		"annotation only": {kata + ":\n", "no security policy"},
	} {
		file := filepath.Join(t.TempDir(), "pod.yaml")
		if err := os.WriteFile(file, []byte(c.manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("bash", repository(t, "deploy/azure/measure"), file).CombinedOutput()
		refused := len(c.want) != 64
		if !strings.Contains(string(out), c.want) || (err != nil) != refused || !refused && strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%s: %v: %s, want %s", name, err, out, c.want)
		}
	}
}
