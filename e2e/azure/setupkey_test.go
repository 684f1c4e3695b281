package azure_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/snp"
	"kafka-e2ee/lab/vault"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/skrtest"
)

// azure is a user's shell in the emulated cloud, with the scripts, the az stand-in and curl.
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
	harness.Require(t, harness.JQ, harness.Curl, harness.OpenSSL)
	a := &azure{t: t, cloud: harness.StartCloud(t, vaultHost), host: vaultHost, dir: t.TempDir()}
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
		"HOME=" + a.dir, "PATH=" + harness.Path(t, "e2e/azure/testdata") + ":" + os.Getenv("PATH"),
		"LAB_TOKEN_FILE=" + filepath.Join(a.dir, "token"), "LAB_GRANTS=" + grants.URL,
		"MAA_ENDPOINT=" + harness.AttestationHost, "MANAGED_IDENTITY=" + cloud.PodID, fmt.Sprintf("WORKLOAD_MEASUREMENT=%x", sha256.Sum256([]byte(harness.MeasuredPolicy))),
	}
	return a
}

func (a *azure) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// run runs the script. The settings override the shell's own.
func (a *azure) run(settings []string, args ...string) (string, error) {
	command := exec.Command("bash", append([]string{harness.Path(a.t, "deploy/azure/setup-key.sh")}, args...)...)
	command.Dir, command.Env = a.dir, append(append([]string{}, a.env...), settings...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// public reads the public key that the script wrote.
func (a *azure) public(name string) *rsa.PublicKey {
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
	return public
}

func (a *azure) keyID(name string) string { return envelope.KeyID(a.public(name)) }

// release asks for the key as a pod with that security policy.
func (a *azure) release(name, securityPolicy string) (*rsa.PrivateKey, error) {
	a.t.Helper()
	guest := snp.Guest{SecurityPolicy: []byte(securityPolicy), Measurement: cloud.Measurement()}
	server := httptest.NewServer(skrtest.NewWithPlatform(a.cloud.Pod(guest, cloud.PodID)))
	defer server.Close()
	client, err := skrclient.New(skrclient.Config{URL: server.URL})
	if err != nil {
		a.t.Fatal(err)
	}
	return client.Release(a.t.Context(), skrclient.Request{KeyName: name, MAAEndpoint: harness.AttestationHost, AKVEndpoint: a.host})
}

// checkReleases encrypts with the public key that the script wrote, releases the private key to the measured pod, and decrypts.
func (a *azure) checkReleases(name string) {
	a.t.Helper()
	public := a.public(name)
	record, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("hello"), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := a.release(name, harness.MeasuredPolicy)
	if err != nil {
		a.t.Fatal(err)
	}
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(private); err != nil {
		a.t.Fatal(err)
	}
	opened, err := opener.Open(nil, harness.Topic, []byte(base64.StdEncoding.EncodeToString(record)))
	if err != nil || string(opened.Plaintext) != "hello" {
		a.t.Errorf("the record does not open: %v", err)
	}
}

// Without this the article's step could create a key that the measured pod does not get, or that others get.
func TestSetupKeyScript(t *testing.T) {
	t.Parallel()
	for name, host := range map[string]string{"key vault": "lab.vault.azure.net", "managed HSM": "lab.managedhsm.azure.net"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAzure(t, host)
			out, err := a.run(nil, "demo", host)
			if err != nil || !strings.Contains(out, "Made the key demo") || !strings.Contains(out, `"x-ms-sevsnpvm-hostdata"`) {
				t.Fatalf("%v: %s", err, out)
			}
			a.checkReleases("demo")
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
			a.checkFiles("demo")
			// The hosts as az prints them, and in the article's spelling, with a capital letter.
			printed := []string{"MAA_ENDPOINT=https://" + harness.AttestationHost + "/"}
			if out, err = a.run(printed, "demo", "https://"+strings.ToUpper(host[:1])+host[1:]+"/"); err != nil || !strings.Contains(out, "there already") {
				t.Errorf("hosts as az prints them: %v: %s", err, out)
			}
			a.checkFiles("demo")
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
			a.checkReleases("demo2")
			a.checkFiles("demo2")
		})
	}
}

// checkFiles checks the files that the script wrote beside the public key.
func (a *azure) checkFiles(name string) {
	a.t.Helper()
	rules, err := skrclient.ReadPolicyFile(filepath.Join(a.dir, name+"-release-policy.json"))
	if err != nil || !strings.Contains(fmt.Sprint(rules), fmt.Sprintf("%x", sha256.Sum256([]byte(harness.MeasuredPolicy)))) {
		a.t.Errorf("the policy's file is nothing for RELEASE_POLICY_FILE: %v: %v", rules, err)
	}
	text, err := os.ReadFile(filepath.Join(a.dir, name+"-info.json"))
	if err != nil {
		a.t.Fatal(err)
	}
	var info map[string]string
	want := map[string]string{"public_key_path": name + "-pub.pem", "key_id": a.keyID(name), "kms_endpoint": a.host, "attester_endpoint": harness.AttestationHost}
	if err := json.Unmarshal(text, &info); err != nil || !maps.Equal(info, want) {
		a.t.Errorf("the info file holds %s, want %v: %v", text, want, err)
	}
}

// Without this a mistake could end in a key that is too open, or in a message that helps nobody.
func TestSetupKeyScriptRefuses(t *testing.T) {
	t.Parallel()
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
		"no measurement":   {[]string{"WORKLOAD_MEASUREMENT="}, []string{"demo", a.host}, []string{"every confidential workload"}},
		"everything":       {[]string{"WORKLOAD_MEASUREMENT=x", "MAA_ENDPOINT=https://m/attest", "MANAGED_IDENTITY="}, nil, []string{"two arguments", "MAA_ENDPOINT", "MANAGED_IDENTITY", "WORKLOAD_MEASUREMENT"}},
		"a path":           {nil, []string{"demo", "https://" + a.host + "/keys"}, []string{"the vault is not a host name"}},
		"platform":         {[]string{"PLATFORM=sgx"}, []string{"demo", a.host}, []string{"PLATFORM"}},
		"no role":          {[]string{"LAB_TOKEN_FILE=" + filepath.Join(a.dir, "podtoken")}, []string{"demo", a.host}, []string{"ForbiddenByRbac", "Key Vault Crypto Officer"}},
		"bad token":        {[]string{"VAULT_TOKEN_FILE=" + filepath.Join(a.dir, "garbled")}, []string{"demo", a.host}, []string{"new token"}},
		"no token":         {[]string{"VAULT_TOKEN_FILE=/nowhere"}, []string{"demo", a.host}, []string{"VAULT_TOKEN_FILE"}},
		"unreachable":      {nil, []string{"demo", "other.vault.azure.invalid"}, []string{"asking the vault failed"}},
		"a third word":     {nil, []string{"demo", a.host, "make"}, []string{"neither create nor bind"}},
		"four words":       {nil, []string{"demo", a.host, "create", "bind"}, []string{"two arguments"}},
		"bind, unmeasured": {[]string{"WORKLOAD_MEASUREMENT="}, []string{"demo", a.host, "bind"}, []string{"every confidential workload"}},
		"bind, no key":     {nil, []string{"demo", a.host, "bind"}, []string{"has no key demo", "the step create makes it"}},
		"create, no role":  {[]string{"LAB_TOKEN_FILE=" + filepath.Join(a.dir, "podtoken")}, []string{"demo", a.host, "create"}, []string{"ForbiddenByRbac", "Key Vault Crypto Officer"}},
		"a name in paths":  {nil, []string{"../demo", a.host}, []string{"key's name"}},
	} {
		out, err := a.run(c.settings, c.args...)
		if err == nil {
			t.Errorf("%s: it succeeds: %s", name, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing in: %s", name, want, out)
			}
		}
		if strings.Contains(out, token) {
			t.Errorf("%s: the token is printed", name)
		}
	}
}

// Without this the key could be created for a different workload than the deployed one.
func TestMeasure(t *testing.T) {
	t.Parallel()
	policy := base64.StdEncoding.EncodeToString([]byte(harness.MeasuredPolicy))
	kata, aci := "io.katacontainers.config.agent.policy", "microsoft.containerinstance.virtualnode.ccepolicy"
	sum := sha256.Sum256([]byte(harness.MeasuredPolicy))
	for name, c := range map[string]struct{ manifest, want string }{
		"kata-cc":         {"metadata:\n  annotations:\n    " + kata + ": " + policy + "\n", hex.EncodeToString(sum[:])},
		"aci, quoted":     {"    " + aci + ": \"" + policy + "\"\n", hex.EncodeToString(sum[:])},
		"json":            {`      "` + kata + `": "` + policy + "\",\n", hex.EncodeToString(sum[:])},
		"template":        {`      "confidentialComputeProperties": {` + "\n" + `        "ccePolicy": "` + policy + "\"\n      },\n", hex.EncodeToString(sum[:])},
		"no policy yet":   {`        "ccePolicy": ""` + "\n", "no security policy"},
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
		out, err := exec.Command("bash", harness.Path(t, "deploy/azure/measure"), file).CombinedOutput()
		refused := len(c.want) != 64
		if !strings.Contains(string(out), c.want) || (err != nil) != refused || !refused && strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%s: %v: %s, want %s", name, err, out, c.want)
		}
	}
}
