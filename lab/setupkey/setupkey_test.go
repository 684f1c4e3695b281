package setupkey_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/lab/cloud"
	"kafka-e2ee/lab/policy"
	"kafka-e2ee/lab/setupkey"
)

// Without this a key could be made that any workload gets, or made anew each time
// that the program runs, so that old records no longer open.
func TestRun(t *testing.T) {
	c, err := cloud.New(cloud.Config{
		AttestationHost: "maa.lab.example", VaultHost: "vault.lab.example", Listen: "127.0.0.1:0", ListenMetadata: "127.0.0.1:0",
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	token := func(id string) string {
		text, err := c.Identities.Token(id, c.Vault.Resource())
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := setupkey.Options{
		Name: "demo", VaultHost: "vault.lab.example", MAAEndpoint: "maa.lab.example", Platform: policy.KataCC, Measurement: strings.Repeat("ab", 32),
		TokenFile: write("token", []byte(token(cloud.OperatorID)+"\n")), CAFile: write("ca.pem", c.Authority.PEM()), Addr: c.Addr(), Folder: dir,
	}
	podToken := write("pod", []byte(token(cloud.PodID)))
	var public []byte
	for _, step := range []struct {
		name   string
		change func(*setupkey.Options)
		says   string // or what the error says, where it fails
		fails  bool
		newKey bool
	}{
		{"no measurement", func(o *setupkey.Options) { o.Measurement = "" }, "every confidential workload", true, false},
		{"bad measurement", func(o *setupkey.Options) { o.Measurement = "AB" }, "64 lower-case hex digits", true, false},
		{"bad platform", func(o *setupkey.Options) { o.Platform = "sgx" }, "want kata-cc", true, false},
		{"a URL", func(o *setupkey.Options) { o.VaultHost = "https://v" }, "without https://", true, false},
		{"no token", func(o *setupkey.Options) { o.TokenFile = "" }, "az account get-access-token", true, false},
		{"no token file", func(o *setupkey.Options) { o.TokenFile = dir + "/none" }, "lab -cloud-only prints", true, false},
		{"the whole answer for a token", func(o *setupkey.Options) { o.TokenFile = write("json", []byte(`{"access_token":"x"}`)) }, "access_token alone", true, false},
		{"no port", func(o *setupkey.Options) { o.Addr = "127.0.0.1" }, "HOST:PORT", true, false},
		{"wrong address", func(o *setupkey.Options) { o.Addr = "127.0.0.1:1" }, "that -addr is where it listens", true, false},
		{"bad token", func(o *setupkey.Options) { o.TokenFile = o.CAFile }, "", true, false},
		{"no role", func(o *setupkey.Options) { o.TokenFile = podToken }, "Key Vault Crypto Officer", true, false},
		{"untrusted", func(o *setupkey.Options) { o.CAFile = "" }, "-ca", true, false},
		{"the vault refuses it open", func(o *setupkey.Options) { o.DangerouslyAnyWorkload = true }, "every confidential workload", true, false},
		{"first", func(*setupkey.Options) {}, "Made key", false, true},
		{"again", func(*setupkey.Options) {}, "there already", false, false},
		{"other workload", func(o *setupkey.Options) { o.Measurement = strings.Repeat("cd", 32) }, "another release policy", true, false},
		{"new version", func(o *setupkey.Options) { o.NewVersion = true }, "Made key", false, true},
	} {
		o, out := good, new(bytes.Buffer)
		step.change(&o)
		err := setupkey.Run(t.Context(), o, out)
		text := out.String()
		if err != nil {
			text = err.Error()
		}
		if (err != nil) != step.fails || !strings.Contains(text, step.says) {
			t.Errorf("%s: %s", step.name, text)
		}
		if !step.fails && !strings.Contains(text, `"equals": "`+good.Measurement) {
			t.Errorf("%s: the policy is not printed: %s", step.name, text)
		}
		after, readErr := os.ReadFile(filepath.Join(dir, "demo-pub.pem"))
		if changed := readErr == nil && !bytes.Equal(after, public); changed != step.newKey {
			t.Errorf("%s: another public key: %t, want %t", step.name, changed, step.newKey)
		}
		public = after
	}
}
