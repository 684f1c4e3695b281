package azure_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// Without this a person whose sign-in has ended, or whose network does not reach the vault, would get Azure's words and no
// advice, or would wait for ever.
func TestSetupKeyExplains(t *testing.T) {
	t.Parallel()
	a := newAzure(t, harness.VaultHost)
	for name, test := range map[string]struct{ said, hint string }{
		"never signed in": {"ERROR: Please run 'az login' to setup account.", "sign in with az login"},
		"expired":         {"AADSTS700082: The refresh token has expired", "sign in with az login"},
		"no network":      {"ERROR: HTTPSConnectionPool(host='" + harness.VaultHost + "', port=443): Max retries exceeded", "check the network and its proxy"},
		"no such vault":   {"ERROR: Failed to resolve '" + harness.VaultHost + "' ([Errno -2] Name or service not known)", "that a vault " + harness.VaultHost + " exists"},
		"a firewall":      {"Forbidden({\"error\":{\"innererror\":{\"code\":\"ForbiddenByFirewall\"}}})", "az keyvault network-rule add"},
		"a new role":      {"Forbidden({\"error\":{\"innererror\":{\"code\":\"ForbiddenByRbac\"}}})", "a new role can take minutes"},
	} {
		tools := t.TempDir()
		harness.WritePrograms(t, func() error {
			return os.WriteFile(filepath.Join(tools, "az"), []byte("#!/bin/sh\ncat >&2 <<'END'\n"+test.said+"\nEND\nexit 1\n"), 0o700)
		})
		out, err := a.run([]string{"PATH=" + tools + ":" + os.Getenv("PATH")}, "key", harness.VaultHost)
		if err == nil || !strings.Contains(out, test.said) || !strings.Contains(out, test.hint) {
			t.Errorf("%s: %v: %s, want the hint %q", name, err, out, test.hint)
		}
	}
	// curl's own words, with nobody at the other end.
	a.write(".curlrc", "connect-to = "+harness.VaultHost+":443:"+harness.FreeAddr(t)+"\n")
	a.write("token", "a-token-that-nobody-may-see")
	out, err := a.run([]string{"VAULT_TOKEN_FILE=" + filepath.Join(a.dir, "token")}, "key", harness.VaultHost)
	if err == nil || !strings.Contains(out, "curl: (7)") || !strings.Contains(out, "check the network and its proxy") || strings.Contains(out, "nobody-may-see") {
		t.Errorf("nobody answers: %v: %s", err, out)
	}
}
