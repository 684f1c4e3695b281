package web

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// golden compares a page with what is kept of it. What differs in every build is left out.
func golden(t *testing.T, name, page string) {
	t.Helper()
	page = regexp.MustCompile(`\?v=[0-9a-f]{16}`).ReplaceAllString(page, "?v=HASH")
	page = strings.ReplaceAll(page, "><", ">\n<") + "\n"
	path := filepath.Join("testdata", name+".html")
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, path); page != want {
		t.Errorf("%s is another page than is kept (hint: go test ./web -run Golden -update, and look at the difference)", path)
	}
}

// goldenPage does so with a main page. Its records are the same in every state of the key, and are kept once for each
// language.
func goldenPage(t *testing.T, name, lang, page string) {
	t.Helper()
	start := strings.Index(page, `<section id="records"`)
	if start < 0 {
		t.Fatal("the page has no records")
	}
	length := strings.Index(page[start:], "</section>")
	if length < 0 {
		t.Fatal("the records do not end")
	}
	golden(t, "records_"+lang, page[start:start+length])
	golden(t, "page_"+name, page[:start]+"RECORDS"+page[start+length:])
}

var then = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// staged is a site at a fixed time with a record in each state.
func staged(t *testing.T) *site {
	s := newSite(t, 100)
	s.feed.id, s.feed.now = "FEED", func() time.Time { return then.Add(time.Minute) }
	s.kafka = KafkaStatus{State: KafkaReading, Topic: "t", Share: Share{Held: 2, All: 6, Lag: 17}}
	for i, state := range States() {
		for _, format := range []string{formatRSA, "envelope"} {
			if (state == StatePlain || state == StateOversized) && format != formatRSA {
				continue
			}
			r := rec(int64(100*i+len(format)), state, `{"message":"`+string(state)+`","n":1.50}`)
			if state != StatePlain {
				r.Format = format
			}
			r.Key, r.Headers = []byte("key"), []Header{{"trace", []byte("00-ab")}, {"bin", []byte{0xff}}, {"none", nil}}
			if state == StateOversized { // it stands for a batch, and has nothing of its own
				r = &Record{Topic: r.Topic, Offset: r.Offset, From: r.Offset - 7, Timestamp: r.Timestamp, State: state}
				s.feed.Append(r)
				continue
			}
			r.Needs, r.Holds = []string{"needed"}, []string{"held"}
			if state == StateDecrypted && format != formatRSA {
				r.Sender, r.DataKey, r.Counter = Sender{State: SenderVerified, Name: "lab"}, "data-key", 7
				r.Flags = Flags{Repeat: true, First: 3, Missing: 2, Moved: true, SealedFor: 1}
			}
			s.feed.Append(r)
		}
	}
	return s
}

func keyStates() map[string]KeyStatus {
	attested := Attestation{
		State: AttestationChecked, Compared: true, Issued: then, Expires: then.Add(8 * time.Hour),
		Checks: []Check{
			{"x-ms-sevsnpvm-vmpl", "", "0", CheckNotChecked},
			{"x-ms-attestation-type", "sevsnpvm", "sevsnpvm", CheckEqual},
			{"x-ms-sevsnpvm-hostdata", "aa11", "bb22", CheckDifferent},
		},
	}
	equal := attested
	equal.Checks = attested.Checks[:2]
	unchecked := Attestation{State: AttestationUnchecked, Reason: "the attestation service's signing keys cannot be fetched", Issued: then, Expires: then}
	released := KeyStatus{State: KeyReleased, Attempts: 1, Keys: []KeyInfo{{Name: "demo", ID: "the-key", State: KeyReleased}}, Attestation: equal, Verify: "az rest --url 'https://v.example/keys/demo'"}
	held, failed := released, released
	held.Reason, held.Step, held.Attestation = "the pod's identity may not release the key", "vault", unchecked
	failed.Attestation = Attestation{State: AttestationFailed, Reason: "the attestation is refused"}
	states := map[string]KeyStatus{
		"not_configured": {State: KeyNotConfigured},
		"waiting":        {State: KeyWaiting, Attempts: 2, Reason: "the sidecar is not ready", Hint: "Nothing to do yet: it is asked again by itself. If it lasts, restart the pod.", NextAttempt: then.Add(9 * time.Second)},
		"unreachable":    {State: KeyUnreachable, URL: "http://127.0.0.1:9", Attempts: 3, Reason: "nothing answers at the sidecar's address", Hint: "Expected in an ordinary pod. In a confidential pod, check the container skr."},
		"refused":        {State: KeyRefused, Step: "policy", ByPolicy: true, Attempts: 1, Reason: "the release policy is not satisfied", Attestation: attested, Verify: released.Verify},
		"no_role":        {State: KeyRefused, Step: "vault", Attempts: 1, Reason: "the pod's identity may not release the key", Hint: "Check the pod's role."},
		"busy":           {State: KeyRefused, Passing: PassingBusy, Step: "vault", Attempts: 4, Reason: "too many requests", NextAttempt: then.Add(9 * time.Second)},
		"away":           {State: KeyRefused, Passing: PassingAway, Step: "attestation", Attempts: 4, Reason: "the service cannot be reached", Hint: "Wait."},
		"released":       released,
		"held":           held,
		"unattested":     failed,
		"from_file":      {State: KeyFromFile, Provider: "file", Attempts: 1},
		"no_file":        {State: KeyWaiting, Provider: "file", Attempts: 1, Step: "key", Reason: "the key file cannot be read", Hint: "Check that KEY_FILE is mounted and readable."},
		"data_hub":       {State: KeyRefused, Provider: "cdh", Step: "sidecar", Attempts: 1, Reason: "the resource is denied or missing, or its service is down", Hint: "Look."},
	}
	for name, k := range states {
		k.Since = then
		states[name] = k
	}
	return states
}

// Without this a state would look or read other than it was meant to, unnoticed: in each of them a viewer must find what
// it is, why, and what to do.
func TestGoldenPages(t *testing.T) {
	for name, key := range keyStates() {
		t.Run(name, func(t *testing.T) {
			s := staged(t)
			s.key = key
			_, page, _ := s.get(t, "/")
			goldenPage(t, name, "en", page)
			doc := s.doc(t, "/")
			for _, id := range []string{"verdict-title", "verdict-todo", "verdict-tried", "unproven", "proof-link", "hero-stored", "hero-seen", "tally", "strip-lag", "filter", "rows", "access"} {
				if strings.TrimSpace(doc.Find(testid(id)).Text()) == "" {
					t.Errorf("%s is missing or says nothing", id)
				}
			}
			if strings.Contains(doc.Text(), "{") != strings.Contains(doc.Text(), `{"message"`) {
				t.Error("a placeholder is left")
			}
			if rows := doc.Find(testid("row")).Length(); rows != 12 {
				t.Errorf("%d rows", rows)
			}
		})
	}
	s := staged(t)
	s.key = keyStates()["refused"]
	_, page, _ := s.get(t, "/", "Accept-Language", "ja")
	goldenPage(t, "refused_ja", "ja", page)
	_, page, _ = s.get(t, "/proof")
	golden(t, "proof", page)
}

// Without this an opened record would lack what is known of it, in a state that nobody looked at.
func TestGoldenRecords(t *testing.T) {
	s := staged(t)
	list, _ := s.feed.newest(100)
	for _, r := range list {
		_, page, _ := s.get(t, r.href()+"?part=1")
		golden(t, fmt.Sprintf("record_%s_%d", r.State, r.Offset), page)
		doc := s.doc(t, r.href())
		if doc.Find(testid("part-hex")).Length() > 0 || doc.Find(testid("headers")).First().Find("dt").Length() != len(r.Headers) || doc.Find(testid("part-json")).Length() > 1 {
			t.Errorf("%s: %s", r.State, doc.Find(testid("record")).Text())
		}
		if need := doc.Find(testid("record-need")).Text() != ""; need != (r.State == StateNoKey || r.State == StateUnknownKey || r.State == StateUndecryptable) {
			t.Errorf("%s: says what it needs: %v", r.State, need)
		}
	}
}

// Without this a link to a record would lead nowhere, or to another one.
func TestPermalinks(t *testing.T) {
	s := newSite(t, 2)
	long := rec(7, StateDecrypted, strings.Repeat("x", 30<<10)+"the end")
	for i := range fewHeaders + 5 {
		long.Headers = append(long.Headers, Header{Key: fmt.Sprint("h", i), Value: []byte("v")})
	}
	s.feed.Append(long)
	part := func(path, id string) string { return s.doc(t, path).Find(testid(id)).Text() }
	if got := part("/records/t/0/7", "contents-value"); strings.Contains(got, "the end") || !strings.Contains(got, "30727 bytes") || !strings.Contains(got, "not shown: 5") {
		t.Errorf("a long record: %.200s", got)
	}
	if href := s.doc(t, "/records/t/0/7").Find(testid("load-all")).AttrOr("href", ""); !strings.Contains(part(href, "contents-value"), "the end") || !strings.Contains(part(href, "headers"), "h54") {
		t.Errorf("all of it, at %s, is not all", href)
	}
	for name, want := range map[string][]byte{"value": long.Value, "wire": long.Wire} {
		status, got, header := s.get(t, "/api/records/t/0/7/"+name)
		if status != http.StatusOK || got != string(want) || header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s as it is: %d, %d bytes of %s", name, status, len(got), header.Get("Content-Type"))
		}
	}
	for path, want := range map[string]int{
		"/records/t/0/8": 404, "/records/t/1/7": 404, "/records/u/0/7": 404, "/records/t/0/7?part=1": 200, "/records/t/0/8?part=1": 200,
		"/records/t/x/7": 404, "/records/t/0/-7": 404, "/records/t/99999999999/7": 404, "/records/t/0/7/8": 404, "/api/records/t/0/8/value": 404, "/api/records/t/0/7/secret": 404,
	} {
		if got, page, _ := s.get(t, path); got != want || strings.Contains(path, "part=1") == strings.Contains(page, "<html") && want == 200 {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
	s.feed.Append(rec(8, StatePlain, "a"), rec(9, StatePlain, "b"))
	if got := part("/records/t/0/7", "gone"); !strings.Contains(got, "not held here") || !strings.Contains(got, "kcat -C -b $BROKERS -t t -p 0 -o 7 -c 1") {
		t.Errorf("one that has left: %s", got)
	}
	if got := part("/records/t%60rm%60/0/7", "gone"); strings.Contains(got, "kcat") || got == "" {
		t.Errorf("a link that somebody made becomes a command: %s", got)
	}
}

// Without this the page would be called live while nothing can come, or say nothing of what is missing.
func TestKafkaIsTold(t *testing.T) {
	s := newSite(t, 10)
	now := then.Add(time.Minute)
	s.feed.now = func() time.Time { return now }
	for name, test := range map[string]struct {
		status KafkaStatus
		text   string
		away   bool
	}{
		"first":       {KafkaStatus{State: KafkaConnecting, Since: now}, "Connecting to Kafka since 03:03:01 UTC.", true},
		"slow":        {KafkaStatus{State: KafkaConnecting, Since: then}, "since 03:02:01 UTC: no broker has answered yet. Check that BROKERS is right", true},
		"unreachable": {KafkaStatus{State: KafkaUnreachable, Cause: "no broker answers", Check: "BROKERS", Since: then}, "no broker answers. Check BROKERS.", true},
		"refused":     {KafkaStatus{State: KafkaRefused, Cause: "this user is not authorized for the topic", Check: "TOPIC", Since: then}, "Kafka refuses this pod since 03:02:01 UTC: this user is not authorized for the topic. Check TOPIC.", true},
		"no topic":    {KafkaStatus{State: KafkaNoTopic, Topic: "t"}, "Topic t does not exist.", true},
		"empty":       {KafkaStatus{State: KafkaReading, Topic: "t"}, "No records yet in t.", false},
	} {
		s.kafka = test.status
		at := s.doc(t, "/").Find(testid("kafka"))
		if _, away := at.Attr("data-away"); !strings.Contains(at.Text(), test.text) || away != test.away {
			t.Errorf("%s: %s, away %v", name, at.Text(), away)
		}
	}
	s.kafka = KafkaStatus{State: KafkaReading, Share: Share{Held: 2, All: 6, Lag: 17}}
	for range 10 {
		s.feed.Append(rec(s.offset(), StateMalformed, "x"))
	}
	now = now.Add(time.Second)
	strip := s.doc(t, "/").Find(testid("strip"))
	for id, want := range map[string]string{"rate": "2.0", "lag": "17", "partitions": "2 of 6", "failures": "10"} {
		if got := strip.Find(testid("strip-" + id)).Text(); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %s", id, got, want)
		}
	}
	s.kafka.Share.Leaderless = 1
	if got := s.doc(t, "/").Find(testid("strip-partitions")).Text(); !strings.Contains(got, "1 without a leader") {
		t.Errorf("a partition that nobody can read: %q", got)
	}
	now = now.Add(time.Hour)
	if got := s.doc(t, "/").Find(testid("strip-rate") + " dd").Text(); strings.TrimSpace(got) != "0" {
		t.Errorf("an hour later: %q a second", got)
	}
}

func (s *site) offset() int64 { n, _ := s.feed.held(); return int64(n) }

// Without this a page that is opened while the server restarts would have no looks, or an old build's.
func TestAssetsAreKept(t *testing.T) {
	s := newSite(t, 1)
	href := s.doc(t, "/").Find(`link[rel="stylesheet"]`).AttrOr("href", "")
	_, style, header := s.get(t, href)
	if !strings.Contains(style, ":root") || !strings.Contains(header.Get("Cache-Control"), "immutable") || header.Get("Etag") == "" || !strings.HasPrefix(header.Get("Content-Type"), "text/css") {
		t.Errorf("%s: %v", href, header)
	}
	for path, want := range map[string]string{"/static/style.css": "no-cache", "/static/style.css?v=0000": "no-cache"} {
		if _, _, header := s.get(t, path); header.Get("Cache-Control") != want {
			t.Errorf("%s is kept: %s", path, header.Get("Cache-Control"))
		}
	}
	if status, _, _ := s.get(t, "/static/style.css", "If-None-Match", header.Get("Etag")); status != http.StatusNotModified {
		t.Errorf("got %d for what the browser has", status)
	}
	if status, _, _ := s.get(t, "/static/other"); status != http.StatusNotFound {
		t.Errorf("a file that is not there: %d", status)
	}
	if size := len(readFile(t, "static/app.js")); bytes.Count([]byte(readFile(t, "static/app.js")), []byte("\n")) > 400 || size == 0 {
		t.Error("the script has more than 400 lines")
	}
}

// Without this evidence that is kept would hold a message or a token, or not what was expected and measured.
func TestEvidence(t *testing.T) {
	s := newSite(t, 10)
	s.token = func() (string, bool) { return "e30.secret-token", true }
	s.key = keyStates()["refused"]
	s.feed.Append(rec(1, StateDecrypted, "the message"))
	status, body, header := s.get(t, "/api/key/evidence")
	var e evidenceJSON
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != http.StatusOK || !strings.Contains(header.Get("Content-Disposition"), "evidence.json") {
		t.Fatalf("%d %v %s", status, err, body)
	}
	if len(e.Key.Checks) != 3 || e.Key.State != KeyRefused || e.Counts.Decrypted != 1 || e.Verify == "" || e.Note == "" {
		t.Errorf("got %+v", e)
	}
	for _, secret := range []string{"the message", "secret-token"} {
		if strings.Contains(body, secret) {
			t.Errorf("it holds %q", secret)
		}
	}
}
