package access

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Without it the page could not be opened over TLS by its names, or its key would be readable to other users.
func TestMakeCertificate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	hosts := map[string]string{"WEB_HOSTS": "page.example,192.0.2.7"}
	lookup := func(name string) (string, bool) { v, set := hosts[name]; return v, set }
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	for range 2 { // the second overwrites the first, as when all containers of a pod restart
		if err := MakeCertificate(t.Context(), folder, lookup, log); err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{"page.example": true, "192.0.2.7": true, "other.example": false, "192.0.2.8": false} {
			if err := pair.Leaf.VerifyHostname(name); (err == nil) != want {
				t.Errorf("%s: %v", name, err)
			}
		}
		if life := time.Until(pair.Leaf.NotAfter); life < 360*24*time.Hour || life > 398*24*time.Hour || pair.Leaf.IsCA {
			t.Errorf("holds for %v, authority %v", life, pair.Leaf.IsCA)
		}
		if want := fmt.Sprintf("%x", sha256.Sum256(pair.Leaf.Raw)); strings.Count(said.String(), want) != 1 {
			t.Errorf("fingerprint %s, said %s", want, said.String())
		}
		if info, err := os.Stat(filepath.Join(folder, "tls.key")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("key file: %v, %v", info, err)
		}
	}
	for broken, says := range map[string]string{"": "WEB_HOSTS: is missing", "päge.example": "making the page's certificate"} {
		err := MakeCertificate(t.Context(), folder, func(string) (string, bool) { return broken, broken != "" }, log)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", broken, err)
		}
	}
	if err := MakeCertificate(t.Context(), filepath.Join(folder, "missing"), lookup, log); err == nil {
		t.Error("a folder that is not there must be an error")
	}
}
