package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kafka-e2ee/settings"
)

// Without this the cluster test could take a page that does not answer for one that does, or an error for the page.
func TestFetch(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := []byte("two\nlines")
		switch r.URL.Path {
		case "/teapot":
			w.WriteHeader(http.StatusTeapot)
		case "/elsewhere":
			http.Redirect(w, r, "/", http.StatusFound)
			return
		case "/long":
			body = bytes.Repeat([]byte("a"), maxBody+1)
		case "/broken":
			w.Header().Set("Content-Length", "100")
		}
		if _, err := w.Write(body); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	for path, want := range map[string]string{"/": "200\ntwo\nlines", "/teapot": "418\ntwo\nlines", "/elsewhere": "302\n"} {
		var out strings.Builder
		if err := fetch(t.Context(), []string{server.URL + path}, &out); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %q, %v", path, out.String(), err)
		}
	}
	for _, path := range []string{"/long", "/broken"} {
		if err := fetch(t.Context(), []string{server.URL + path}, new(strings.Builder)); exitStatus(err) != 3 {
			t.Errorf("%s: %v, status %d", path, err, exitStatus(err))
		}
	}
	gone := server.URL
	server.Close()
	if err := fetch(t.Context(), []string{gone}, new(strings.Builder)); err == nil || exitStatus(err) != 1 {
		t.Errorf("nobody answers: %v", err)
	}
	for _, args := range [][]string{nil, {"a", "b"}, {"http://a b"}} {
		if err := fetch(t.Context(), args, new(strings.Builder)); !errors.Is(err, settings.ErrInvalid) {
			t.Errorf("%q: %v", args, err)
		}
	}
}
