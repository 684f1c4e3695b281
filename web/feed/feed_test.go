package feed

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func rec(offset int64, state State, value string) *Record {
	r := &Record{Topic: "t", Offset: offset, Timestamp: time.UnixMilli(1_700_000_000_000 + offset), Stored: []byte("wire of " + value), State: state}
	if state == StateDecrypted {
		r.Value = []byte(value)
	}
	return r
}

// decrypt replaces the records that lack a key, as when the key arrives.
func decrypt(f *Feed) {
	before := f.Records()
	after := make([]*Record, len(before))
	for i, r := range before {
		if r.State == StateNoKey {
			after[i] = rec(r.Offset, StateDecrypted, "decrypted")
		}
	}
	f.Replace(before, after)
}

// Without this a busy topic would fill the pod's memory.
func TestFeedIsBounded(t *testing.T) {
	f := New(10)
	for i := range 100 {
		f.Append(rec(int64(i), StatePlain, fmt.Sprint(i)))
	}
	if list, rev := f.Before(0); len(list) != 10 || list[0].Offset != 99 || rev != 100 {
		t.Errorf("held: %d records, newest %d, rev %d", len(list), list[0].Offset, rev)
	}
	large := New(1000)
	for i := range 100 {
		r := rec(int64(i), StatePlain, "")
		r.Stored = bytes.Repeat([]byte{byte(i)}, 1<<20)
		large.Append(r)
	}
	if records, size := large.Size(); size > MaxBytes || records != 32 {
		t.Errorf("held: %d records of %d bytes, limit %d", records, size, MaxBytes)
	}
	huge := rec(1000, StatePlain, "")
	huge.Stored = make([]byte, MaxBytes+1)
	large.Append(huge)
	if list, _ := large.Before(0); len(list) != 1 || list[0].Offset != 1000 {
		t.Error("a record larger than the limit is not held")
	}
}

// Without this a redelivered record would be on the page twice, and one of a recreated topic not at all, or beside the
// record that it replaces.
func TestOneRecordAtEachPosition(t *testing.T) {
	one, two := [16]byte{1}, [16]byte{2}
	first := func() *Record {
		r := rec(1, StateNoKey, "a")
		r.Key, r.Headers = []byte("k"), []Header{{"h", []byte("v")}}
		return r
	}
	for name, test := range map[string]struct {
		held, came [16]byte
		change     func(*Record)
		other      bool
	}{
		"delivered again":                  {change: func(*Record) {}},
		"delivered again, the topic known": {one, one, func(*Record) {}, false},
		"another topic":                    {one, two, func(*Record) {}, true},
		"the topic is known now":           {[16]byte{}, one, func(*Record) {}, false},
		"another value":                    {change: func(r *Record) { r.Stored = []byte("b") }, other: true},
		"another value, a topic unknown":   {one, [16]byte{}, func(r *Record) { r.Stored = []byte("b") }, true},
		"another key":                      {change: func(r *Record) { r.Key = []byte("l") }, other: true},
		"no key":                           {change: func(r *Record) { r.Key = nil }, other: true},
		"another header":                   {change: func(r *Record) { r.Headers[0].Value = []byte("w") }, other: true},
		"no header":                        {change: func(r *Record) { r.Headers = nil }, other: true},
		"null instead of empty":            {change: func(r *Record) { r.Headers[0].Value = nil }, other: true},
		"another time":                     {change: func(r *Record) { r.Timestamp = r.Timestamp.Add(time.Millisecond) }, other: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := New(10)
			held, came := first(), first()
			held.TopicID, came.TopicID = test.held, test.came
			if name == "null instead of empty" {
				held.Headers[0].Value = []byte{}
			}
			test.change(came)
			f.Append(rec(0, StatePlain, "before"), held, rec(2, StatePlain, "after"))
			f.Append(came)
			list, _ := f.Before(0)
			if want := map[bool]*Record{false: held, true: came}[test.other]; len(list) != 3 || f.At(held.Position()) != want || (list[0].Record == came) != test.other {
				t.Errorf("held: %d records, the newest at offset %d", len(list), list[0].Offset)
			}
			decrypt(f)
			records, size := f.Size()
			sum := 0
			for _, r := range f.Records() {
				sum += r.Size()
				if r.State == StateNoKey {
					t.Error("a replaced record stays without a key forever")
				}
			}
			positions := 0
			for _, entries := range f.index.byPartition {
				positions += len(entries)
			}
			if records != positions || size != sum {
				t.Errorf("%d records with %d positions, %d bytes counted as %d", records, positions, sum, size)
			}
		})
	}
}

// Without this the feed's memory would double when the key arrives.
func TestDecryptedRecordsAreBounded(t *testing.T) {
	f := New(1000)
	for i := range 32 {
		r := rec(int64(i), StateNoKey, "")
		r.Stored = bytes.Repeat([]byte{byte(i)}, 1<<20)
		f.Append(r)
	}
	before := f.Records()
	after := make([]*Record, len(before))
	for i, r := range before {
		opened := *r
		opened.State, opened.Value = StateDecrypted, make([]byte, 1<<20)
		after[i] = &opened
	}
	f.Replace(before, after)
	if records, size := f.Size(); size > MaxBytes || records != 16 {
		t.Errorf("held: %d records of %d bytes, limit %d", records, size, MaxBytes)
	}
	if list, _ := f.Before(0); list[0].Offset != 31 || list[0].State != StateDecrypted {
		t.Errorf("the newest is at offset %d, %s", list[0].Offset, list[0].State)
	}
}

// Without this the page would show a rate of zero for as long as the clock was set back.
func TestClockGoesBack(t *testing.T) {
	f, now := New(100), time.Unix(1_700_000_000, 0)
	f.Now = func() time.Time { return now }
	come := func(n int, every time.Duration) {
		for range n {
			now = now.Add(every)
			f.Append(rec(int64(f.rev), StatePlain, "x"))
		}
	}
	come(100, 100*time.Millisecond)
	now = now.Add(-30 * time.Minute)
	come(200, 50*time.Millisecond)
	if rate := f.Summary(false).Rate; rate < 19 || rate > 21 {
		t.Errorf("twenty records a second are shown as %v", rate)
	}
	// Time's monotonic clock counts, not the wall clock.
	var r rate
	start := time.Now()
	for i := range 60 {
		r.add(10, start.Add(time.Duration(i)*time.Second))
	}
	if got := r.perSecond(start.Add(60 * time.Second)); got != 10 {
		t.Errorf("ten a second are %v", got)
	}
}
