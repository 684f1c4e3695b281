package access

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Without this another program on the same machine, or a foreign DNS name that resolves to this one, could read the page.
func TestHosts(t *testing.T) {
	s := serve(t, func(a *Settings, _ string) { a.Hosts = []string{"Page.Example", "127.0.0.1", "2001:db8::1"} })
	client := s.client()
	for host, want := range map[string]int{
		"page.example": http.StatusOK, "PAGE.example.": http.StatusOK, "page.example:3333": http.StatusOK, "127.0.0.1:3333": http.StatusOK,
		"[2001:DB8:0::1]:3333": http.StatusOK, "[2001:db8::1]": http.StatusOK,
		"evil.example": http.StatusMisdirectedRequest, "page.example.evil.example": http.StatusMisdirectedRequest, "localhost:3333": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/", "/events?end"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != want || want != http.StatusOK && !strings.Contains(string(body), string(WrongHost)) {
				t.Errorf("%s%s: got %d %.100s, want %d, %v", host, path, resp.StatusCode, body, want, err)
			}
		}
	}
}

// Without this a viewer with many tabs could use up the pod's memory, or a closed page would still count.
func TestStreamsAreLimited(t *testing.T) {
	s := serve(t, func(a *Settings, _ string) { a.Streams = 3 })
	client := s.client()
	open := func() (context.CancelFunc, int) {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/events", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req) //nolint:bodyclose // it ends with its context
		if err != nil {
			t.Fatal(err)
		}
		return end, resp.StatusCode
	}
	var close context.CancelFunc
	for range 3 {
		end, status := open()
		defer end()
		if close = end; status != http.StatusOK {
			t.Fatalf("a stream below the limit gets %d", status)
		}
	}
	over, err := s.get(client, "/events", "", "")
	if err != nil || over.StatusCode != http.StatusTooManyRequests || over.Header.Get("Retry-After") == "" || !strings.Contains(over.text, string(TooManyStreams)) {
		t.Errorf("a stream above the limit gets %d, Retry-After %q: %s, %v", over.StatusCode, over.Header.Get("Retry-After"), over.text, err)
	}
	s.status(client, "", "", http.StatusOK) // the page itself is not limited
	close()
	for { // the server notices a moment later
		end, status := open()
		end()
		if status == http.StatusOK {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}
