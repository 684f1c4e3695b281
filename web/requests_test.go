package web

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"kafka-e2ee/web/feed"
)

// send makes a request with any method.
func (s *site) send(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.http.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// Without this another site could put the page into a frame, or load it as an image or by a script.
func TestOtherSitesOnlyLink(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StateDecrypted, "the message"))
	for _, site := range []string{"cross-site", "same-site"} {
		for _, path := range []string{"/", "/records/t/0/1", "/proof", "/api/records", "/api/key", "/static/live.js"} {
			for _, test := range []struct {
				mode, dest string
				want       int
			}{
				{"navigate", "document", http.StatusOK},
				{"navigate", "iframe", http.StatusForbidden},
				{"navigate", "frame", http.StatusForbidden},
				{"navigate", "fencedframe", http.StatusForbidden},
				{"navigate", "object", http.StatusForbidden},
				{"navigate", "embed", http.StatusForbidden},
				{"navigate", "", http.StatusForbidden},
				{"no-cors", "image", http.StatusForbidden},
				{"no-cors", "script", http.StatusForbidden},
				{"cors", "empty", http.StatusForbidden},
			} {
				status, _, header := s.get(t, path, "Sec-Fetch-Site", site, "Sec-Fetch-Mode", test.mode, "Sec-Fetch-Dest", test.dest)
				if status != test.want {
					t.Errorf("%s %s, %s to %q: got %d, want %d", site, path, test.mode, test.dest, status, test.want)
				}
				if header.Get("X-Frame-Options") != "DENY" || !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
					t.Errorf("%s can be put into a frame", path)
				}
			}
		}
	}
	for _, site := range []string{"same-origin", "none", ""} {
		if status, _, _ := s.get(t, "/", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"); status != http.StatusOK {
			t.Errorf("this page itself, as %q: got %d", site, status)
		}
	}
}

// Without this another site could have a viewer's browser make this pod ask for the key: a form that it submits navigates,
// as a link does.
func TestOtherSitesAskForNoKey(t *testing.T) {
	s := newSite(t, 10)
	var asked atomic.Int32
	s.refreshKeys = func() { asked.Add(1) }
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", "https://other.example"},
		{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", "http://127.0.0.1:1"},
		{"Origin", "https://other.example"}, // a browser without Sec-Fetch-Site
		{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty"},
	} {
		resp := s.send(t, http.MethodPost, "/api/key/check", header...) //nolint:bodyclose // send closes it
		if resp.StatusCode != http.StatusForbidden || asked.Load() != 0 {
			t.Errorf("%q: got %d, and the key was asked for %d times", header, resp.StatusCode, asked.Load())
		}
	}
	s.send(t, http.MethodPost, "/api/key/check", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document") //nolint:bodyclose // as above
	if asked.Load() != 1 {
		t.Errorf("this page itself: the key was asked for %d times, want 1", asked.Load())
	}
}

// Without this a request for the headers of the stream would count as a live page, and its connection would hang.
func TestMethods(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StatePlain, "one"))
	all := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "BREW"}
	for path, allowed := range map[string]string{
		"/": "GET, HEAD", "/proof": "GET, HEAD", "/records/t/0/1": "GET, HEAD", "/static/live.js": "GET, HEAD", "/favicon.ico": "GET, HEAD",
		"/api/records": "GET, HEAD", "/api/key": "GET, HEAD", "/api/openapi.json": "GET, HEAD", "/api/key/evidence": "GET, HEAD", "/api/records/t/0/1/wire": "GET, HEAD",
		"/api/records/t/0/1": "GET, HEAD", "/api/key/check": "POST", "/api/events": "GET", "/api/stream": "GET", "/api/export": "GET",
	} {
		for _, method := range all {
			if (path == "/api/events" || path == "/api/stream") && method == http.MethodGet {
				continue // the stream does not end
			}
			resp := s.send(t, method, path) //nolint:bodyclose // send reads and closes it
			may := strings.Contains(", "+allowed+",", ", "+method+",")
			if refused := resp.StatusCode == http.StatusMethodNotAllowed; refused == may || refused && resp.Header.Get("Allow") != allowed {
				t.Errorf("%s %s: got %d, Allow %q, want %q", method, path, resp.StatusCode, resp.Header.Get("Allow"), allowed)
			}
		}
	}
	if open := s.broadcaster.count(); open != 0 {
		t.Errorf("%d streams are open", open)
	}
	// Requests for the headers alone do not take the streams of live pages.
	ctx, end := context.WithCancel(t.Context())
	defer end()
	for range 256 + 1 {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, s.http.URL+"/api/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if e := <-s.events(t, ""); !e.Reset {
		t.Error("after these requests no page can be live")
	}
}

// Without this each browser would request an icon that does not exist.
func TestFavicon(t *testing.T) {
	s := newSite(t, 1)
	status, body, header := s.get(t, "/favicon.ico")
	if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "image/svg+xml") || !strings.Contains(body, "<svg") {
		t.Errorf("got %d, %s, %.40s", status, header.Get("Content-Type"), body)
	}
}
