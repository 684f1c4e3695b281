package skrclient_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"kafka-e2ee/skrclient"
)

func jwk(t testing.TB) string {
	t.Helper()
	text, err := jose.JSONWebKey{Key: demoKey()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A user of Confidential Containers would lose the key, or not learn why it is missing.
func TestHub(t *testing.T) {
	answer := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/cdh/resource/default/key/demo" || r.ContentLength != 0 {
				t.Errorf("got %s %s with %d bytes", r.Method, r.URL.Path, r.ContentLength)
			}
			w.Header().Set("Content-Type", "application/octet-stream")
			w.WriteHeader(status)
			send(w, text)
		}
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		cause   skrclient.Cause // empty: the key
	}{
		"released": {answer(200, jwk(t)), ""},
		"denied":   {answer(500, "ttrpc request error"), skrclient.CauseResource},
		"huge":     {answer(200, strings.Repeat("A", 2<<20)), skrclient.CauseKeyTooLong},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			send(w, "{")
		}, skrclient.CauseNotHub},
		"stalled": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, skrclient.CauseHubTimeout},
	} {
		server := httptest.NewServer(test.handler)
		timeout := time.Minute
		if test.cause == skrclient.CauseHubTimeout {
			timeout = 20 * time.Millisecond
		}
		hub, err := skrclient.NewHub(skrclient.HubConfig{URL: server.URL, Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		key, err := hub.Release(t.Context(), skrclient.Request{KeyName: "default/key/demo"})
		if test.cause == "" {
			if err != nil || !key.Equal(demoKey()) {
				t.Errorf("%s: got error %v, want the key", name, err)
			}
		} else if got := failure(t, err); got.Cause != test.cause || got.KeyName != "default/key/demo" {
			t.Errorf("%s: got %v, want %s", name, got, test.cause)
		}
		server.Close()
		if _, err = hub.Release(t.Context(), skrclient.Request{KeyName: "default/key/demo"}); failure(t, err).Cause != skrclient.CauseNoHub {
			t.Errorf("%s: got %v without a server", name, err)
		}
	}
	if _, err := skrclient.NewHub(skrclient.HubConfig{URL: "http://10.0.0.1:8006"}); err == nil {
		t.Error("a data hub across the network is accepted")
	}
}

// A user would lose the key to a path of another resource.
func TestCheckResource(t *testing.T) {
	for _, name := range []string{"default/key/demo", "a/b/c", "my_repo/rsa-3072/v1.2", strings.Repeat("a", 127) + "/b/c"} {
		if err := skrclient.CheckResource(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "demo", "key/demo", "a/b/c/d", "/b/c", "a//c", "a/b/", "../b/c", "a/../c", "a/b/.", "a/b/-c", "a/b/c?d", "a/b/c d", "a/b/c\n", "a/b/%2e", strings.Repeat("a", 128) + "/b/c"} {
		if err := skrclient.CheckResource(name); err == nil {
			t.Errorf("%q is accepted", name)
		}
	}
}

// A developer would not get a key file that appears later, or would keep an old key.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	file, err := skrclient.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(want skrclient.Cause, temporary bool) {
		t.Helper()
		key, err := file.Release(t.Context(), skrclient.Request{KeyName: "demo"})
		if want == "" {
			if err != nil || !key.Equal(demoKey()) {
				t.Errorf("got error %v, want the key", err)
			}
		} else if got := failure(t, err); got.Cause != want || got.KeyName != "demo" || got.Temporary() != temporary {
			t.Errorf("got %v, want %s", got, want)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ask(skrclient.CauseKeyFile, true)
	write("not a key")
	ask(skrclient.CauseNotKey, false)
	write(jwk(t))
	ask("", true)
	write(jwk(t) + strings.Repeat(" ", 1<<20))
	ask(skrclient.CauseKeyTooLong, false)
	if _, err := skrclient.NewFile(""); err == nil {
		t.Error("an empty path is accepted")
	}
	if file.Check(skrclient.Request{}) == nil {
		t.Error("an empty name is accepted")
	}
}

// A user would lose every message ever sent if a log or an error showed the content of a response or a key file.
func TestProvidersShowNoSecret(t *testing.T) {
	const canary = "canary-9d2c"
	answers := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := <-answers
		if answer == canary && r.Method == http.MethodGet {
			w.WriteHeader(http.StatusInternalServerError)
		} else if answer == canary {
			w.WriteHeader(http.StatusForbidden)
		}
		send(w, answer)
	}))
	defer server.Close()
	hub, err := skrclient.NewHub(skrclient.HubConfig{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	attester, err := skrclient.NewAttester(skrclient.AttesterConfig{Client: newClient(t, skrclient.Config{URL: server.URL}), MAAEndpoint: "maa.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	file, err := skrclient.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	tell := func(err error) {
		if err != nil {
			failure := failure(t, err)
			fmt.Fprintf(&out, "%v %+v %#v %s\n", failure, *failure, *failure, failure.Hint())
			log.Warn("failed", slog.Any("error", failure))
		}
	}
	broken := jwk(t)[:len(jwk(t))-20]
	for _, secret := range []string{canary, `{"error":"` + canary + `"}`, `{"token":"` + canary + `.a.b"}`, broken, broken + `"}`, jwk(t)} {
		answers <- secret
		_, err := hub.Release(t.Context(), skrclient.Request{KeyName: "default/key/demo"})
		tell(err)
		answers <- secret
		_, err = attester.Attest(t.Context())
		tell(err)
		if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = file.Release(t.Context(), skrclient.Request{KeyName: "demo"})
		tell(err)
		fmt.Fprintf(&out, "%+v %+v %+v", hub, attester, file)
	}
	if got := strings.Count(out.String(), "failed"); got < 12 {
		t.Fatalf("got %d failures, want most of them", got)
	}
	found := secrets(demoKey())
	found["body"], found["JWK"] = canary, jwk(t)[100:140]
	for name, secret := range found {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the output holds a secret: %s", name)
		}
	}
}
