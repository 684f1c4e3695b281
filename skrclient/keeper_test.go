package skrclient_test

import (
	"bytes"
	"context"
	"crypto/rsa"
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

// wire carries requests to a sidecar without a network, so that the tests' clock stands still while one is served.
type wire struct {
	sidecar *skrtest.Sidecar
	absent  atomic.Bool
}

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
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

type watch struct {
	*skrclient.Keeper
	wire     *wire
	keys     [][]skrclient.Key
	outcomes []string
	log      bytes.Buffer
	stop     func() error
}

// keep runs a keeper for the named keys; call it in a synctest bubble.
func keep(t *testing.T, setUp func(*wire), names ...string) *watch {
	t.Helper()
	w := &watch{wire: &wire{sidecar: newSidecar(t)}}
	setUp(w.wire)
	var requests []skrclient.Request
	for _, name := range names {
		requests = append(requests, request(name))
	}
	keeper, err := skrclient.NewKeeper(skrclient.KeeperConfig{
		Client:    newClient(t, skrclient.Config{URL: "http://localhost:8080", Transport: w.wire}),
		Requests:  requests,
		OnKeys:    func(keys []skrclient.Key) { w.keys = append(w.keys, keys) },
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

func (w *watch) want(t *testing.T, state skrclient.State, attempts int) skrclient.Status {
	t.Helper()
	synctest.Wait()
	status := w.Status()
	if status.State != state || status.Attempts != attempts {
		t.Fatalf("got %s after %d rounds, want %s after %d", status.State, status.Attempts, state, attempts)
	}
	return status
}

func (w *watch) end(t *testing.T) {
	t.Helper()
	if err := w.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v from Run, want canceled", err)
	}
}

// A user would lose the messages of a pod whose sidecar starts after the program, or see a busy loop.
func TestKeeperLateRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := keep(t, func(wire *wire) { wire.absent.Store(true) }, "demo")
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
			t.Errorf("got %+v, want the key and nothing planned", status)
		}
		if len(w.keys) != 1 || len(w.keys[0]) != 1 || w.keys[0][0].Name != "demo" || !w.keys[0][0].Private().Equal(demoKey()) {
			t.Errorf("got keys %v, want one call with the key", w.keys)
		}
		time.Sleep(24 * time.Hour)
		w.want(t, skrclient.StateReleased, 10)
		if got := strings.Count(w.log.String(), "\n"); got != 2 {
			t.Errorf("got %d log lines, want one for the absence and one for the key", got)
		}
	})
}

// A user would lose the reason of a refusal, or wait for ever although the refusal was lifted.
func TestKeeperRefusalThenRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := keep(t, func(wire *wire) { wire.sidecar.Refuse(skrtest.RefusalPolicy) }, "demo")
		defer w.end(t)
		status := w.want(t, skrclient.StateRefused, 1)
		if status.Last.Step != skrclient.StepPolicy || time.Until(status.NextAttempt) < 30*time.Second {
			t.Errorf("got %v, next in %s; want the policy named and half a minute at least", status.Last, time.Until(status.NextAttempt))
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

// A user would lose the messages of the key that is there to the key that is not.
func TestKeeperTwoKeysOneMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := keep(t, func(*wire) {}, "missing", "demo")
		defer w.end(t)
		status := w.want(t, skrclient.StateRefused, 1)
		if status.Keys[0].State != skrclient.StateRefused || status.Keys[0].Private() != nil || status.Keys[1].State != skrclient.StateReleased {
			t.Fatalf("got %+v, want the first refused and the second released", status.Keys)
		}
		status.Keys[0].State = skrclient.StateReleased // a reader's copy is its own
		if err := w.wire.sidecar.SetKey("missing", otherKey()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // the key that is there is not asked for again
		w.want(t, skrclient.StateReleased, 2)
		if len(w.keys) != 2 || len(w.keys[0]) != 1 || len(w.keys[1]) != 2 || w.keys[1][0].Name != "missing" || w.keys[1][1].Name != "demo" {
			t.Errorf("got keys %v, want one and then both in the order of the requests", w.keys)
		}
		if got := w.wire.sidecar.Requests(); got != 3 {
			t.Errorf("got %d requests, want 3", got)
		}
	})
}

// A user would lose the services to a button that is pressed again and again, or a held key to a later refusal.
func TestKeeperAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := keep(t, func(*wire) {}, "demo")
		defer w.end(t)
		w.want(t, skrclient.StateReleased, 1)
		w.wire.sidecar.Refuse(skrtest.RefusalRole)
		time.Sleep(4 * time.Second)
		for press, want := range []bool{true, false, false} {
			at, accepted := w.Again()
			if synctest.Wait(); accepted != want || time.Until(at) != 6*time.Second {
				t.Fatalf("press %d: got %v, in %s; want %v, 10s after the last round", press, accepted, time.Until(at), want)
			}
		}
		if status := w.want(t, skrclient.StateReleased, 1); time.Until(status.NextAttempt) != 6*time.Second {
			t.Errorf("got the next try in %s, want 6s", time.Until(status.NextAttempt))
		}
		time.Sleep(6 * time.Second)
		status := w.want(t, skrclient.StateReleased, 2)
		if status.Last == nil || status.Last.Cause != skrclient.CauseRole || !status.Keys[0].Private().Equal(demoKey()) {
			t.Errorf("got %+v, want the key kept and the refusal told", status)
		}
		if err := w.wire.sidecar.SetKey("demo", otherKey()); err != nil {
			t.Fatal(err)
		}
		w.wire.sidecar.Behave(skrtest.Release)
		time.Sleep(time.Hour)
		if at, accepted := w.Again(); !accepted || !at.Equal(time.Now()) {
			t.Errorf("got %v, at %s; want at once", accepted, at)
		}
		status = w.want(t, skrclient.StateReleased, 3)
		if status.Last != nil || len(w.keys) != 2 || !w.keys[1][0].Private().Equal(otherKey()) {
			t.Errorf("got %+v, want the changed key handed on", status)
		}
	})
}

// A user would lose the services to records that name unknown keys, or the key that came while a round was under way.
func TestKeeperAgainKeepsPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := keep(t, func(wire *wire) { wire.sidecar.Refuse(skrtest.RefusalRole) }, "demo")
		defer w.end(t)
		for range 3600 {
			w.Again()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		// One in ten seconds on demand, and the regular rounds of the first half minute.
		if got := w.Status().Attempts; got < 350 || got > 366 {
			t.Errorf("got %d rounds in an hour of demands, want about 360", got)
		}
		w.wire.sidecar.Behave(skrtest.Stall)
		w.Again()
		time.Sleep(20 * time.Second)
		before := w.Status().Attempts
		if at, accepted := w.Again(); !accepted || time.Until(at) != 10*time.Second {
			t.Errorf("got %v, in %s; want accepted during a round", accepted, time.Until(at))
		}
		w.wire.sidecar.Behave(skrtest.Release)
		time.Sleep(skrclient.DefaultTimeout)
		w.want(t, skrclient.StateReleased, before+1)
	})
}

// A user would lose a clean stop: SIGTERM must end a try that hangs.
func TestKeeperCancelDuringTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := keep(t, func(wire *wire) { wire.sidecar.Behave(skrtest.Stall) }, "demo")
		w.end(t)
		if status := w.Status(); status.Last != nil || len(w.outcomes) != 0 {
			t.Errorf("got %v and outcomes %v, want a stop that counts as no failure", status.Last, w.outcomes)
		}
	})
}

// A user would lose sight of a setting that cannot work.
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

// A user would lose every message ever sent if the key stood in one line of a log, an error or a page.
func TestNothingTellsASecret(t *testing.T) {
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
			client := newClient(t, skrclient.Config{URL: "http://localhost", AccessTokenFile: file, Transport: &wire{sidecar: sidecar}})
			keeper, err := skrclient.NewKeeper(skrclient.KeeperConfig{
				Client: client, Requests: []skrclient.Request{request("demo")}, Logger: log,
				OnKeys:   func(keys []skrclient.Key) { note(keys, keys[0], &keys[0]); log.Info("keys", slog.Any("keys", keys)) },
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

// secrets are the middles of the private numbers in every encoding that a careless print would give.
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
