package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/pages"
)

func (s *Server) layout(w http.ResponseWriter, r *http.Request) pages.Layout {
	l := pages.Localizer{Texts: s.languages.OfPage(w, r)}
	name := l.Name(s.name)
	return pages.Layout{Localizer: l, Heading: cmp.Or(name, l.T("page.heading")), Title: pages.JoinTitle(name, l.T("sample.stored")), Notice: l.Notice(s.notices), Languages: s.languageLinks(l, r), PublicNotice: l.T("access." + s.publicNotice(r)), Files: s.assets}
}

// page answers GET / with the newest records that the filter selects, or with those before a given one.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	count, _ := s.feed.Size()
	reserved, ok := s.reserve(w, r, count*refBytes+firstRows*pages.RowBytes)
	if !ok {
		return
	}
	defer reserved.Release()
	v := pages.PageView{Layout: s.layout(w, r)}
	chosen, before := pages.ParseFilter(r.URL.Query()), beforeQuery(r.URL.Query())
	end, ok := s.search(r, chosen)
	if !ok {
		return
	}
	held, rev := s.feed.Before(before)
	list, selected := chosen.Select(held, firstRows)
	end()
	v.Filter, v.Rows, v.Overview = v.Localizer.Filter(chosen, selected, len(held)), v.Localizer.Rows(list), s.overview(v.Localizer)
	v.Selected, v.Searched = selected, len(held)
	pages.MarkNewKeys(v.Rows, v.T("row.new_key"))
	v.Connection, v.Exports = s.connection(v.Localizer, r), s.exports
	query := pages.FilterQuery(chosen)
	if before == 0 {
		v.Cursor = s.cursor(rev)
	} else {
		v.Newest = "/?" + query.Encode()
	}
	if selected > len(list) {
		query.Set("before", strconv.FormatUint(list[len(list)-1].Seq, 10))
		v.Older = "/?" + query.Encode()
	}
	size := handlerBytes
	for _, row := range v.Rows {
		size += row.Size()
	}
	reserved.Keep(int64(size))
	answer(w, r, http.StatusOK, pages.Page(v))
}

// overview returns what the page says above the rows at this moment.
func (s *Server) overview(l pages.Localizer) pages.Overview {
	return l.Overview(s.feed.Summary(s.preferVerified), s.key(), s.kafka(), s.started, s.preferVerified)
}

// search waits until the records may be searched for the filter's text. It fails if the client has gone.
func (s *Server) search(r *http.Request, f feed.Filter) (end func(), ok bool) {
	if f.Text == "" {
		return func() {}, true
	}
	select {
	case s.searchSem <- struct{}{}:
		return func() { <-s.searchSem }, true
	case <-r.Context().Done():
		return nil, false
	}
}

// beforeQuery returns the Seq before which a page of older records starts; 0 for the newest.
func beforeQuery(query url.Values) uint64 {
	seq, err := strconv.ParseUint(query.Get("before"), 10, 64)
	if err != nil {
		return 0
	}
	return seq
}

// proof answers GET /proof.
func (s *Server) proof(w http.ResponseWriter, r *http.Request) {
	p := s.layout(w, r)
	p.Title = pages.JoinTitle(p.Name(s.name), p.T("proof.title"))
	answer(w, r, http.StatusOK, pages.Proof(pages.ProofView{Layout: p, Command: s.key().Verify, Verify: s.verifyCommand(), Source: s.verifySource(p.Localizer)}))
}

// record answers GET /records/{topic}/{partition}/{offset} with the record's page. With ?part=1 it answers with the part
// that the script puts below a row, with ?all=1 it shows as much of the record as a browser can.
func (s *Server) record(w http.ResponseWriter, r *http.Request) {
	p := s.layout(w, r)
	p.Title = pages.JoinTitle(p.Name(s.name), p.T("record.title"))
	position, ok := parsePosition(r.PathValue("topic"), r.PathValue("partition"), r.PathValue("offset"))
	if !ok {
		s.fail(w, r, http.StatusNotFound, "no_such_address")
		return
	}
	query := r.URL.Query()
	found := s.feed.At(position)
	if query.Get("part") == "sample" {
		s.recordSample(w, r, p.Localizer, found)
		return
	}
	if found == nil {
		held, _ := s.feed.Size()
		v := p.Gone(position, held)
		v.Layout = p
		if query.Get("part") != "" {
			answer(w, r, http.StatusOK, pages.GoneNote(v)) // not 404, which the browser would log to its console
			return
		}
		answer(w, r, http.StatusNotFound, pages.Gone(v))
		return
	}
	reserved, ok := s.reserve(w, r, found.Size())
	if !ok {
		return
	}
	defer reserved.Release()
	v := p.Record(found, query.Get("all") != "")
	if query.Get("part") != "" {
		answer(w, r, http.StatusOK, pages.Record(p.Localizer, v))
		return
	}
	answer(w, r, http.StatusOK, pages.RecordPage(p, v))
}

// recordSample answers with a record as the sample above the list: an opened row is the sample.
func (s *Server) recordSample(w http.ResponseWriter, r *http.Request, l pages.Localizer, found *feed.Record) {
	if found == nil {
		w.WriteHeader(http.StatusNoContent) // the sample stays as it is
		return
	}
	reserved, ok := s.reserve(w, r, found.Size())
	if !ok {
		return
	}
	defer reserved.Release()
	before := found.Position()
	before.Offset--
	answer(w, r, http.StatusOK, pages.Sample(l, l.Sample(feed.Summary{Sample: found, Before: s.feed.At(before)}, s.preferVerified)))
}

// bytes answers GET /api/records/{topic}/{partition}/{offset}/{part} with the bytes of the message, the value in Kafka or
// the key.
func (s *Server) bytes(w http.ResponseWriter, r *http.Request) {
	position, ok := parsePosition(r.PathValue("topic"), r.PathValue("partition"), r.PathValue("offset"))
	found := s.feed.At(position)
	if !ok || found == nil {
		s.fail(w, r, http.StatusNotFound, "not_held")
		return
	}
	if found.State == feed.StateRejected {
		s.fail(w, r, http.StatusForbidden, "rejected")
		return
	}
	parts := map[string][]byte{"value": found.Shown(), "wire": found.Stored, "key": found.Key}
	body, ok := parts[r.PathValue("part")]
	if !ok {
		s.fail(w, r, http.StatusNotFound, "no_such_part")
		return
	}
	reserved, ok := s.reserve(w, r, found.Size())
	if !ok {
		return
	}
	defer reserved.Release()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+r.PathValue("part")+`.bin"`)
	_, _ = limit.NewWriter(w).Write(body) //nolint:errcheck // the viewer has gone
}

// parsePosition reads the position of a record from an address.
func parsePosition(topic, partition, offset string) (feed.Position, bool) {
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 {
		return feed.Position{}, false
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || o < 0 {
		return feed.Position{}, false
	}
	return feed.Position{Topic: topic, Partition: int32(p), Offset: o}, topic != ""
}

// answer sends a page while it renders: the HTML can be many times as large as the records.
func answer(w http.ResponseWriter, r *http.Request, status int, page templ.Component) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = page.Render(r.Context(), limit.NewWriter(w)) //nolint:errcheck // the viewer has gone
}
