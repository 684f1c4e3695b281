package skrclient_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/skrtest"
)

// directTransport calls a sidecar without a network, because synctest's clock does not stop for network I/O.
type directTransport struct {
	sidecar *skrtest.Sidecar
	absent  atomic.Bool
}

func (w *directTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	if w.absent.Load() {
		return nil, syscall.ECONNREFUSED
	}
	recorder := httptest.NewRecorder()
	w.sidecar.ServeHTTP(recorder, request)
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

type testKeeper struct {
	*skrclient.Keeper
	wire     *directTransport
	keys     [][]skrclient.KeyState
	outcomes []string
	log      bytes.Buffer
	stop     func() error
}

// startKeeper runs a keeper for the named keys. It needs a synctest bubble.
func startKeeper(t *testing.T, setUp func(*directTransport), names ...string) *testKeeper {
	t.Helper()
	return startExpecting(t, nil, setUp, names...)
}

// startExpecting is startKeeper with the ids of the keys that may be used.
func startExpecting(t *testing.T, ids []string, setUp func(*directTransport), names ...string) *testKeeper {
	t.Helper()
	w := &testKeeper{wire: &directTransport{sidecar: newSidecar(t)}}
	setUp(w.wire)
	var requests []skrclient.Request
	for _, name := range names {
		requests = append(requests, request(name))
	}
	keeper, err := skrclient.NewKeeper(skrclient.KeeperConfig{
		Client:   newClient(t, skrclient.Config{URL: "http://localhost:8080", Transport: w.wire}),
		Requests: requests, ExpectedIDs: ids,
		OnKeys:    func(keys []skrclient.KeyState) { w.keys = append(w.keys, keys) },
		OnAttempt: func(outcome string) { w.outcomes = append(w.outcomes, outcome) },
		Logger:    slog.New(slog.NewJSONHandler(&w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Keeper = keeper
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- keeper.Run(ctx) }()
	w.stop = func() error { cancel(); return <-done }
	synctest.Wait()
	return w
}

func (w *testKeeper) want(t *testing.T, state skrclient.State, attempts int) skrclient.Status {
	t.Helper()
	synctest.Wait()
	status := w.Status()
	if status.State != state || status.Attempts != attempts {
		t.Fatalf("got %s after %d rounds, want %s after %d", status.State, status.Attempts, state, attempts)
	}
	return status
}

func (w *testKeeper) end(t *testing.T) {
	t.Helper()
	if err := w.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v from Run, want canceled", err)
	}
}

// A user would lose the messages of a pod whose sidecar starts late, or see a busy loop.
func TestKeeperLateRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKeeper(t, func(wire *directTransport) { wire.absent.Store(true) }, "demo")
		defer w.end(t)
		started := time.Now()
		for round, full := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			status := w.want(t, skrclient.StateUnreachable, round+1)
			wait := time.Until(status.NextAttempt)
			if full *= time.Second; wait < full/2 || wait > full {
				t.Fatalf("round %d: next in %s, want %s to %s", round, wait, full/2, full)
			}
			if !status.Since.Equal(started) || status.Last.Kind != skrclient.KindUnreachable {
				t.Fatalf("got since %s and %v, want the first failure's time and cause", status.Since, status.Last)
			}
			if round == 8 {
				w.wire.absent.Store(false)
			}
			time.Sleep(wait)
		}
		status := w.want(t, skrclient.StateReleased, 10)
		if !status.NextAttempt.IsZero() || status.Last != nil || !status.Since.Equal(time.Now()) || !status.Keys[0].Private().Equal(demoKey()) {
			t.Errorf("got %+v, want the key and no next attempt", status)
		}
		if len(w.keys) != 1 || len(w.keys[0]) != 1 || w.keys[0][0].Name != "demo" || !w.keys[0][0].Private().Equal(demoKey()) {
			t.Errorf("got keys %v, want one call with the key", w.keys)
		}
		time.Sleep(24 * time.Hour)
		w.want(t, skrclient.StateReleased, 10)
		if got := strings.Count(w.log.String(), "\n"); got != 2 {
			t.Errorf("got %d log lines, want one for the failure and one for the key", got)
		}
	})
}

// A user would not learn the reason of a refusal, or would wait forever after it was lifted.
func TestKeeperRefusalThenRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKeeper(t, func(wire *directTransport) { wire.sidecar.Refuse(skrtest.RefusalPolicy) }, "demo")
		defer w.end(t)
		status := w.want(t, skrclient.StateRefused, 1)
		if status.Last.Step != skrclient.StepPolicy || time.Until(status.NextAttempt) < 30*time.Second {
			t.Errorf("got %v, next in %s; want the step policy and at least half a minute", status.Last, time.Until(status.NextAttempt))
		}
		w.wire.sidecar.Behave(skrtest.Garbage)
		time.Sleep(time.Until(status.NextAttempt))
		status = w.want(t, skrclient.StateWaiting, 2)
		if status.Last.Kind != skrclient.KindMalformed {
			t.Errorf("got %v, want malformed", status.Last)
		}
		w.wire.sidecar.Behave(skrtest.Stall)
		time.Sleep(time.Until(status.NextAttempt))
		w.want(t, skrclient.StateWaiting, 3)
		time.Sleep(skrclient.DefaultTimeout)
		status = w.want(t, skrclient.StateWaiting, 3)
		if status.Last.Kind != skrclient.KindTimeout {
			t.Errorf("got %v, want a timeout", status.Last)
		}
		w.wire.sidecar.Behave(skrtest.Release)
		time.Sleep(time.Until(status.NextAttempt))
		w.want(t, skrclient.StateReleased, 4)
		if got, want := fmt.Sprint(w.outcomes), "[refused malformed timeout released]"; got != want {
			t.Errorf("got outcomes %s, want %s", got, want)
		}
	})
}

// A user would lose the messages of a released key because another key is missing.
func TestKeeperTwoKeysOneMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKeeper(t, func(*directTransport) {}, "missing", "demo")
		defer w.end(t)
		status := w.want(t, skrclient.StateRefused, 1)
		if status.Keys[0].State != skrclient.StateRefused || status.Keys[0].Private() != nil || status.Keys[1].State != skrclient.StateReleased {
			t.Fatalf("got %+v, want the first refused and the second released", status.Keys)
		}
		status.Keys[0].State = skrclient.StateReleased // must not change the keeper's
		if err := w.wire.sidecar.SetKey("missing", otherKey()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the released key is not requested again
		w.want(t, skrclient.StateReleased, 2)
		if len(w.keys) != 2 || len(w.keys[0]) != 1 || len(w.keys[1]) != 2 || w.keys[1][0].Name != "missing" || w.keys[1][1].Name != "demo" {
			t.Errorf("got keys %v, want one and then both in the order of the requests", w.keys)
		}
		if got := w.wire.sidecar.Requests(); got != 3 {
			t.Errorf("got %d requests, want 3", got)
		}
	})
}

// A user would overload the services by pressing a button, wait although nobody has pressed it before, or lose a released
// key to a later refusal.
func TestKeeperRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKeeper(t, func(*directTransport) {}, "demo")
		defer w.end(t)
		first := w.want(t, skrclient.StateReleased, 1)
		if !first.Confirmed.IsZero() {
			t.Errorf("the first release is taken for a second one, at %s", first.Confirmed)
		}
		w.Refresh()
		synctest.Wait()
		again := w.want(t, skrclient.StateReleased, 2) // at once
		if again.Confirmed.IsZero() || !again.Since.Equal(first.Since) {
			t.Errorf("released again: since %s, confirmed %s", again.Since, again.Confirmed)
		}
		w.wire.sidecar.Refuse(skrtest.RefusalRole)
		time.Sleep(4 * time.Second)
		for press, want := range []bool{true, false, false} {
			accepted := w.Refresh()
			synctest.Wait()
			if wait := time.Until(w.Status().NextAttempt); accepted != want || wait != 6*time.Second {
				t.Fatalf("press %d: got %v, in %s; want %v, 10s after the last refresh", press, accepted, wait, want)
			}
		}
		if status := w.want(t, skrclient.StateReleased, 2); time.Until(status.NextAttempt) != 6*time.Second {
			t.Errorf("got the next attempt in %s, want 6s", time.Until(status.NextAttempt))
		}
		time.Sleep(6 * time.Second)
		status := w.want(t, skrclient.StateReleased, 3)
		if status.Last == nil || status.Last.Cause != skrclient.CauseNoRole || !status.Keys[0].Private().Equal(demoKey()) {
			t.Errorf("got %+v, want the key and the refusal", status)
		}
		if !status.Confirmed.Equal(again.Confirmed) {
			t.Errorf("a refusal is taken for a release, at %s", status.Confirmed)
		}
		if err := w.wire.sidecar.SetKey("demo", otherKey()); err != nil {
			t.Fatal(err)
		}
		w.wire.sidecar.Behave(skrtest.Release)
		time.Sleep(time.Hour)
		if !w.Refresh() {
			t.Error("the refresh is not accepted")
		}
		status = w.want(t, skrclient.StateReleased, 4)
		if status.Last != nil || len(w.keys) != 2 || !w.keys[1][0].Private().Equal(otherKey()) {
			t.Errorf("got %+v, want the changed key passed to OnKeys", status)
		}
	})
}

// A user's messages would be encrypted for, and read with, a key of whoever replaced it in the vault.
func TestKeeperUnexpectedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		demo, other := idOf(demoKey()), idOf(otherKey())
		w := startExpecting(t, []string{"another", demo}, func(wire *directTransport) {
			if err := wire.sidecar.SetKey("demo", otherKey()); err != nil {
				t.Fatal(err)
			}
		}, "missing", "demo")
		defer w.end(t)
		status := w.want(t, skrclient.StateUnexpected, 1) // though the first key is refused
		unexpected := func(held *rsa.PrivateKey) {
			t.Helper()
			key := status.Keys[1]
			if key.State != skrclient.StateUnexpected || key.UnexpectedID != other || key.Private() != held || status.Last == nil || status.Last.Kind != skrclient.KindUnexpected || status.NextAttempt.IsZero() {
				t.Fatalf("got %+v, %v", key, status.Last)
			}
		}
		unexpected(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if status = w.Status(); status.Attempts < 10 || len(w.keys) != 0 {
			t.Fatalf("after %d rounds: keys %v, want it to ask on, and no key", status.Attempts, w.keys)
		}
		unexpected(nil)
		if log := w.log.String(); strings.Count(log, "unexpected key released") != 1 || !strings.Contains(log, other) || !strings.Contains(log, demo) {
			t.Errorf("want both ids in the log, once: %s", log)
		}
		for _, name := range []string{"missing", "demo"} {
			if err := w.wire.sidecar.SetKey(name, demoKey()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if status = w.Status(); status.State != skrclient.StateReleased || status.Keys[1].UnexpectedID != "" || len(w.keys) != 2 {
			t.Fatalf("after it was restored: %+v, keys %v", status, w.keys)
		}
		// Once more, while the expected key is held: it stays, and nothing else is passed on.
		held := status.Keys[1].Private()
		if err := w.wire.sidecar.SetKey("demo", otherKey()); err != nil {
			t.Fatal(err)
		}
		w.Refresh()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		status = w.Status()
		unexpected(held)
		if status.State != skrclient.StateUnexpected || len(w.keys) != 2 {
			t.Errorf("got %+v, keys %v", status, w.keys)
		}
		w.wire.absent.Store(true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if status = w.Status(); status.State != skrclient.StateReleased || status.Last.Kind != skrclient.KindUnreachable {
			t.Errorf("the key is held, and nothing answers: got %s, %v", status.State, status.Last)
		}
		w.wire.absent.Store(false)
		if err := w.wire.sidecar.SetKey("demo", demoKey()); err != nil {
			t.Fatal(err)
		}
		w.Refresh()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if status = w.Status(); status.State != skrclient.StateReleased || status.Last != nil || status.Keys[1].UnexpectedID != "" || !status.NextAttempt.IsZero() {
			t.Errorf("restored again: got %+v", status)
		}
	})
}

// idOf is the RFC 7638 thumbprint, computed from its definition.
func idOf(key *rsa.PrivateKey) string {
	sum := sha256.Sum256(fmt.Appendf(nil, `{"e":"AQAB","kty":"RSA","n":"%s"}`, base64.RawURLEncoding.EncodeToString(key.N.Bytes())))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Records with unknown keys would overload the services, or a key that was added during a round would be missed.
func TestKeeperRefreshKeepsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKeeper(t, func(wire *directTransport) { wire.sidecar.Refuse(skrtest.RefusalRole) }, "demo")
		defer w.end(t)
		for range 3600 {
			w.Refresh()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		// One refresh in ten seconds, and the regular rounds of the first half minute.
		if got := w.Status().Attempts; got < 350 || got > 366 {
			t.Errorf("got %d rounds in an hour of refreshes, want about 360", got)
		}
		w.wire.sidecar.Behave(skrtest.Stall)
		w.Refresh()
		time.Sleep(20 * time.Second)
		before := w.Status().Attempts
		if !w.Refresh() {
			t.Error("the refresh is not accepted during a round")
		}
		w.wire.sidecar.Behave(skrtest.Release)
		time.Sleep(skrclient.DefaultTimeout)
		w.want(t, skrclient.StateReleased, before+1)
	})
}

// A user could not stop the program while an attempt hangs.
func TestKeeperCancelDuringTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startKeeper(t, func(wire *directTransport) { wire.sidecar.Behave(skrtest.Stall) }, "demo")
		w.end(t)
		if status := w.Status(); status.Last != nil || len(w.outcomes) != 0 {
			t.Errorf("got %v and outcomes %v, want no failure", status.Last, w.outcomes)
		}
	})
}

// A user would not notice an invalid setting.
func TestNewKeeperChecks(t *testing.T) {
	client, log := newClient(t, skrclient.Config{URL: "http://localhost"}), slog.New(slog.DiscardHandler)
	for name, cfg := range map[string]skrclient.KeeperConfig{
		"no client":   {Requests: []skrclient.Request{request("demo")}, Logger: log},
		"no logger":   {Requests: []skrclient.Request{request("demo")}, Client: client},
		"no request":  {Client: client, Logger: log},
		"bad request": {Client: client, Logger: log, Requests: []skrclient.Request{{KeyName: "demo"}}},
		"twice":       {Client: client, Logger: log, Requests: []skrclient.Request{request("demo"), request("demo")}},
	} {
		if _, err := skrclient.NewKeeper(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A user would lose every message ever sent if a log, an error or a page showed the key.
func TestNothingShowsASecret(t *testing.T) {
	const token = "canary-token-7f3a"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	note := func(values ...any) {
		for _, value := range values {
			fmt.Fprintf(&out, "%v %+v %#v %d %x %q\n", value, value, value, value, value, value)
			text, err := json.Marshal(value)
			if err != nil {
				t.Error(err)
			}
			out.Write(text)
		}
	}
	sidecar := newSidecar(t)
	var last skrclient.Status
	for _, setUp := range []func(){
		func() { sidecar.Refuse("canary-body-51c9 " + token) }, func() { sidecar.Refuse(skrtest.RefusalAttestation + token) },
		func() { sidecar.Behave(skrtest.TwoDocuments) }, func() { sidecar.Behave(skrtest.Garbage) }, func() { sidecar.Behave(skrtest.Release) },
	} {
		setUp()
		synctest.Test(t, func(t *testing.T) {
			log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			client := newClient(t, skrclient.Config{URL: "http://localhost", AccessTokenFile: file, Transport: &directTransport{sidecar: sidecar}})
			keeper, err := skrclient.NewKeeper(skrclient.KeeperConfig{
				Client: client, Requests: []skrclient.Request{request("demo")}, Logger: log,
				OnKeys: func(keys []skrclient.KeyState) {
					note(keys, keys[0], &keys[0])
					log.Info("keys", slog.Any("keys", keys))
				},
				OnChange: func(status skrclient.Status) { last = status; log.Info("status", slog.Any("status", status)) },
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- keeper.Run(ctx) }()
			synctest.Wait()
			cancel()
			note(<-done, last, last.Keys, last.Last)
			fmt.Fprintf(&out, "%+v %+v", client, keeper)
		})
	}
	if last.State != skrclient.StateReleased {
		t.Fatalf("got state %s, want the last run to release", last.State)
	}
	for name, secret := range secrets(demoKey()) {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the output holds the key: %s", name)
		}
	}
	for _, secret := range []string{token, "canary-body", "<html>", "is not valid", "writing the answer"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the output holds %q", secret)
		}
	}
}

// secrets returns the middle of each private number in every encoding that careless printing would use.
func secrets(key *rsa.PrivateKey) map[string]string {
	found := make(map[string]string)
	for name, number := range map[string][]byte{"d": key.D.Bytes(), "p": key.Primes[0].Bytes(), "q": key.Primes[1].Bytes()} {
		found[name+" hex"] = hex.EncodeToString(number)[10:40]
		found[name+" HEX"] = strings.ToUpper(hex.EncodeToString(number))[10:40]
		found[name+" base64"] = base64.StdEncoding.EncodeToString(number)[8:40]
		found[name+" base64url"] = base64.RawURLEncoding.EncodeToString(number)[8:40]
		found[name+" bytes"] = strings.Trim(fmt.Sprintf("%d", number[8:24]), "[]")
		found[name+" words"] = strings.Trim(fmt.Sprint(key.D.Bits()[2:6]), "[]")
	}
	found["d decimal"], found["p decimal"], found["q decimal"] = key.D.String()[10:40], key.Primes[0].String()[10:40], key.Primes[1].String()[10:40]
	return found
}
