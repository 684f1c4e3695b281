package web

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/csv"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/locale"
)

// Without this records could be taken away as a file though nobody allowed it, or the page would offer what is off.
func TestExportIsOffByDefault(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StatePlain, "one"))
	status, body, header := s.get(t, "/api/export?format=csv")
	if status != http.StatusNotFound || problemCode(t, status, body, header) != "export_off" || strings.Contains(body, "one") {
		t.Errorf("got %d %s", status, body)
	}
	if s.doc(t, "/").Find("#export").Length() != 0 {
		t.Error("the page offers it")
	}
}

// Without this a file would lack records of the view, hold others, or have what a rejected record withholds.
func TestExportHasTheRecordsInView(t *testing.T) {
	s := staged(t)
	s.exports = true
	withheld := &feed.Record{Topic: "t", Offset: 9000, State: feed.StateRejected, Rejection: feed.Rejection{Reason: feed.RejectFormat}}
	withheld.Withheld = &feed.Withheld{Stored: []byte("wheedle")}
	s.feed.Append(withheld)
	for query, want := range map[string]int{"": len(s.feed.Records()), "state=decrypted": 2, "state=decrypted&q=nothing": 0} {
		doc := s.doc(t, "/?"+query)
		for _, format := range []string{"jsonl", "csv"} {
			href := doc.Find(testid("export-"+format)).AttrOr("href", "")
			status, body, header := s.get(t, href)
			if status != http.StatusOK || header.Get("Content-Disposition") != `attachment; filename="records.`+format+`"` {
				t.Fatalf("%q: got %d, %v", href, status, header)
			}
			if strings.Contains(body, "wheedle") {
				t.Errorf("%s has the content of a rejected record", href)
			}
			got := strings.Count(body, "\n")
			if format == "csv" {
				lines, err := csv.NewReader(strings.NewReader(body)).ReadAll()
				if err != nil {
					t.Fatal(err)
				}
				got = len(lines) - 1
			} else if got > 0 {
				var r recordJSON
				if line, _, _ := strings.Cut(body, "\n"); json.Unmarshal([]byte(line), &r) != nil || r.Topic != "t" {
					t.Errorf("a line is %s", line)
				}
			}
			if got != want {
				t.Errorf("%s has %d records, want %d", href, got, want)
			}
		}
	}
	for _, query := range []string{"", "?format=xml", "?format=csv&limit=1", "?format=csv&state=typo"} {
		status, body, header := s.get(t, "/api/export"+query)
		if status != http.StatusBadRequest || problemCode(t, status, body, header) != "bad_query" {
			t.Errorf("%q: got %d %s", query, status, body)
		}
	}
}

// Without this nobody could tell who took the messages away, or the log would hold some of them.
func TestExportIsLogged(t *testing.T) {
	var log bytes.Buffer
	records := feed.New(10)
	records.Append(rec(1, feed.StateDecrypted, "the canary sings"))
	url := protected(t, func(o *Options) {
		o.Feed, o.Export, o.Log, o.Registerer = records, true, slog.New(slog.NewJSONHandler(&log, nil)), prometheus.NewRegistry()
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/export?format=csv&state=decrypted&q=canary", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("alice", "right")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), "the canary sings") {
		t.Fatalf("got %s, %v", body, err)
	}
	for _, want := range []string{`"records are exported"`, `"user":"alice"`, `"address":"127.0.0.1:`, `"format":"csv"`, `"records":1`, `"state":"decrypted"`, `"searched_text":true`, `"time":`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("the log has the text: %s", log.String())
	}
}

// csvServer returns what writes records as CSV.
func csvServer(t testing.TB) *Server {
	t.Helper()
	languages, err := locale.Read(locales)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{feed: feed.New(1), languages: languages}
}

// csvOf returns a record as a line of a CSV file.
func (s *Server) csvOf(t testing.TB, key, value []byte) string {
	t.Helper()
	var text bytes.Buffer
	out := bufio.NewWriter(&text)
	r := feed.Entry{Record: &feed.Record{Topic: "-t", State: feed.StatePlain, Key: key, Stored: value}}
	if err := s.writeCSV(out, r); err != nil || out.Flush() != nil {
		t.Fatal(err)
	}
	return text.String()
}

// Without this whoever may write to the topic could run formulas on the computer of somebody who opens a file, or the
// file would say something else than the record.
func TestCSV(t *testing.T) {
	s := csvServer(t)
	for value, want := range map[string]string{
		"plain": "plain", "": "", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t'=1", "\r=1": "'\r'=1", "  =1": "  '=1", "＝1": "'＝1",
		`a"b,c`: `a"b,c`, "a;=1": "a;'=1", "a\n=1": "a\n'=1", "a;b=c": "a;b=c", "1-1": "1-1", "\xff\xfb\xef": "//vv", "\xfb\xff": "'+/8=",
	} {
		line := s.csvOf(t, nil, []byte(value))
		fields, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil || len(fields) != strings.Count(csvHeader, ",")+1 || !strings.HasSuffix(line, "\r\n") {
			t.Fatalf("%q: got %q, %v", value, line, err)
		}
		if got := fields[15]; got != strings.ReplaceAll(want, "\r\n", "\n") {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
		encoding := "utf-8"
		if strings.HasPrefix(value, "\xff") || strings.HasPrefix(value, "\xfb") {
			encoding = "base64"
		}
		if fields[16] != encoding || fields[14] != "" || fields[0] != "'-t" {
			t.Errorf("%q: got %q", value, fields)
		}
	}
}

// FuzzCSV checks that no record makes a cell that a spreadsheet takes for a formula, whether it splits at , or at ;.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"", "=1", "a;=1", "\";=1", "\r\n+1", "\xff", " @a", "\u3000＝", "a\";\"=1"} {
		f.Add([]byte(seed), []byte("=key"))
	}
	s := csvServer(f)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		line := s.csvOf(t, key, value)
		fields, err := csv.NewReader(strings.NewReader(line)).Read()
		if err != nil || len(fields) != 17 {
			t.Fatalf("%q, %q: %q, %v", key, value, line, err)
		}
		for _, field := range fields {
			for _, cell := range strings.FieldsFunc(field, func(r rune) bool { return strings.ContainsRune(";\t\r\n", r) }) {
				if cell = strings.TrimLeft(cell, " "); cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
					t.Errorf("%q, %q: a cell is %q", key, value, cell)
				}
			}
		}
	})
}
