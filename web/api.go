package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	usualLimit = 100
	mostLimit  = 1000
)

type recordJSON struct {
	Rev       uint64       `json:"rev"`
	Topic     string       `json:"topic"`
	Partition int32        `json:"partition"`
	Offset    int64        `json:"offset"`
	Timestamp string       `json:"timestamp"`
	State     State        `json:"state"`
	Reason    string       `json:"reason"`
	KeyID     string       `json:"key_id"`
	Sender    senderJSON   `json:"sender"`
	Flags     []string     `json:"flags"`
	RecordKey string       `json:"record_key"`
	Headers   []headerJSON `json:"headers"`
	Encoding  string       `json:"encoding"`
	Value     string       `json:"value"`
	Wire      string       `json:"wire"`
}

type headerJSON struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Encoding string `json:"encoding"`
}

type senderJSON struct {
	State  SenderState `json:"state"`
	Name   string      `json:"name"`
	KeyID  string      `json:"key_id"`
	Reason string      `json:"reason"`
}

func rfc3339(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// asText gives bytes as text where they are valid UTF-8, else as base64.
func asText(b []byte) (text, encoding string) {
	if utf8.Valid(b) {
		return string(b), "utf-8"
	}
	return base64.StdEncoding.EncodeToString(b), "base64"
}

func (s *Server) recordJSON(r revised) recordJSON {
	w := s.english()
	j := recordJSON{
		Rev: r.Rev, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Timestamp: rfc3339(r.Timestamp),
		State: r.State, Reason: w.why(r.Record), KeyID: r.KeyID, Flags: []string{}, Headers: []headerJSON{},
		Wire: base64.StdEncoding.EncodeToString(r.Wire),
	}
	j.Value, j.Encoding = asText(r.shown())
	j.RecordKey, _ = asText(r.Key)
	j.Sender = senderJSON{State: r.Sender.state(), Name: r.Sender.Name, KeyID: r.Sender.KeyID, Reason: w.sender(r.Sender)}
	for _, flag := range w.flags(r.Record) {
		j.Flags = append(j.Flags, flag.Name)
	}
	for _, h := range r.Headers {
		value, encoding := asText(h.Value)
		j.Headers = append(j.Headers, headerJSON{strings.ToValidUTF8(h.Key, "\uFFFD"), value, encoding})
	}
	return j
}

// records answers GET /api/records?limit=N&after=REV. Without after it gives the
// newest; with it, what changed since, the earliest changes first where there
// are more than limit, so that a poller that passes on next misses nothing that
// is still held. Within an answer the newest record stands first.
func (s *Server) records(w http.ResponseWriter, r *http.Request) {
	limit, after, polling, err := recordsQuery(r.URL.Query().Get("limit"), r.URL.Query().Get("after"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var list []revised
	var next uint64
	if polling {
		list, next = s.feed.since(after)
		if len(list) > limit {
			revs := make([]uint64, len(list))
			for i, r := range list {
				revs[i] = r.Rev
			}
			slices.Sort(revs)
			next = revs[limit-1]
			list = slices.DeleteFunc(list, func(r revised) bool { return r.Rev > next })
		}
	} else {
		list, next = s.feed.newest(limit)
	}
	w.Header().Set("Content-Type", jsonType)
	_ = s.writeRecords(w, list, next) //nolint:errcheck // as in writeJSON
}

// writeRecords writes one after the other: all of them at once would take many
// times the memory of the history.
func (s *Server) writeRecords(w io.Writer, list []revised, next uint64) error {
	if _, err := fmt.Fprintf(w, `{"feed":%q,"records":[`, s.feed.id); err != nil {
		return err
	}
	separator := ""
	for _, r := range list {
		record, err := json.Marshal(s.recordJSON(r))
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, record); err != nil {
			return err
		}
		separator = ","
	}
	_, err := fmt.Fprintf(w, "],\"next\":%d}\n", next)
	return err
}

// recordsQuery reads the parameters; the error is meant for the caller.
func recordsQuery(limitText, afterText string) (limit int, after uint64, polling bool, err error) {
	limit = usualLimit
	if limitText != "" {
		if limit, err = strconv.Atoi(limitText); err != nil || limit < 1 || limit > mostLimit {
			return 0, 0, false, fmt.Errorf("limit: want a number from 1 to %d", mostLimit)
		}
	}
	if afterText != "" {
		if after, err = strconv.ParseUint(afterText, 10, 64); err != nil {
			return 0, 0, false, fmt.Errorf("after: want a rev, as in next of an earlier answer")
		}
	}
	return limit, after, afterText != "", nil
}

type keyJSON struct {
	State       KeyState      `json:"state"`
	Keys        []keyInfoJSON `json:"keys"`
	Since       string        `json:"since"`
	Attempts    int           `json:"attempts"`
	Reason      string        `json:"reason"`
	NextAttempt string        `json:"next_attempt"`
	Checks      []checkJSON   `json:"checks"`
	Attestation tokenJSON     `json:"attestation"`
}

type checkJSON struct {
	Claim    string      `json:"claim"`
	Name     string      `json:"name"`
	Expected string      `json:"expected"`
	Actual   string      `json:"actual"`
	Result   CheckResult `json:"result"`
}

// tokenJSON is about the token behind the checks.
type tokenJSON struct {
	State   AttestationState `json:"state"`
	Reason  string           `json:"reason"`
	Issued  string           `json:"issued"`
	Expires string           `json:"expires"`
}

type keyInfoJSON struct {
	KeyName string   `json:"key_name"`
	KeyID   string   `json:"key_id"`
	State   KeyState `json:"state"`
}

// keyStatus answers GET /api/key.
func (s *Server) keyStatus(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.keyJSON(s.key())) }

func (s *Server) keyJSON(k KeyStatus) keyJSON {
	w := s.english()
	v := w.verdict(k)
	answer := keyJSON{
		State: k.State, Keys: []keyInfoJSON{}, Since: rfc3339(k.Since), Attempts: k.Attempts, Checks: []checkJSON{},
		Reason: joined(v.Title+".", v.Why, v.Todo),
	}
	if !k.NextAttempt.IsZero() {
		answer.NextAttempt = rfc3339(k.NextAttempt)
	}
	for _, key := range k.Keys {
		answer.Keys = append(answer.Keys, keyInfoJSON{key.Name, key.ID, key.State})
	}
	for _, check := range k.Attestation.Checks {
		answer.Checks = append(answer.Checks, checkJSON{check.Claim, w.claim(check.Claim), check.Expected, check.Actual, check.Result})
	}
	answer.Attestation = tokenJSON{State: k.Attestation.State, Reason: k.Attestation.Reason}
	if !k.Attestation.Issued.IsZero() {
		answer.Attestation.Issued, answer.Attestation.Expires = rfc3339(k.Attestation.Issued), rfc3339(k.Attestation.Expires)
	}
	return answer
}

func joined(sentences ...string) string {
	text := ""
	for _, s := range sentences {
		if s != "" {
			text += " " + s
		}
	}
	return text[1:]
}

const jsonType = "application/json; charset=utf-8"

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", jsonType)
	_ = json.NewEncoder(w).Encode(body) //nolint:errcheck // the caller has gone; there is no one to tell
}
