package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/pages"
	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/problem"
)

// recordsJSON is the answer of /api/records.
type recordsJSON struct {
	Feed    string       `json:"feed"`
	Records []recordJSON `json:"records"`
	Next    uint64       `json:"next"`
}

// Without this programs that use the API would break or miss records.
func TestAPIRecords(t *testing.T) {
	s := newSite(t, 100)
	for i := range 30 {
		s.feed.Append(rec(int64(i), feed.StateNoKey, fmt.Sprint(i)))
	}
	answer := func(query string) (a recordsJSON) {
		t.Helper()
		status, body, _ := s.get(t, "/api/records"+query)
		if status != http.StatusOK || json.Unmarshal([]byte(body), &a) != nil {
			t.Fatalf("%s: %d %s", query, status, body)
		}
		return a
	}
	if a := answer("?limit=5"); len(a.Records) != 5 || a.Records[0].Offset != 29 || a.Next != 30 {
		t.Errorf("the newest five: %+v", a)
	}
	// A client that polls with next sees each record once, and again once it is decrypted.
	seen, next := 0, uint64(0)
	for {
		a := answer(fmt.Sprintf("?limit=7&after=%d", next))
		if len(a.Records) == 0 {
			break
		}
		seen, next = seen+len(a.Records), a.Next
	}
	if seen != 30 {
		t.Errorf("a poller saw %d of 30 records", seen)
	}
	decryptAll(s.feed, "decrypted")
	a := answer(fmt.Sprintf("?limit=1000&after=%d", next))
	if len(a.Records) != 30 || a.Records[0].State != feed.StateDecrypted || a.Records[0].Offset != 29 || a.Records[0].Sender.State != "unverified" {
		t.Errorf("after the key arrived a poller sees %d records, first %+v", len(a.Records), a.Records[0])
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?after=-1", "?after=x"} {
		if status, _, _ := s.get(t, "/api/records"+query); status != http.StatusBadRequest {
			t.Errorf("%s: got %d, want 400", query, status)
		}
	}
	var fields map[string]any
	_, body, _ := s.get(t, "/api/key")
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state", "keys", "since", "attempts", "reason", "next_attempt", "checks"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("/api/key lacks %s", name)
		}
	}
}

// Without this a program could not distinguish null from empty, or base64 from text that looks like it.
func TestAPITellsBytesApart(t *testing.T) {
	s := newSite(t, 10)
	add := func(offset int64, value, key, header []byte) {
		r := rec(offset, feed.StatePlain, "")
		r.Stored, r.Key, r.Headers = value, key, []feed.Header{{Key: "h", Value: header}, {Key: "\xff", Value: []byte("é\u2028</script>")}}
		s.feed.Append(r)
	}
	add(1, nil, nil, nil)
	add(2, []byte{}, []byte{}, []byte{})
	add(3, []byte{0xde, 0xad, 0xbe, 0xef}, []byte{0xde, 0xad, 0xbe, 0xef}, []byte{0xde, 0xad, 0xbe, 0xef})
	add(4, []byte("3q2+7w=="), []byte("3q2+7w=="), []byte("3q2+7w=="))
	add(5, []byte(strings.Repeat("é\x00\"\\<日本語", 3000)), []byte("k"), []byte("v"))
	empty := rec(6, feed.StateDecrypted, "")
	empty.Value = nil // decrypting an empty message gives nil
	s.feed.Append(empty)
	status, body, _ := s.get(t, "/api/records")
	var answer recordsJSON
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v: %.300s", status, err, body)
	}
	told := func(text, encoding *string) string {
		if text == nil || encoding == nil {
			return fmt.Sprint("null ", text == nil && encoding == nil)
		}
		return *encoding + " " + *text
	}
	for _, r := range answer.Records {
		want := map[int64]string{1: "null true", 2: "utf-8 ", 3: "base64 3q2+7w==", 4: "utf-8 3q2+7w=="}[r.Offset]
		switch r.Offset {
		case 5:
			if told(r.Value, r.Encoding) != "utf-8 "+strings.Repeat("é\x00\"\\<日本語", 3000) {
				t.Error("a long text is changed")
			}
		case 6:
			if told(r.Value, r.Encoding) != "utf-8 " {
				t.Errorf("an empty message is %s", told(r.Value, r.Encoding))
			}
		default:
			for part, got := range map[string]string{"value": told(r.Value, r.Encoding), "key": told(r.RecordKey, r.RecordKeyEncoding), "header": told(r.Headers[0].Value, r.Headers[0].Encoding)} {
				if got != want {
					t.Errorf("offset %d, %s: got %q, want %q", r.Offset, part, got, want)
				}
			}
			if (r.Wire == nil) != (r.Offset == 1) || r.Headers[1].Key != "\uFFFD" || *r.Headers[1].Value != "é\u2028</script>" {
				t.Errorf("offset %d: %+v", r.Offset, r)
			}
		}
	}
}

// Without this a program would take all records for those it wanted.
func TestAPIFilters(t *testing.T) {
	s := newSite(t, 100)
	for i := range 10 {
		s.feed.Append(rec(int64(2*i), feed.StatePlain, fmt.Sprint("plain ", i)), rec(int64(2*i+1), feed.StateDecrypted, fmt.Sprint("opened ", i)))
	}
	for query, want := range map[string]int{
		"?state=plain": 10, "?state=decrypted&sender=unverified": 10, "?sender=verified": 0, "?q=OPENED+3": 1, "?q=plain&state=decrypted": 0,
		"?state=plain&limit=3": 3, "?state=plain&after=0": 10, "?state=plain&after=16": 2, "?q=": 20, "?state=&sender=": 20, "": 20,
	} {
		status, body, _ := s.get(t, "/api/records"+query)
		var answer recordsJSON
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK || len(answer.Records) != want {
			t.Errorf("%s: got %d, %d records, want %d, %v", query, status, len(answer.Records), want, err)
		}
	}
	// A client that polls for one state sees each of its records once.
	seen, next := 0, uint64(0)
	for range 20 {
		_, body, _ := s.get(t, fmt.Sprintf("/api/records?state=plain&limit=3&after=%d", next))
		var answer recordsJSON
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		seen, next = seen+len(answer.Records), answer.Next
	}
	if seen != 10 || next != 20 {
		t.Errorf("a poller saw %d of 10, up to %d", seen, next)
	}
	for _, query := range []string{
		"?state=typo", "?sender=typo", "?limt=5", "?topic=t", "?limit=5&limit=6", "?q=" + strings.Repeat("a", feed.MaxText+1), "?q=%ff", "?q=%", "?a;b", "?before=3", "?lang=ja",
	} {
		status, body, header := s.get(t, "/api/records"+query)
		if status != http.StatusBadRequest || problemCode(t, status, body, header) != "bad_query" {
			t.Errorf("%s: got %d %s", query, status, body)
		}
	}
}

// problemCode returns the code of a problem (RFC 9457).
func problemCode(t *testing.T, status int, body string, header http.Header) string {
	t.Helper()
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	code, err := "", json.Unmarshal([]byte(body), &p)
	if err == nil {
		code = strings.TrimPrefix(p.Type, problem.TypePrefix)
	}
	if code == "" || code == p.Type || p.Title != http.StatusText(status) || p.Status != status || p.Detail == "" || header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("want a problem, got %d, %s, %s", status, header.Get("Content-Type"), body)
	}
	return code
}

// Without this a program could not tell errors apart, or an error would repeat what somebody else put into an address.
func TestErrorsOfTheAPIAreProblems(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(&feed.Record{Topic: "t", Offset: 8, State: feed.StateRejected, Rejection: feed.Rejection{Reason: feed.RejectFormat}})
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/api/records?limit=canary": {400, "bad_query"}, "/api/records?canary=1": {400, "bad_query"}, "/api/records?state=canary": {400, "bad_query"},
		"/api": {404, "no_such_address"}, "/api/": {404, "no_such_address"}, "/api/canary": {404, "no_such_address"}, "/.well-known/canary": {404, "no_such_address"}, "/.well-known/attestation": {404, "no_such_address"},
		"/api/records/canary/0/9/value": {404, "not_held"}, "/api/records/t/canary/9/value": {404, "not_held"}, "/api/records/t/0/8/value": {403, "rejected"},
		"/api/key/token": {404, "no_token"}, "/api/key/check": {405, "method"},
	} {
		status, body, header := s.get(t, path)
		if got := problemCode(t, status, body, header); status != want.status || got != want.code || strings.Contains(body, "canary") {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	status, body, header := s.get(t, "/api/key", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors")
	if got := problemCode(t, status, body, header); status != http.StatusForbidden || got != "cross_site" {
		t.Errorf("another site: got %d, %s", status, body)
	}
}

// Without this evidence could hold a message or a token, or lack what was expected and measured.
func TestEvidence(t *testing.T) {
	s := newSite(t, 10)
	s.token = func() (string, bool) { return "e30.secret-token", true }
	s.key = keyStates()["refused"]
	s.feed.Append(rec(1, feed.StateDecrypted, "the message"))
	status, body, header := s.get(t, "/api/key/evidence")
	var e evidenceJSON
	if err := json.Unmarshal([]byte(body), &e); err != nil || status != http.StatusOK || !strings.Contains(header.Get("Content-Disposition"), "evidence.json") {
		t.Fatalf("%d %v %s", status, err, body)
	}
	if len(e.Key.Checks) != 3 || e.Key.State != podstatus.KeyRefused || e.Counts.Decrypted != 1 || e.Verify == "" || e.Note == "" {
		t.Errorf("got %+v", e)
	}
	for _, secret := range []string{"the message", "secret-token"} {
		if strings.Contains(body, secret) {
			t.Errorf("it holds %q", secret)
		}
	}
}

// FuzzRecordsQuery checks that no parameter of a program is ignored: it is understood or refused.
func FuzzRecordsQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=10&after=7", "limit=-1&after=18446744073709551616", "q=%ff", "q=%20a&state=plain&sender=verified", "state=typo", "a=b", "limit=1&limit=2", "%", "a;b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseRecordsQuery(raw)
		if err != nil {
			return
		}
		query, err := url.ParseQuery(raw)
		if err != nil || q.limit < 1 || q.limit > maxLimit || q.polling != (query.Get("after") != "") {
			t.Fatalf("%q: %+v, %v", raw, q, err)
		}
		again := pages.FilterQuery(q.filter)
		for name, values := range query {
			if want := strings.TrimSpace(values[0]); name != "limit" && name != "after" && again.Get(name) != want {
				t.Errorf("%q: %s is taken for %q", raw, name, again.Get(name))
			}
		}
	})
}
