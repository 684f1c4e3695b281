package attacks

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/lab/podapi"
)

func clientOf(server *httptest.Server) *podapi.Client {
	address := strings.TrimPrefix(server.URL, "http://")
	return podapi.New(address, address)
}

// Without this an attack could be judged by what the pod said of another record at the same position before.
func TestPageTakesWhatIsNew(t *testing.T) {
	answers := map[string]string{
		"after=0": `{"feed":"a","records":[{"partition":1,"offset":5,"state":"decrypted"}],"next":7}`,
		"after=7": `{"feed":"a","records":[],"next":7}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after, _, _ := strings.Cut(r.URL.RawQuery, "&")
		if _, err := io.WriteString(w, answers[after]); err != nil {
			t.Error(err)
		}
		answers["after=7"] = `{"feed":"a","records":[{"partition":1,"offset":5,"state":"rejected","reject_reason":"sender"}],"next":8}`
	}))
	defer server.Close()
	p := page{pod: clientOf(server)}
	if err := p.skip(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := p.wait(t.Context(), Position{1, 5})
	if err != nil || got[0].State != "rejected" || got[0].RejectReason != "sender" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Without this an attack would count as refused because the pod does not answer, or does not answer a stranger.
func TestPageThatDoesNotAnswer(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusOK} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		p := page{pod: clientOf(server)}
		if got, err := p.wait(t.Context(), Position{}); err == nil {
			t.Errorf("status %d without records: got %+v", status, got)
		}
		server.Close()
	}
}

// Without this a record whose key or header is still on its way would count as refused, and the scoreboard would say that
// the format has stopped an attack that nobody notices.
func TestPageThatHasNotDecided(t *testing.T) {
	for _, state := range []string{"no_key", "unknown_key", "needs_header"} {
		for _, later := range []string{"decrypted", ""} {
			rev := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				rev++
				now := state
				if rev > 2 && later != "" {
					now = later
				}
				if _, err := fmt.Fprintf(w, `{"feed":"a","records":[{"partition":1,"offset":5,"state":%q}],"next":%d}`, now, rev); err != nil {
					t.Error(err)
				}
			}))
			p := page{pod: clientOf(server), undecided: time.Second}
			if later != "" {
				p.undecided = time.Minute
			}
			got, err := p.wait(t.Context(), Position{1, 5})
			switch {
			case later == "" && (err == nil || !strings.Contains(err.Error(), "cannot be judged")):
				t.Errorf("%s for ever: got %+v, %v", state, got, err)
			case later != "" && (err != nil || got[0].State != later):
				t.Errorf("%s before %s: got %+v, %v", state, later, got, err)
			}
			server.Close()
		}
	}
}
