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

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/pages"
	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/static"
)

var updateGolden = flag.Bool("update", false, "rewrite the golden files")

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// golden compares a page with a golden file, except for what differs in every build.
func golden(t *testing.T, name, page string) {
	t.Helper()
	page = regexp.MustCompile(`\?v=[0-9a-f]{16}`).ReplaceAllString(page, "?v=HASH")
	page = strings.ReplaceAll(page, "><", ">\n<") + "\n"
	path := filepath.Join("testdata", name+".html")
	if *updateGolden {
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, path); page != want {
		t.Errorf("the page differs from %s (hint: go test ./web -run Golden -update, and look at the difference)", path)
	}
}

// goldenPage is golden for a main page. Its records do not depend on the state of the key: there is one file for each
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
	records := regexp.MustCompile(`data-cursor="[0-9A-Z]+-`).ReplaceAllString(page[start:start+length], `data-cursor="FEED-`)
	golden(t, "records_"+lang, records)
	golden(t, "page_"+name, page[:start]+"RECORDS"+page[start+length:])
}

var then = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// staged returns a site at a fixed time with a record in each state.
func staged(t testing.TB) *site {
	s := newSite(t, 100)
	s.feed.Now = func() time.Time { return then.Add(time.Minute) }
	s.kafka = podstatus.Kafka{State: podstatus.KafkaReading, Topic: "t", Assignment: podstatus.Assignment{Assigned: 2, Total: 6, Lag: 17, Others: []podstatus.Others{{Partitions: []int32{2, 3, 4, 5}, Since: then}}}}
	for i, state := range feed.States() {
		for _, format := range []string{"rsa", "envelope"} {
			if (state == feed.StatePlain || state == feed.StateTombstone || state == feed.StateRejected || state.IsBatch()) && format != "rsa" {
				continue
			}
			if state == feed.StateNeedsHeader && format == "rsa" {
				continue
			}
			r := rec(int64(100*i+len(format)), state, `{"message":"`+string(state)+`","n":1.50}`)
			if state != feed.StatePlain {
				r.Format = format
			}
			r.Key, r.Headers = []byte("key"), []feed.Header{{Key: "trace", Value: []byte("00-ab")}, {Key: "bin", Value: []byte{0xff}}, {Key: "none"}}
			if state.IsBatch() { // it stands for a batch and has no content
				r = &feed.Record{Topic: r.Topic, Offset: r.Offset, First: r.Offset - 7, Timestamp: r.Timestamp, State: state}
				s.feed.Append(r)
				continue
			}
			if state == feed.StateTombstone {
				r.Stored, r.Format = nil, ""
				s.feed.Append(r)
				continue
			}
			if state == feed.StateRejected {
				r.Stored, r.Key, r.Headers = nil, nil, nil
				r.Rejection = feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnsigned}
				s.feed.Append(r)
				continue
			}
			if state != feed.StateNeedsHeader { // its header would name keys
				r.NeededKeys, r.HeldKeys = []string{"needed"}, []string{"held"}
			}
			if state == feed.StateDecrypted && format != "rsa" {
				r.Sender, r.DataKey = feed.Sender{State: feed.SenderVerified, Name: "lab"}, feed.DataKey{ID: "data-key", SealedFor: 1, Counter: 7}
				r.Flags = feed.Flags{Repeat: true, First: 3, Missing: 2, Moved: true}
			}
			s.feed.Append(r)
		}
	}
	return s
}

func keyStates() map[string]podstatus.Key {
	attested := podstatus.Attestation{
		State: podstatus.AttestationChecked, Compared: true, Issued: then, Expires: then.Add(8 * time.Hour),
		Checks: []podstatus.Check{
			{Claim: "x-ms-sevsnpvm-vmpl", Expected: "", Actual: "0", Result: podstatus.CheckNotChecked},
			{Claim: "x-ms-attestation-type", Expected: "sevsnpvm", Actual: "sevsnpvm", Result: podstatus.CheckEqual},
			{Claim: "x-ms-sevsnpvm-hostdata", Expected: "aa11", Actual: "bb22", Result: podstatus.CheckDifferent},
		},
	}
	equal := attested
	equal.Checks = attested.Checks[:2]
	unchecked := podstatus.Attestation{State: podstatus.AttestationUnchecked, Reason: "no_signing_keys", Issued: then, Expires: then}
	released := podstatus.Key{State: podstatus.KeyReleased, Attempts: 1, Held: []podstatus.HeldKey{{ID: "the-key", Since: then}, {ID: "the-key-before", Since: then.Add(-time.Hour)}}, Keys: []podstatus.KeyInfo{{Name: "demo", ID: "the-key", State: podstatus.KeyReleased}}, Attestation: equal, Verify: "az rest --url 'https://v.example/keys/demo'"}
	held, failed := released, released
	held.Reason, held.Step, held.Attestation = "no_role", "vault", unchecked
	failed.Attestation = podstatus.Attestation{State: podstatus.AttestationFailed, Reason: "attestation"}
	unexpected := podstatus.Key{State: podstatus.KeyUnexpected, Step: "key", Attempts: 7, Reason: "unexpected_key", NextAttempt: then.Add(45 * time.Second), ExpectedIDs: []string{"the-key", "the-next-key"}, Keys: []podstatus.KeyInfo{{Name: "demo", State: podstatus.KeyUnexpected, UnexpectedID: "a-foreign-key"}}, Attestation: equal, Verify: released.Verify}
	stillHeld := unexpected
	stillHeld.Keys = []podstatus.KeyInfo{{Name: "demo", ID: "the-key", State: podstatus.KeyUnexpected, UnexpectedID: "a-foreign-key"}}
	states := map[string]podstatus.Key{
		"unexpected":      unexpected,
		"unexpected_held": stillHeld,
		"not_configured":  {State: podstatus.KeyNotConfigured},
		"incomplete":      {State: podstatus.KeyNotConfigured, Missing: []string{"SkrClientMAAEndpoint", "SkrClientAKVEndpoint"}},
		"waiting":         {State: podstatus.KeyWaiting, Attempts: 2, Reason: "not_ready", NextAttempt: then.Add(9 * time.Second)},
		"unreachable":     {State: podstatus.KeyUnreachable, URL: "http://127.0.0.1:9", Attempts: 3, Reason: "no_answer"},
		"refused":         {State: podstatus.KeyRefused, Step: "policy", ByPolicy: true, Attempts: 1, Reason: "policy", Attestation: attested, Verify: released.Verify},
		"no_role":         {State: podstatus.KeyRefused, Step: "vault", Attempts: 1, Reason: "no_role"},
		"busy":            {State: podstatus.KeyRefused, Pending: podstatus.PendingBusy, Step: "vault", Attempts: 4, Reason: "throttled", NextAttempt: then.Add(9 * time.Second)},
		"unavailable":     {State: podstatus.KeyRefused, Pending: podstatus.PendingUnavailable, Step: "attestation", Attempts: 4, Reason: "network"},
		"no_identity":     {State: podstatus.KeyRefused, Pending: podstatus.PendingUnavailable, Step: "identity", Attempts: 4, Reason: "identity_provider"},
		"no_proof":        {State: podstatus.KeyRefused, Pending: podstatus.PendingNoProof, Step: "attestation", Attempts: 4, Reason: "no_report"},
		"starting":        {State: podstatus.KeyUnreachable, Provider: "cdh", Pending: podstatus.PendingStarting, Step: "sidecar", URL: "http://127.0.0.1:8006", Attempts: 1, Reason: "hub_starting"},
		"elsewhere":       {State: podstatus.KeyUnreachable, Pending: podstatus.PendingElsewhere, Step: "sidecar", URL: "http://localhost:8080", Attempts: 1, Reason: "not_loopback"},
		"released":        released,
		"held":            held,
		"unattested":      failed,
		"from_file":       {State: podstatus.KeyFromFile, Provider: "file", Attempts: 1},
		"no_file":         {State: podstatus.KeyWaiting, Provider: "file", Attempts: 1, Step: "key", Reason: "key_file"},
		"data_hub":        {State: podstatus.KeyRefused, Provider: "cdh", Step: "sidecar", Attempts: 1, Reason: "resource"},
	}
	for name, k := range states {
		k.Since = then
		states[name] = k
	}
	return states
}

// Without this changes of the page would go unnoticed: in each state a viewer must find the state, its cause and what to
// do.
func TestGoldenPages(t *testing.T) {
	for name, key := range keyStates() {
		t.Run(name, func(t *testing.T) {
			s := staged(t)
			s.key = key
			_, page, _ := s.get(t, "/")
			goldenPage(t, name, "en", page)
			doc := s.doc(t, "/")
			for _, id := range []string{"banner-title", "banner-when", "banner-todo", "banner-tried", "unproven", "proof-link", "sample-stored", "sample-seen", "alerts", "counts", "stats-lag", "filter", "rows", "access"} {
				if strings.TrimSpace(doc.Find(testid(id)).Text()) == "" {
					t.Errorf("%s is missing or says nothing", id)
				}
			}
			if strings.Contains(doc.Text(), "{") != strings.Contains(doc.Text(), `{"message"`) {
				t.Error("a placeholder is left")
			}
			if rows := doc.Find(testid("row")).Length(); rows != 16 {
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

// Without this an opened record in some state would lack its properties.
func TestGoldenRecords(t *testing.T) {
	s := staged(t)
	list, _ := s.feed.Before(0)
	for _, r := range list {
		_, page, _ := s.get(t, pages.Href(r.Record)+"?part=1")
		golden(t, fmt.Sprintf("record_%s_%d", r.State, r.Offset), page)
		doc := s.doc(t, pages.Href(r.Record))
		if doc.Find(testid("part-hex")).Length() > 0 || doc.Find(testid("headers")).First().Find("dt").Length() != len(r.Headers) || doc.Find(testid("part-json")).Length() > 1 {
			t.Errorf("%s: %s", r.State, doc.Find(testid("record")).Text())
		}
		if need := doc.Find(testid("record-need")).Text() != ""; need != (r.State == feed.StateNoKey || r.State == feed.StateUnknownKey || r.State == feed.StateUndecryptable) {
			t.Errorf("%s: says what it needs: %v", r.State, need)
		}
	}
}

// Without this a record that deletes another would be shown as a leak, or would not be counted.
func TestTombstone(t *testing.T) {
	s := newSite(t, 10)
	deletion := &feed.Record{Topic: "t", Offset: 1, Timestamp: then, Key: []byte("alice"), State: feed.StateTombstone}
	s.feed.Append(rec(0, feed.StatePlain, "a"), deletion, &feed.Record{Topic: "t", Offset: 2, Timestamp: then, State: feed.StateTombstone}, &feed.Record{Topic: "t", Offset: 3, Timestamp: then, Stored: []byte{}, State: feed.StatePlain})
	doc := s.doc(t, "/?state=tombstone")
	rows := doc.Find(testid("row"))
	if rows.Length() != 2 || !rows.Last().HasClass("neutral") || !strings.Contains(rows.Last().Text(), "Tombstone") || rows.Last().Find(testid("row-value")).Text() != "(null)" {
		t.Errorf("the rows: %s", rows.Text())
	}
	if got, want := doc.Find(testid("counts")).Text(), "0 decrypted · 0 without a key · 0 could not be decrypted · 2 not encrypted · 2 without a value"; got != want {
		t.Errorf("the counts: %s, want %s", got, want)
	}
	if got := s.doc(t, "/?state=plain").Find(testid("row-value")).First().Text(); got != "(empty)" {
		t.Errorf("a value of no bytes: %s", got)
	}
	for offset, want := range map[string]string{"1": "deletes the earlier records with its key", "2": "neither a value nor a key"} {
		opened := s.doc(t, "/records/t/0/"+offset).Find(testid("record"))
		if got := opened.Text(); !strings.Contains(got, want) || strings.Contains(got, "operators") || strings.Contains(got, "Not decrypted") || !opened.HasClass("neutral") {
			t.Errorf("opened: %s", got)
		}
	}
	alone := newSite(t, 10)
	alone.feed.Append(deletion)
	sample := alone.doc(t, "/").Find(testid("sample"))
	if got := sample.Find(testid("sample-stored")).Text() + sample.Find(testid("sample-seen")).Text(); got != "(null)(null)" {
		t.Errorf("the two boxes: %s", sample.Text())
	}
	alone.feed.Append(rec(2, feed.StateNoKey, "a"), rec(3, feed.StateTombstone, ""))
	if got := alone.doc(t, "/").Find(testid("sample-stored")).Text(); got != "wire of a" {
		t.Errorf("the sample: %s", got)
	}
	alone.feed.Append(&feed.Record{Topic: "u", Offset: 4, Timestamp: then, State: feed.StateOversized})
	if got := alone.doc(t, "/").Find(testid("sample-seen")).Text(); got != "(not unpacked)" {
		t.Errorf("a batch that is not unpacked: %s", got)
	}
}

// Without this the counts of a page would contradict each other: a record that waits for its key has not failed.
func TestCountsAddUp(t *testing.T) {
	s := newSite(t, 100)
	for i, state := range feed.States() {
		s.feed.Append(rec(int64(i), state, "x"))
	}
	doc := s.doc(t, "/")
	if got, want := doc.Find(testid("counts")).Text(), "1 decrypted · 2 without a key · 5 could not be decrypted · 1 not encrypted · 1 without a value · 1 rejected"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var e evidenceJSON
	_, body, _ := s.get(t, "/api/key/evidence")
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	if c := e.Counts; c.Unreadable != c.Locked+c.Failed || c.Decrypted+c.Unreadable+c.Plain+c.Tombstones+c.Rejected != len(feed.States()) {
		t.Errorf("the evidence: %+v", c)
	}
}

// Without this a link to a record would lead nowhere, or to another record.
func TestPermalinks(t *testing.T) {
	s := newSite(t, 2)
	long := rec(7, feed.StateDecrypted, strings.Repeat("x", 30<<10)+"the end")
	for i := range 50 + 5 {
		long.Headers = append(long.Headers, feed.Header{Key: fmt.Sprint("h", i), Value: []byte("v")})
	}
	s.feed.Append(long)
	part := func(path, id string) string { return s.doc(t, path).Find(testid(id)).Text() }
	if got := part("/records/t/0/7", "contents-value"); strings.Contains(got, "the end") || !strings.Contains(got, "30727 bytes") || !strings.Contains(got, "5 headers are not shown") {
		t.Errorf("a long record: %.200s", got)
	}
	if href := s.doc(t, "/records/t/0/7").Find(testid("load-all")).AttrOr("href", ""); !strings.Contains(part(href, "contents-value"), "the end") || !strings.Contains(part(href, "headers"), "h54") {
		t.Errorf("all of it, at %s, is not all", href)
	}
	for name, want := range map[string][]byte{"value": long.Value, "wire": long.Stored} {
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
	s.feed.Append(rec(8, feed.StatePlain, "a"), rec(9, feed.StatePlain, "b"))
	if got := part("/records/t/0/7", "gone"); !strings.Contains(got, "not held here") || !strings.Contains(got, "Replace BROKER:9092") || !strings.Contains(got, "kcat -C -b BROKER:9092 -t t -p 0 -o 7 -c 1 -e -D '' | base64") || strings.Contains(got, "$") {
		t.Errorf("a record that is no longer held: %s", got)
	}
	if got := part("/records/t%60rm%60/0/7", "gone"); strings.Contains(got, "kcat") || got == "" {
		t.Errorf("a forged link becomes a command: %s", got)
	}
}

// Without this the page would look live while no record can arrive, or would not say what is missing.
func TestKafkaStatusIsShown(t *testing.T) {
	s := newSite(t, 10)
	now := then.Add(time.Minute)
	s.feed.Now = func() time.Time { return now }
	for name, test := range map[string]struct {
		status podstatus.Kafka
		text   string
		away   bool
	}{
		"first":       {podstatus.Kafka{State: podstatus.KafkaConnecting, Since: now}, "Connecting to Kafka since 03:03:01 UTC.", true},
		"slow":        {podstatus.Kafka{State: podstatus.KafkaConnecting, Since: then}, "since 03:02:01 UTC: no broker has answered yet. Check that BROKERS is right", true},
		"unreachable": {podstatus.Kafka{State: podstatus.KafkaUnreachable, Cause: podstatus.KafkaCause{Code: "no_answer"}, Since: then}, "no broker answers. Check BROKERS.", true},
		"refused":     {podstatus.Kafka{State: podstatus.KafkaRefused, Cause: podstatus.KafkaCause{Code: "topic_forbidden"}, Since: then}, "Kafka refuses this pod since 03:02:01 UTC: this user is not authorized for the topic. Check TOPIC, and the user's rights (ACLs).", true},
		"no topic":    {podstatus.Kafka{State: podstatus.KafkaNoTopic, Topic: "t"}, "Topic t does not exist.", true},
		"history":     {podstatus.Kafka{State: podstatus.KafkaReading, Topic: "t", History: podstatus.History{Loaded: 3, All: 40}}, "Loading history, 3 of 40 partitions.", false},
		"empty":       {podstatus.Kafka{State: podstatus.KafkaReading, Topic: "t"}, "No records yet in t.", false},
	} {
		s.kafka = test.status
		at := s.doc(t, "/").Find(testid("kafka"))
		if _, away := at.Attr("data-unreachable"); !strings.Contains(at.Text(), test.text) || away != test.away {
			t.Errorf("%s: %s, away %v", name, at.Text(), away)
		}
	}
	s.kafka = podstatus.Kafka{State: podstatus.KafkaReading, Assignment: podstatus.Assignment{Assigned: 2, Total: 6, Lag: 17}}
	for range 10 {
		s.feed.Append(rec(s.offset(), feed.StateMalformed, "x"))
	}
	now = now.Add(time.Second)
	stats := s.doc(t, "/").Find(testid("stats"))
	for id, want := range map[string]string{"rate": "2.0", "lag": "17", "partitions": "2 of 6"} {
		if got := stats.Find(testid("stats-" + id)).Text(); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %s", id, got, want)
		}
	}
	s.kafka.Assignment.Unreadable = []podstatus.Unreadable{
		{Partitions: []int32{1}, Cause: podstatus.KafkaCause{Code: "leader_missing"}, Since: then},
		{Partitions: []int32{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, Cause: podstatus.KafkaCause{Code: "timeout", Peer: "10.0.0.1:9092"}, Since: then},
	}
	for lang, want := range map[string][]string{
		"en": {"13 cannot be read", "Partition 1 cannot be read since 03:02:01 UTC: a partition has no leader. Check the brokers: one may be down.", "Partitions 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … (+2) cannot be read since 03:02:01 UTC: 10.0.0.1:9092 does not answer in time. Check BROKERS, or the brokers' advertised.listeners."},
		"ja": {"読み取り不可 13", "パーティション 1 を読み取れません (03:02:01 UTC 以降): リーダーのいないパーティションがあります。停止しているブローカーがないか確認してください。"},
	} {
		page := s.doc(t, "/?lang="+lang)
		told := page.Find(testid("kafka"))
		if _, away := told.Attr("data-unreachable"); away {
			t.Error("the page says that nothing is read, though other partitions are")
		}
		for _, text := range want {
			if got := page.Find(testid("stats-partitions")).Text() + told.Text(); !strings.Contains(got, text) {
				t.Errorf("partitions that cannot be read: %q, want %q", got, text)
			}
		}
	}
	s.kafka.Assignment.Unreadable = nil
	s.kafka.Assignment.Others = []podstatus.Others{{Partitions: []int32{2, 5}, Since: then}, {Partitions: []int32{1}, Since: then.Add(time.Second)}}
	s.kafka.Unseen = []podstatus.Unseen{{Partition: 0, From: 10, To: 27}}
	const others = "other members of the group read partitions 2, 5 since 03:02:01 UTC · another member of the group reads partition 1 since 03:02:02 UTC · " +
		"not seen: partition 0, offsets 10 to 27, which another member of the group has read"
	for want, h := range map[string]podstatus.History{
		others + " · loading history, 3 of 40":                                   {Loaded: 3, All: 40},
		"loading history, 3 of 40; the brokers of 2 do not answer, trying again": {Loaded: 3, All: 40, Failing: 2},
		others: {Loaded: 40, All: 40},
	} {
		s.kafka.History = h
		if got := s.doc(t, "/").Find(testid("stats-partitions")).Text(); !strings.HasSuffix(strings.TrimSpace(got), want) {
			t.Errorf("%+v: %q", h, got)
		}
	}
	if s.doc(t, "/").Find(testid("stats-topic")).Length() > 0 {
		t.Error("the page says that the topic is a mirror")
	}
	s.kafka.Topic, s.kafka.MirrorOf = "us.orders", "orders"
	if got := strings.Fields(s.doc(t, "/").Find(testid("stats-topic")).Text()); strings.Join(got, " ") != "Topicus.orders mirrored from orders" {
		t.Errorf("a mirror: %s", got)
	}
	now = now.Add(time.Hour)
	if got := s.doc(t, "/").Find(testid("stats-rate") + " dd").Text(); strings.TrimSpace(got) != "0" {
		t.Errorf("an hour later: %q a second", got)
	}
}

func (s *site) offset() int64 { n, _ := s.feed.Size(); return int64(n) }

// Without this a page that is opened while the server restarts would have no style, or that of an old build.
func TestAssetsAreKept(t *testing.T) {
	s := newSite(t, 1)
	for _, name := range []string{"palette.css", "style.css"} {
		path := "/static/" + name
		href := s.doc(t, "/").Find(`link[rel="stylesheet"][href^="`+path+`"]`).AttrOr("href", "")
		_, style, header := s.get(t, href)
		if !strings.Contains(style, ":root") || !strings.Contains(header.Get("Cache-Control"), "immutable") || header.Get("Etag") == "" || !strings.HasPrefix(header.Get("Content-Type"), "text/css") {
			t.Errorf("%s: %q, %v", name, href, header)
		}
		for _, path := range []string{path, path + "?v=0000"} {
			if _, _, header := s.get(t, path); header.Get("Cache-Control") != "no-cache" {
				t.Errorf("%s is kept: %s", path, header.Get("Cache-Control"))
			}
		}
		if status, _, _ := s.get(t, path, "If-None-Match", header.Get("Etag")); status != http.StatusNotModified {
			t.Errorf("%s: got %d for a file that the browser has", name, status)
		}
	}
	if status, _, _ := s.get(t, "/static/other"); status != http.StatusNotFound {
		t.Errorf("a file that does not exist: %d", status)
	}
	all, err := filepath.Glob("static/*.js")
	if err != nil || len(all) != len(static.Scripts()) {
		t.Errorf("the page has %d of %d scripts: %v", len(static.Scripts()), len(all), err)
	}
	for _, script := range static.Scripts() {
		if lines := bytes.Count([]byte(readFile(t, "static/"+script)), []byte("\n")); lines > 400 || lines == 0 {
			t.Errorf("%s has %d lines, want at most 400", script, lines)
		}
	}
}
