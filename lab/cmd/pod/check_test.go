package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"kafka-e2ee/lab/console"
)

// publishedAt is a demo whose console is published at an address.
type publishedAt struct {
	console.Demo

	address string
}

func (p publishedAt) Addresses() console.Addresses { return console.Addresses{Console: p.address} }

// Without this "make up" would never become healthy, and the pods never start: at the port that the console also has in the
// pod, which is the default one, or at every other.
func TestCheck(t *testing.T) {
	t.Parallel()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer server.Close()
	inPod := server.Listener.Addr().String()
	_, samePort, err := net.SplitHostPort(inPod)
	if err != nil {
		t.Fatal(err)
	}
	for name, port := range map[string]string{"the same port": samePort, "another port": "4002", "HTTP's port": "80"} {
		c, err := console.New(publishedAt{address: "localhost:" + port})
		if err != nil {
			t.Fatal(err)
		}
		handler = c.Handler()
		if err := check(t.Context(), inPod); err != nil {
			t.Errorf("published at %s: %v", name, err)
		}
	}
	for _, status := range []int{http.StatusOK, http.StatusNotFound, http.StatusFound} {
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if err := check(t.Context(), inPod); err == nil {
			t.Errorf("something else that answers with %d was taken for the console", status)
		}
	}
	server.Close()
	if err := check(t.Context(), inPod); err == nil {
		t.Error("nothing answers, and it was taken for the console")
	}
}
