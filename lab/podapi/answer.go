package podapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"kafka-e2ee/web/safetext"
)

// MaxValue is how much of a record's value is kept, in bytes: more than anybody shows.
const MaxValue = 2 << 10

// Answer is an answer to a request for records.
type Answer struct {
	Feed    string // id of the pod's feed: another one after each start
	Next    uint64 // the revision to ask for next
	Records []Record
}

// Record is a record as a pod shows it, without what Kafka stores.
type Record struct {
	Rev          uint64   `json:"rev"`
	Partition    int32    `json:"partition"`
	Offset       int64    `json:"offset"`
	Millis       *int64   `json:"timestamp_ms"`
	State        string   `json:"state"`
	KeyID        string   `json:"key_id"`
	RejectReason string   `json:"reject_reason"`
	Flags        []string `json:"flags"`
	Sender       struct {
		State string `json:"state"`
		Name  string `json:"name"`
	} `json:"sender"`
	Encoding *string `json:"encoding"`
	Value    *string `json:"value"` // its start
}

// Key is what a pod says of its keys.
type Key struct {
	State       string // as in docs/api.md
	Since       time.Time
	Confirmed   time.Time // zero: the keys were not released again since then
	Reason      string
	Held        []HeldKey // the newest first
	NextAttempt time.Time // zero: none is planned
}

// HeldKey is a key that a pod holds.
type HeldKey struct {
	ID    string    `json:"key_id"`
	Since time.Time `json:"since"`
}

// maxHeld is how many keys of a pod are kept.
const maxHeld = 64

// readAnswer reads an answer one record at a time, and keeps of each only what Record holds.
func readAnswer(body io.Reader) (Answer, error) {
	var answer Answer
	in := json.NewDecoder(body)
	if err := expect(in, json.Delim('{')); err != nil {
		return Answer{}, err
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return Answer{}, err
		}
		switch name {
		case "feed":
			err = in.Decode(&answer.Feed)
		case "next":
			err = in.Decode(&answer.Next)
		case "records":
			answer.Records, err = readRecords(in)
		default:
			err = in.Decode(new(json.RawMessage))
		}
		if err != nil {
			return Answer{}, err
		}
	}
	if answer.Feed == "" {
		return Answer{}, errors.New("it names no feed")
	}
	return answer, expect(in, json.Delim('}'))
}

func readRecords(in *json.Decoder) ([]Record, error) {
	if err := expect(in, json.Delim('[')); err != nil {
		return nil, err
	}
	var records []Record
	for in.More() {
		if len(records) == MaxRecords {
			return nil, errors.New("it holds more records than were asked for")
		}
		var r Record
		if err := in.Decode(&r); err != nil {
			return nil, err
		}
		if r.Value != nil {
			start := safetext.WholeRunes([]byte((*r.Value)[:min(len(*r.Value), MaxValue)]))
			r.Value = &start
		}
		records = append(records, r)
	}
	return records, expect(in, json.Delim(']'))
}

func expect(in *json.Decoder, want json.Delim) error {
	got, err := in.Token()
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

func readKey(body io.Reader) (Key, error) {
	var answer struct {
		State       string    `json:"state"`
		Since       time.Time `json:"since"`
		Confirmed   string    `json:"confirmed"` // empty: not yet
		Reason      string    `json:"reason"`
		NextAttempt string    `json:"next_attempt"` // empty: none is planned
		Held        []HeldKey `json:"held_keys"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return Key{}, err
	}
	held := slices.DeleteFunc(answer.Held, func(k HeldKey) bool { return k.ID == "" })
	key := Key{State: answer.State, Since: answer.Since, Reason: answer.Reason, Held: held[:min(len(held), maxHeld)]}
	var errs [2]error
	key.Confirmed, errs[0] = optionalTime(answer.Confirmed)
	key.NextAttempt, errs[1] = optionalTime(answer.NextAttempt)
	return key, errors.Join(errs[:]...)
}

// optionalTime reads a time; the zero time from an empty text.
func optionalTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}
