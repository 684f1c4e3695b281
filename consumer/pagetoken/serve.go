package pagetoken

import (
	"net/http"
	"strconv"
	"time"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/skrclient/attested"
	"kafka-e2ee/web/access"
	"kafka-e2ee/web/problem"
)

// maxWait is how long a request waits for an attestation with its nonce.
const maxWait = 25 * time.Second

const nothingAttests = "nothing attests this pod (hint: it needs the key-release sidecar, and SkrClientMAAEndpoint)"

// ServeHTTP answers GET /.well-known/attestation. The request's connection must be one of the attested address.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spki, ok := access.AttestedSPKI(r.Context())
	if !ok || s.cfg.Attest == nil {
		problem.Write(w, http.StatusNotFound, "nothing_attests", nothingAttests)
		return
	}
	made := result{document: s.current(spki), spki: spki}
	switch query := r.URL.Query(); {
	case query.Has("nonce"):
		nonce, err := attested.BindNonce(query.Get("nonce"), r.TLS)
		if err != nil {
			problem.Write(w, http.StatusBadRequest, "bad_nonce", err.Error())
			return
		}
		if made, ok = s.wait(w, r, nonce); !ok {
			return
		}
	case made.document == nil:
		s.mu.Lock()
		made.spki, made.err = s.cfg.Key.SPKI(), s.failed
		s.mu.Unlock()
	}
	switch {
	case made.spki != spki:
		w.Header().Set("Connection", "close")
		unavailable(w, "key_renewed", "the page's TLS key has been renewed: connect again")
	case made.err != nil && made.err.Kind == skrclient.KindUnreachable && made.err.Step == skrclient.StepSidecar:
		problem.Write(w, http.StatusNotFound, "nothing_attests", nothingAttests)
	case made.err != nil:
		unavailable(w, "not_attested", "attesting the page's TLS key: "+made.err.Cause.Text())
	case made.document == nil:
		unavailable(w, "not_attested_yet", "the page's TLS key is being attested: ask again")
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(made.document) //nolint:errcheck // the viewer has gone
	}
}

// wait waits for the next attestation, with the nonce. It answers the request itself if there is none in time.
func (s *Server) wait(w http.ResponseWriter, r *http.Request, nonce string) (result, bool) {
	waiting := newWaiter(nonce, access.Network(r.RemoteAddr))
	if !s.queue.add(waiting) {
		tooMany(w)
		return result{}, false
	}
	defer s.queue.remove(waiting)
	s.attestSoon()
	select {
	case made := <-waiting.answer:
		return made, true
	case <-waiting.dropped:
		tooMany(w)
	case <-time.After(maxWait):
		unavailable(w, "not_attested_yet", "the attestation takes too long, or a key release goes first: ask again")
	case <-r.Context().Done():
	}
	return result{}, false
}

func tooMany(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(int(minInterval/time.Second)))
	problem.Write(w, http.StatusTooManyRequests, "too_many_verifiers", "too many viewers verify the page at once: ask again")
}

func unavailable(w http.ResponseWriter, code, text string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(minInterval/time.Second)))
	problem.Write(w, http.StatusServiceUnavailable, code, text)
}
