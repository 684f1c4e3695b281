package web

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"
)

func (s *Server) shell(w http.ResponseWriter, r *http.Request, title string) shell {
	words := s.speak(w, r)
	return shell{words: words, title: words.say(title), notice: s.notice, languages: s.switches(words, r), open: words.say(s.open), assets: s.assets}
}

// page answers GET / with the newest records, or with those before one, in a filter.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	v := view{shell: s.shell(w, r, "stored")}
	chosen, before := parseFilter(r.URL.Query()), beforeQuery(r.URL.Query())
	held, rev := s.feed.older(before)
	list, more := chosen.only(held, firstRows)
	v.filter, v.rows, v.head = v.words.filter(chosen), v.words.rows(list), s.head(v.words)
	query := chosen.query()
	if before == 0 {
		v.cursor = s.cursor(rev)
	} else {
		v.newest = "/?" + query.Encode()
	}
	if more {
		query.Set("before", strconv.FormatUint(list[len(list)-1].Seq, 10))
		v.older = "/?" + query.Encode()
	}
	answer(w, r, http.StatusOK, page(v))
}

// beforeQuery is the place in the feed from which a page goes back; 0 for the newest.
func beforeQuery(query url.Values) uint64 {
	seq, err := strconv.ParseUint(query.Get("before"), 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// proof answers GET /proof.
func (s *Server) proof(w http.ResponseWriter, r *http.Request) {
	sh := s.shell(w, r, "proof.title")
	answer(w, r, http.StatusOK, proof(proofView{shell: sh, Command: s.key().Verify}))
}

// record answers GET /records/{topic}/{partition}/{offset} with a page; with
// ?part=1 with what the script puts below a row; with ?all=1 nothing is cut.
func (s *Server) record(w http.ResponseWriter, r *http.Request) {
	sh := s.shell(w, r, "record.title")
	where, ok := parsePosition(r.PathValue("topic"), r.PathValue("partition"), r.PathValue("offset"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	query := r.URL.Query()
	found := s.feed.at(where)
	if found == nil {
		held, _ := s.feed.held()
		v := sh.gone(where, held)
		v.shell = sh
		if query.Get("part") != "" {
			answer(w, r, http.StatusOK, left(v)) // for the script, which would show a failure in the browser's console
			return
		}
		answer(w, r, http.StatusNotFound, gone(v))
		return
	}
	limit := cutLimits()
	if query.Get("all") != "" {
		limit = allLimits()
	}
	v := sh.record(found, limit)
	if query.Get("part") != "" {
		answer(w, r, http.StatusOK, opened(sh.words, v))
		return
	}
	answer(w, r, http.StatusOK, recordPage(sh, v))
}

// bytes answers GET /api/records/{topic}/{partition}/{offset}/{part} with the
// value, the wire or the key as they are.
func (s *Server) bytes(w http.ResponseWriter, r *http.Request) {
	where, ok := parsePosition(r.PathValue("topic"), r.PathValue("partition"), r.PathValue("offset"))
	found := s.feed.at(where)
	if !ok || found == nil {
		http.NotFound(w, r)
		return
	}
	parts := map[string][]byte{"value": found.shown(), "wire": found.Wire, "key": found.Key}
	body, ok := parts[r.PathValue("part")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+r.PathValue("part")+`.bin"`)
	_, _ = w.Write(body) //nolint:errcheck // the viewer has gone; there is no one to tell
}

// parsePosition reads the place of a record from an address.
func parsePosition(topic, partition, offset string) (position, bool) {
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return position{}, false
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return position{}, false
	}
	return position{topic, int32(p), o}, topic != ""
}

// answer renders a page whole before it sends any of it.
func answer(w http.ResponseWriter, r *http.Request, status int, page templ.Component) {
	var body bytes.Buffer
	if err := page.Render(r.Context(), &body); err != nil {
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) //nolint:errcheck // the viewer has gone; there is no one to tell
}
