package web

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/limit"
	"kafka-e2ee/web/pages"
	"kafka-e2ee/web/problem"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// recordJSON is a record in the API. writeRecord writes it.
type recordJSON struct {
	aboutJSON
	RecordKey         *string      `json:"record_key"`
	RecordKeyEncoding *string      `json:"record_key_encoding"`
	Headers           []headerJSON `json:"headers"`
	Encoding          *string      `json:"encoding"`
	Value             *string      `json:"value"`
	Wire              *string      `json:"wire"`
}

// aboutJSON is the part of recordJSON without the record's bytes.
type aboutJSON struct {
	Rev       uint64     `json:"rev"`
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Offset    int64      `json:"offset"`
	Timestamp *string    `json:"timestamp"`    // null if it is not a date
	Millis    *int64     `json:"timestamp_ms"` // as in Kafka; null if there is none
	State     feed.State `json:"state"`
	Reason    string     `json:"reason"`
	KeyID     string     `json:"key_id"`
	Sender    senderJSON `json:"sender"`
	Flags     []string   `json:"flags"`
	// RejectReason is empty unless State is rejected.
	RejectReason feed.RejectReason `json:"reject_reason"`
	OtherReaders []string          `json:"other_readers"`
}

type headerJSON struct {
	Key      string  `json:"key"`
	Value    *string `json:"value"`
	Encoding *string `json:"encoding"`
}

type senderJSON struct {
	State  feed.SenderState `json:"state"`
	Name   string           `json:"name"`
	KeyID  string           `json:"key_id"`
	Reason string           `json:"reason"`
}

// recordsQuery holds the parameters of GET /api/records.
type recordsQuery struct {
	limit   int
	after   uint64
	polling bool // after is given
	filter  feed.Filter
}

// parseRecordsQuery reads the parameters. Its error is for the client.
func parseRecordsQuery(raw string) (q recordsQuery, err error) {
	query, filter, err := parseAPIQuery(raw, "limit", "after")
	if err != nil {
		return q, err
	}
	q = recordsQuery{limit: defaultLimit, polling: query.Get("after") != "", filter: filter}
	if text := query.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > maxLimit {
			return q, fmt.Errorf("limit: want a number from 1 to %d", maxLimit)
		}
	}
	if q.polling {
		if q.after, err = strconv.ParseUint(query.Get("after"), 10, 64); err != nil {
			return q, errors.New("after: want a rev, as in next of an earlier answer")
		}
	}
	return q, nil
}

// parseAPIQuery reads a filter, and parameters of other names. Its error is for the client. Unlike the page it rejects
// unknown parameters: a program would mistake unfiltered records for the ones it asked for.
func parseAPIQuery(raw string, others ...string) (query url.Values, f feed.Filter, err error) {
	if query, err = url.ParseQuery(raw); err != nil {
		return nil, f, errors.New("the query cannot be read: want NAME=VALUE, percent-encoded and separated by &")
	}
	known := append(others, "q", "state", "sender", "problem")
	for name, values := range query {
		switch {
		case !slices.Contains(known, name):
			return nil, f, fmt.Errorf("a parameter is not known: want one of %s", joinedNames(known))
		case len(values) > 1:
			return nil, f, fmt.Errorf("%s: is there %d times", name, len(values))
		}
	}
	f = pages.ParseFilter(query)
	switch {
	case string(f.State) != query.Get("state"):
		return nil, f, fmt.Errorf("state: want one of %s", joinedNames(feed.States()))
	case string(f.Sender) != query.Get("sender"):
		return nil, f, fmt.Errorf("sender: want one of %s", joinedNames(feed.SenderStates()))
	case string(f.Problem) != query.Get("problem"):
		return nil, f, fmt.Errorf("problem: want one of %s", joinedNames(feed.Problems()))
	case f.Text != strings.TrimSpace(query.Get("q")):
		return nil, f, fmt.Errorf("q: want valid UTF-8 of at most %d bytes", feed.MaxText)
	}
	return query, f, nil
}

func joinedNames[S ~string](all []S) string {
	names := make([]string, len(all))
	for i, name := range all {
		names[i] = string(name)
	}
	return strings.Join(names, ", ")
}

// records answers GET /api/records?limit=N&after=REV, with the page's filter. Without after it returns the newest
// records. With after it returns the changes since then, the earliest ones if there are more than limit: a client that
// sends each answer's next as its following after misses no record that is still held. The newest record comes first.
func (s *Server) records(w http.ResponseWriter, r *http.Request) {
	q, err := parseRecordsQuery(r.URL.RawQuery)
	if err != nil {
		problem.Write(w, http.StatusBadRequest, "bad_query", err.Error())
		return
	}
	selected, ok := s.selectRecords(w, r, q)
	if !ok {
		return
	}
	defer selected.memory.Release()
	w.Header().Set("Content-Type", jsonType)
	_ = s.writeRecords(w, selected.refs, selected.next, selected.missed) //nolint:errcheck // as in writeJSON
}

// selectedRecords are the records that a query selects, and the memory that writing it takes, record by record.
type selectedRecords struct {
	refs   []feed.Ref
	next   uint64 // the next after
	missed bool   // records that changed since after are no longer held
	memory *limit.Reserved
}

// selectRecords runs a query within the memory for answers. If it does not return true, it has answered, or the client has
// gone.
func (s *Server) selectRecords(w http.ResponseWriter, r *http.Request, q recordsQuery) (selected selectedRecords, ok bool) {
	held, _ := s.feed.Size()
	part, ok := s.reserve(w, r, held*refBytes)
	if !ok {
		return selected, false
	}
	defer part.Release()
	list, next, missed, ok := s.query(r, q)
	if !ok {
		return selected, false
	}
	refs, largest := refsOf(list)
	part.Release() // before the next one is reserved, or two answers could wait for each other
	memory, ok := s.reserve(w, r, largest+len(refs)*refBytes)
	return selectedRecords{refs, next, missed, memory}, ok
}

// refBytes is the memory that a record takes in a list, in bytes.
const refBytes = 64

// query returns the selected records, the next after, and whether records that changed since q.after are no longer held.
func (s *Server) query(r *http.Request, q recordsQuery) (list []feed.Entry, next uint64, missed, ok bool) {
	end, ok := s.search(r, q.filter)
	if !ok {
		return nil, 0, false, false
	}
	defer end()
	if !q.polling {
		list, next = s.feed.Before(0)
		list, _ = q.filter.Select(list, q.limit)
		return list, next, false, true
	}
	list, next = s.feed.Since(q.after)
	missed = s.feed.LostSince(q.after)
	list, _ = q.filter.Select(list, len(list))
	if len(list) > q.limit {
		revs := make([]uint64, len(list))
		for i, r := range list {
			revs[i] = r.Rev
		}
		slices.Sort(revs)
		next = revs[q.limit-1]
		list = slices.DeleteFunc(list, func(r feed.Entry) bool { return r.Rev > next })
	}
	return list, next, missed, true
}

// refsOf returns references to records, and the size of the largest record. A slow answer keeps only references, or it
// would keep records in memory that have left the feed.
func refsOf(list []feed.Entry) (refs []feed.Ref, largest int) {
	refs = make([]feed.Ref, len(list))
	for i, r := range list {
		refs[i], largest = r.Ref(), max(largest, r.Size()+len(r.Stored))
	}
	return refs, largest
}

// writeRecords writes the records one by one, as they are by then. It leaves out those that are no longer held, and says
// so.
func (s *Server) writeRecords(w http.ResponseWriter, refs []feed.Ref, next uint64, missed bool) error {
	out := bufio.NewWriterSize(limit.NewWriter(w), limit.PieceSize/4)
	if _, err := fmt.Fprintf(out, `{"feed":%q,"records":[`, s.feed.ID()); err != nil {
		return err
	}
	separator := ""
	for _, p := range refs {
		r, ok := s.feed.Get(p)
		if !ok {
			missed = true
			continue
		}
		if _, err := out.WriteString(separator); err != nil {
			return err
		}
		if err := s.writeRecord(out, r); err != nil {
			return err
		}
		separator = ","
	}
	if _, err := fmt.Fprintf(out, "],\"next\":%d,\"missed\":%t}\n", next, missed); err != nil {
		return err
	}
	return out.Flush()
}

// oneRecord answers GET /api/records/{topic}/{partition}/{offset}.
func (s *Server) oneRecord(w http.ResponseWriter, r *http.Request) {
	position, ok := parsePosition(r.PathValue("topic"), r.PathValue("partition"), r.PathValue("offset"))
	found, held := s.feed.Find(position)
	if !ok || !held {
		s.fail(w, r, http.StatusNotFound, "not_held")
		return
	}
	reserved, ok := s.reserve(w, r, found.Size()+len(found.Stored))
	if !ok {
		return
	}
	defer reserved.Release()
	w.Header().Set("Content-Type", jsonType)
	out := bufio.NewWriterSize(limit.NewWriter(w), limit.PieceSize/4)
	_, err := fmt.Fprintf(out, `{"feed":%q,"record":`, s.feed.ID())
	if err == nil {
		err = s.writeRecord(out, found)
	}
	if err == nil {
		_, err = out.WriteString("}\n")
	}
	if err == nil {
		_ = out.Flush() //nolint:errcheck // as in writeJSON
	}
}

func (s *Server) about(r feed.Entry) aboutJSON {
	l := s.english()
	j := aboutJSON{
		Rev: r.Rev, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		State: r.State, Reason: l.Why(r.Record), KeyID: r.KeyID, Flags: []string{},
		RejectReason: r.Rejection.Reason, OtherReaders: append([]string{}, r.OtherReaders...),
		Sender: senderJSON{State: r.Sender.Status(), Name: r.Sender.Name, KeyID: r.Sender.KeyID, Reason: l.Sender(r.Sender)},
	}
	j.Timestamp, j.Millis = timeJSON(r.Record)
	for _, flag := range l.Flags(r.Record) {
		j.Flags = append(j.Flags, flag.Name)
	}
	return j
}

// writeRecord writes a record as recordJSON. It writes the bytes in pieces: in JSON they can take many times their size.
func (s *Server) writeRecord(w *bufio.Writer, r feed.Entry) error {
	about, err := json.Marshal(s.about(r))
	if err != nil {
		return err
	}
	out := jsonWriter{Writer: w}
	out.text(string(about[:len(about)-1]))
	out.text(`,"record_key":`)
	encoding := out.value(r.Key)
	out.text(`,"record_key_encoding":` + encoding + `,"headers":[`)
	for i, h := range r.Headers {
		if i > 0 {
			out.text(",")
		}
		out.text(`{"key":`)
		out.quoted([]byte(strings.ToValidUTF8(h.Key, "\uFFFD")))
		out.text(`,"value":`)
		encoding := out.value(h.Value)
		out.text(`,"encoding":` + encoding + "}")
	}
	out.text(`],"value":`)
	encoding = out.value(shownMessage(r.Record))
	out.text(`,"encoding":` + encoding + `,"wire":`)
	if r.Stored == nil {
		out.text("null")
	} else {
		out.base64(r.Stored)
	}
	out.text("}")
	return out.err
}

// shownMessage returns what the page shows of a record: nil only if Kafka stores null.
func shownMessage(r *feed.Record) []byte {
	message := r.Shown()
	if r.State == feed.StateDecrypted && message == nil {
		return []byte{} // a message can be empty, but not null
	}
	return message
}
