package keys

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/settings"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/skrtest"
	"kafka-e2ee/web/podstatus"
)

// open loads and opens settings, as the consumer does.
func open(t *testing.T, env map[string]string) *Source {
	t.Helper()
	var s Settings
	if err := settings.Load(&s, func(name string) (string, bool) { v, ok := env[name]; return v, ok }); err != nil {
		t.Fatal(err)
	}
	source, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// Without it the article's spelling of an endpoint, or the original programs', would stop the consumer, or would not
// match the service's own name.
func TestEndpointsAsTheOriginalTakesThem(t *testing.T) {
	for _, spelling := range []string{"myKeyVault.vault.azure.net", "https://myKeyVault.vault.azure.net/", "HTTPS://MYKEYVAULT.vault.azure.net", "mykeyvault.vault.azure.net//\n"} {
		source := open(t, map[string]string{"SkrClientKID": "demo", "SkrClientMAAEndpoint": spelling, "SkrClientAKVEndpoint": spelling})
		request := source.requests()[0]
		if want := "mykeyvault.vault.azure.net"; request.MAAEndpoint != want || request.AKVEndpoint != want {
			t.Errorf("%q: %+v", spelling, request)
		}
	}
}

// Without it a consumer with incomplete settings would not start, or nobody would learn what is missing.
func TestIncompleteSettingsAreAState(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"none":           {nil, ""},
		"the original's": {map[string]string{"SkrClientKID": "x", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": ""}, "SkrClientAKVEndpoint"},
		"one":            {map[string]string{"SkrClientAKVEndpoint": "v.example"}, "SkrClientKID SkrClientMAAEndpoint"},
		"data hub":       {map[string]string{"KEY_PROVIDER": "cdh"}, "SkrClientKID"},
	} {
		source, log := open(t, test.env), new(strings.Builder)
		k, err := New(source, Config{Log: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		status := k.Status()
		if status.State != podstatus.KeyNotConfigured || strings.Join(status.Missing, " ") != test.want || !strings.Contains(log.String(), strings.Join(source.unset(), ", ")) {
			t.Errorf("%s: %+v, log %s", name, status, log)
		}
	}
}

// Without it a busy vault would look like one that refuses, or a refusal like a failure that passes by itself.
func TestPending(t *testing.T) {
	for cause, want := range map[skrclient.Cause]podstatus.Pending{
		skrclient.CauseThrottled: podstatus.PendingBusy, skrclient.CauseNetwork: podstatus.PendingUnavailable, skrclient.CauseHostNotFound: podstatus.PendingUnavailable, skrclient.CauseServiceFailed: podstatus.PendingUnavailable,
		skrclient.CauseIdentityProvider: podstatus.PendingUnavailable, skrclient.CauseUntrustedCertificate: podstatus.PendingUnavailable, skrclient.CauseNoReport: podstatus.PendingNoProof, skrclient.CauseNoCertificates: podstatus.PendingNoProof,
		skrclient.CauseHubStarting: podstatus.PendingStarting, skrclient.CauseNotLoopback: podstatus.PendingElsewhere,
		skrclient.CausePolicy: "", skrclient.CauseNoRole: "", skrclient.CauseUnknownReason: "", skrclient.CauseAttestation: "",
	} {
		if got := pending(&skrclient.Error{Cause: cause}); got != want {
			t.Errorf("%s: got %q, want %q", cause, got, want)
		}
	}
}

// Without it the command on the page would ask another vault, or none, or do something else in a shell.
func TestVerifyCommand(t *testing.T) {
	skr := map[string]string{"SkrClientKID": "demo/7,other", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "my.vault.azure.net"}
	const want = "az rest --resource 'https://vault.azure.net' --url 'https://my.vault.azure.net/keys/demo/7?api-version=7.4' --query release_policy.data -o tsv | tr -- '-_' '+/' | jq -Rr @base64d"
	if got := open(t, skr).verifyCommand(); got != want {
		t.Errorf("got %s", got)
	}
	for _, none := range []map[string]string{nil, {"SkrClientKID": "demo", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "vault.lab.example"}, {"KEY_PROVIDER": "cdh", "SkrClientKID": "a/b/c"}, {"KEY_PROVIDER": "file", "KEY_FILE": "f"}} {
		if got := open(t, none).verifyCommand(); got != "" {
			t.Errorf("%v: got %s", none, got)
		}
	}
}

// Without it a key that somebody put into the vault in place of the expected one could decrypt, or nobody would see it.
func TestUnexpectedKeyIsNotSet(t *testing.T) {
	foreign, expected := newKey(t), newKey(t)
	sidecar, err := skrtest.New(map[string]*rsa.PrivateKey{"demo": foreign, "next": expected})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sidecar)
	defer server.Close()
	source := open(t, map[string]string{
		"SkrClientKID": "demo,next", "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example", "SKR_URL": server.URL,
		"EXPECTED_KEY_IDS": envelope.KeyID(&expected.PublicKey),
	})
	var mu sync.Mutex
	var set []*rsa.PrivateKey
	attempts := make(chan string, 10)
	k, err := New(source, Config{
		SetKeys: func(keys []*rsa.PrivateKey) error {
			mu.Lock()
			defer mu.Unlock()
			set = append(set, keys...)
			return nil
		},
		OnAttempt:  func(outcome string) { attempts <- outcome },
		OnReleased: func() { t.Error("every key is said to be released") },
		OnChange:   func() {}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	if first, second := <-attempts, <-attempts; first != "unexpected" || second != "released" {
		t.Errorf("outcomes %s, %s", first, second)
	}
	cancel()
	<-done
	mu.Lock()
	defer mu.Unlock()
	if len(set) != 1 || !set[0].Equal(expected) {
		t.Errorf("%d keys are set, want the expected one", len(set))
	}
	status := k.Status()
	if status.State != podstatus.KeyUnexpected || status.Reason != string(skrclient.CauseUnexpectedKey) || !slices.Equal(status.ExpectedIDs, source.expectedIDs) ||
		status.Keys[0] != (podstatus.KeyInfo{Name: "demo", State: podstatus.KeyUnexpected, UnexpectedID: envelope.KeyID(&foreign.PublicKey)}) {
		t.Errorf("got %+v", status)
	}
}

// Without it the page, and the lab's console, would show the oldest key first, as the current one, after each restart: then
// every version is released at once.
func TestNewestVersionIsFirst(t *testing.T) {
	keys := []*rsa.PrivateKey{newKey(t), newKey(t), newKey(t), newKey(t)} // the oldest first
	for _, names := range []string{"demo,demo/2,demo/1", "demo/2,demo/1,demo"} {
		sidecar, err := skrtest.New(map[string]*rsa.PrivateKey{"demo": keys[2], "demo/2": keys[1], "demo/1": keys[0]})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(sidecar)
		source := open(t, map[string]string{"SkrClientKID": names, "SkrClientMAAEndpoint": "m.example", "SkrClientAKVEndpoint": "v.example", "SKR_URL": server.URL})
		run := func(before *Requester, keys int) *Requester {
			set := make(chan int, 10)
			k, err := New(source, Config{
				SetKeys:   func(keys []*rsa.PrivateKey) error { set <- len(keys); return nil },
				OnAttempt: func(string) {}, OnReleased: func() {}, OnChange: func() {}, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			if before != nil { // it asks again without a wait
				k.keyring, k.ranks, k.held = before.keyring, before.ranks, before.held
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); k.Run(ctx) }()
			for <-set < keys {
				continue
			}
			cancel()
			<-done
			return k
		}
		started := run(nil, 3)
		wantHeld(t, started, keys[2], keys[1], keys[0])
		if err := sidecar.SetKey("demo", keys[3]); err != nil { // a rotation
			t.Fatal(err)
		}
		wantHeld(t, run(started, 4), keys[3], keys[2], keys[1], keys[0])
		server.Close()
	}
}

func wantHeld(t *testing.T, k *Requester, want ...*rsa.PrivateKey) {
	t.Helper()
	held := k.Status().Held
	if len(held) != len(want) {
		t.Fatalf("%d keys are held, want %d", len(held), len(want))
	}
	for i, key := range want {
		if held[i].ID != envelope.KeyID(&key.PublicKey) {
			t.Errorf("%v: the key at place %d is not the one of version %d", k.names, i, len(want)-i)
		}
	}
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
