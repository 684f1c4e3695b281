package web

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/access"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/openapi/openapitest"
	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/problem"
)

// documented is an OpenAPI document with requests whose answers it must describe.
type documented struct {
	*openapitest.API
	t *testing.T
}

// ask makes a request, checks its answer and returns it. It does not read event streams, which have no end.
func (d documented) ask(client *http.Client, method, url, path string, header ...string) (status int, body []byte) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, url+path, http.NoBody)
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Host = req.Header.Get("Host")
	if password := req.Header.Get("Password"); password != "" {
		req.SetBasicAuth("alice", password)
	}
	resp, err := client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		if body, err = io.ReadAll(resp.Body); err != nil {
			d.t.Fatal(err)
		}
	}
	d.Check(method, path, resp.StatusCode, resp.Header, body)
	return resp.StatusCode, body
}

// newClient makes a client with a connection of its own, which does not follow redirects.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// examples are addresses of the API's paths that have an answer.
var examples = map[string]string{
	"/api/records": "/api/records?limit=1000", "/api/records/{topic}/{partition}/{offset}": "/api/records/t/0/3", "/api/records/{topic}/{partition}/{offset}/{part}": "/api/records/t/0/3/value",
	"/api/stream": "/api/stream", "/api/export": "/api/export?format=jsonl", "/api/events": "/api/events", "/api/key": "/api/key", "/api/key/evidence": "/api/key/evidence", "/api/key/token": "/api/key/token", "/api/key/check": "/api/key/check",
	"/api/openapi.json": "/api/openapi.json", attestationPath: attestationPath,
}

const attestationPath = "/.well-known/attestation"

// Without this a program that is written from the OpenAPI document would break: on an answer with something that it does
// not name or says otherwise, or because it promises what no answer has.
func TestAnswersAreAsTheOpenAPIDocumentSays(t *testing.T) {
	d := documented{openapitest.New(t), t}
	s, client := staged(t), newClient(t)
	odd := rec(5001, feed.StateDecrypted, "\xff\xfe")
	odd.Timestamp, odd.Key, odd.Headers = time.UnixMilli(-1), []byte{}, nil
	odd.Flags = feed.Flags{Stale: true, Late: true, Unfollowed: true, Unbound: true, Repeat: true, First: -1}
	odd.OtherReaders, odd.Sender = []string{"another"}, feed.Sender{State: feed.SenderUntrusted, KeyID: "signer", Reason: feed.SenderUnknown}
	micros := rec(5002, feed.StatePlain, "in the year 57883")
	micros.Timestamp = time.UnixMilli(1_700_000_000_000_000)
	s.feed.Append(odd, micros)
	for _, reason := range feed.RejectReasons() {
		s.feed.Append(&feed.Record{Topic: "t", Offset: 6000 + int64(len(reason)), Timestamp: then, State: feed.StateRejected, Rejection: feed.Rejection{Reason: reason}})
	}

	_, body := d.ask(client, http.MethodGet, s.http.URL, "/api/records?limit=1000")
	var answer recordsJSON
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	states := make(map[feed.State]bool)
	for _, r := range answer.Records {
		states[r.State] = true
	}
	if len(states) != len(feed.States()) {
		t.Errorf("the answer has records in %d of %d states", len(states), len(feed.States()))
	}
	for name, key := range keyStates() {
		s.key = key
		if status, body := d.ask(client, http.MethodGet, s.http.URL, "/api/key"); status != http.StatusOK || !strings.Contains(string(body), string(key.State)) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	d.ask(client, http.MethodGet, s.http.URL, "/api/key/token")
	d.ask(client, http.MethodGet, s.http.URL, "/api/export?format=csv") // off
	s.exports = true
	d.ask(client, http.MethodGet, s.http.URL, "/api/export?format=csv")
	d.ask(client, http.MethodGet, s.http.URL, "/api/export")
	s.token = func() (string, bool) { return "e30.e30.", true }
	for path, example := range examples {
		if path == attestationPath {
			continue
		}
		method := d.Paths()[path][0]
		if status, _ := d.ask(client, method, s.http.URL, example); status >= http.StatusBadRequest {
			t.Errorf("%s: got %d", path, status)
		}
		d.ask(client, method, s.http.URL, example, "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors")
		d.ask(client, http.MethodDelete, s.http.URL, example)
	}
	for _, path := range []string{"/api/records?limit=0", "/api/stream?state=typo", "/api/records/t/0/99999", "/api/records/t/0/99999/value", "/api/records/t/0/3/typo"} {
		d.ask(client, http.MethodGet, s.http.URL, path)
	}
	d.ask(client, http.MethodGet, s.http.URL, "/api/records/t/0/6006/value")

	// No memory is left.
	s.broadcaster.budget = limit.NewBudget(1, 0)
	held, _ := s.broadcaster.budget.TryReserve(1)
	defer held.Release()
	s.answers = limit.NewBudget(1, time.Millisecond)
	all, _ := s.answers.TryReserve(1)
	defer all.Release()
	for _, path := range []string{"/api/records", "/api/records/{topic}/{partition}/{offset}", "/api/records/{topic}/{partition}/{offset}/{part}", "/api/events", "/api/export"} {
		if status, _ := d.ask(client, http.MethodGet, s.http.URL, examples[path]); status != http.StatusServiceUnavailable {
			t.Errorf("%s without memory: got %d", path, status)
		}
	}

	// The guard refuses.
	guarded := protected(t)
	for path, example := range examples {
		if path == attestationPath {
			continue
		}
		if status, _ := d.ask(newClient(t), d.Paths()[path][0], guarded, example); status != http.StatusUnauthorized {
			t.Errorf("%s without a password: got %d", path, status)
		}
	}
	for path, example := range examples {
		if path == attestationPath {
			continue
		}
		refused := func(want int, header ...string) bool {
			status, _ := d.ask(newClient(t), d.Paths()[path][0], guarded, example, header...)
			return status == want
		}
		if !refused(http.StatusMisdirectedRequest, "Host", "evil.example") {
			t.Errorf("%s: another host is not refused", path)
		}
		for !refused(http.StatusTooManyRequests, "Password", "right") { // failures fade
			if status, _ := d.ask(newClient(t), http.MethodGet, guarded, "/api/key", "Password", "wrong"); status == http.StatusOK {
				t.Fatal("a wrong password is accepted")
			}
		}
	}
	for path := range d.Paths() {
		if path == attestationPath {
			continue // consumer/pagetoken checks it
		}
		if unseen := d.Unseen(path); len(unseen) > 0 {
			t.Errorf("no answer has shown %q", unseen)
		}
	}
}

// Without this the document would describe the attestation's refusals wrongly, which only the attested address has.
func TestRefusalsOfTheAttestationAreDocumented(t *testing.T) {
	d, ready := documented{openapitest.New(t), t}, true
	_, attested := bothWays(t, access.Settings{AttestedAddr: "127.0.0.1:1", Hosts: []string{"127.0.0.1"}}, &ready)
	for want, header := range map[int][]string{http.StatusForbidden: {"Sec-Fetch-Site", "cross-site"}, http.StatusMisdirectedRequest: {"Host", "evil.example"}} {
		if status, _ := d.ask(newClient(t), http.MethodGet, attested, attestationPath, header...); status != want {
			t.Errorf("got %d, want %d", status, want)
		}
	}
	d.ask(newClient(t), http.MethodDelete, attested, attestationPath)
	client := newClient(t)
	for status := http.StatusOK; status != http.StatusTooManyRequests; {
		status, _ = d.ask(client, http.MethodDelete, attested, attestationPath)
	}
	if unseen := d.Unseen(attestationPath); len(unseen) != 4 { // 200, 400, 404, 503: consumer/pagetoken has them
		t.Errorf("no answer has shown %q", unseen)
	}
}

// Without this an address would be missing in the document, or a value that an answer can have.
func TestOpenAPIDocumentIsComplete(t *testing.T) {
	api, s := openapitest.New(t), newSite(t, 1)
	want := map[string][]string{attestationPath: {http.MethodGet}}
	for _, r := range s.apiRoutes() {
		want[r.path] = slices.DeleteFunc(strings.Split(r.methods, ", "), func(method string) bool { return method == http.MethodHead })
	}
	if got := api.Paths(); !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("the document has %v, the server %v", got, want)
	}
	flags := []string{"stale", "repeat", "gap", "late", "unfollowed", "moved", "unbound", "readers"}
	codes := []string{"bad_query", "bad_nonce", "nothing_attests", "too_many_verifiers", "key_renewed", "not_attested", "not_attested_yet"}
	for _, id := range s.english().IDs() {
		if code, found := strings.CutPrefix(id, "error."); found {
			codes = append(codes, code)
		}
	}
	for i, code := range codes {
		codes[i] = problem.TypePrefix + code
	}
	for _, test := range []struct {
		schema, property string
		want             []string
	}{
		{"Record", "state", texts(feed.States())},
		{"Record", "reject_reason", append(texts(feed.RejectReasons()), "")},
		{"Record", "flags", flags},
		{"Sender", "state", texts(feed.SenderStates())},
		{"KeyState", "", texts(podstatus.KeyStates())},
		{"KeyInfo", "state", texts(podstatus.KeyStates())},
		{"Check", "result", texts([]podstatus.CheckResult{podstatus.CheckEqual, podstatus.CheckDifferent, podstatus.CheckNotChecked})},
		{"Token", "state", append(texts([]podstatus.AttestationState{podstatus.AttestationChecked, podstatus.AttestationUnchecked, podstatus.AttestationFailed}), "")},
		{"Problem", "type", codes},
	} {
		got := api.Enum(test.schema, test.property)
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s.%s may be %q, want %q", test.schema, test.property, got, test.want)
		}
	}
}

// Without this a program's author would meet an address, a value or an error that nothing explains.
func TestAPIIsExplained(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	api := openapitest.New(t)
	words := slices.Concat(api.Enum("Record", "state"), api.Enum("Record", "flags"), api.Enum("Sender", "state"), api.Enum("KeyState", ""), api.Enum("Check", "result"), texts(feed.RejectReasons()), texts(feed.Problems()))
	for _, code := range api.Enum("Problem", "type") {
		words = append(words, strings.TrimPrefix(code, problem.TypePrefix))
	}
	for name := range api.Schemas["Record"].Properties {
		words = append(words, name)
	}
	for _, word := range words {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("docs/api.md does not explain %q", word)
		}
	}
	for path, methods := range api.Paths() {
		if !strings.Contains(string(text), methods[0]+" "+path+"`") {
			t.Errorf("docs/api.md does not name %s %s", methods[0], path)
		}
	}
}

func texts[S ~string](all []S) (list []string) {
	for _, name := range all {
		list = append(list, string(name))
	}
	return list
}
