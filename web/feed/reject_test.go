package feed

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

func rejectedRecord(offset int64, size int) *Record {
	r := rec(offset, StateRejected, "")
	r.Stored = nil
	if size > 0 {
		r.Withheld = &Withheld{Stored: bytes.Repeat([]byte("x"), size)}
	}
	return r
}

// Without this anyone who may write could push all good records out with junk.
func TestRejectedRecordsTakeATenth(t *testing.T) {
	f := New(100)
	for i := range 80 {
		f.Append(rec(int64(i), StatePlain, "good"))
	}
	var junk []*Record
	for i := range 1000 {
		junk = append(junk, rejectedRecord(int64(1000+i), 0))
	}
	f.Append(junk...)
	counts := map[State]int{}
	for _, r := range f.Records() {
		counts[r.State]++
	}
	if counts[StateRejected] != 10 || counts[StatePlain] != 80 || f.At(junk[999].Position()) == nil || f.At(junk[0].Position()) != nil {
		t.Errorf("held: %v", counts)
	}
	if c := f.Summary(false).Counts; c.Rejected != 1000 || c.Failed != 0 {
		t.Errorf("counted: %+v", c)
	}
	for i := range 100 {
		f.Append(rec(int64(5000+i), StatePlain, "good"))
	}
	if f.junk != (amount{}) {
		t.Errorf("%+v rejected records are accounted, and none is held", f.junk)
	}

	large := New(1000)
	large.Append(rec(0, StatePlain, "good"))
	for i := range 50 {
		large.Append(rejectedRecord(int64(1+i), 1<<20))
	}
	if records, size := large.Size(); records != 4 || size > MaxJunkBytes+100 {
		t.Errorf("held: %d records of %d bytes", records, size)
	}
	before := large.Records()
	after := make([]*Record, len(before))
	for i, r := range before {
		after[i] = rejectedRecord(r.Offset, 2<<20)
	}
	large.Replace(before, after)
	if _, size := large.Size(); size > MaxJunkBytes || size != large.junk.bytes {
		t.Errorf("after a change %d bytes are held", size)
	}
}

// Without this anyone who may write could push all good records out of a feed of signed ones, with records that do not open
// or with copies; or a record that waits for its key would count as junk.
func TestJunkTakesATenthIfASenderIsRequired(t *testing.T) {
	copied := func(offset int64) *Record {
		r := rec(offset, StateDecrypted, "again")
		r.Flags.Repeat, r.Flags.Moved = offset%2 == 0, offset%2 == 1
		return r
	}
	for _, state := range States() {
		good := slices.Contains([]State{StateDecrypted, StateNoKey, StateUnknownKey}, state)
		for _, required := range []bool{false, true} {
			f := New(100)
			f.SenderRequired = required
			f.Append(rec(0, StateDecrypted, "good"))
			for i := range int64(200) {
				f.Append(rec(1+i, state, "junk"))
			}
			if kept, want := f.At(rec(0, "", "").Position()) != nil, state == StateRejected || required && !good; kept != want {
				t.Errorf("%s, a sender is required: %t: the good record is kept: %t", state, required, kept)
			}
			f.Append(rec(1000, StateDecrypted, "good"))
			for i := range int64(200) {
				f.Append(copied(2000 + i))
			}
			if kept := f.At(rec(1000, "", "").Position()) != nil; kept != required {
				t.Errorf("copies, a sender is required: %t: the good record is kept: %t", required, kept)
			}
		}
	}
}

// Without this a forged message could fill the large box, or a signed one be missing from it.
func TestSampleIsWhatTheSettingsWant(t *testing.T) {
	signed, unsigned := rec(1, StateDecrypted, "signed"), rec(2, StateDecrypted, "unsigned")
	signed.Sender = Sender{State: SenderVerified, Name: "alice"}
	unsigned.Sender = Sender{State: SenderUnverified, Reason: SenderUnsigned}
	for _, test := range []struct {
		records []*Record
		prefer  bool
		want    *Record
	}{
		{[]*Record{signed, unsigned}, false, unsigned},
		{[]*Record{signed, unsigned}, true, signed},
		{[]*Record{unsigned, rejectedRecord(3, 10)}, true, unsigned},
		{[]*Record{rejectedRecord(0, 0), signed, rejectedRecord(3, 10)}, false, signed},
		{[]*Record{rejectedRecord(3, 10)}, false, nil},
	} {
		f := New(100)
		f.Append(test.records...)
		s := f.Summary(test.prefer)
		if s.Sample != test.want || s.Before != nil && s.Before.State == StateRejected || s.Empty {
			t.Errorf("%s: the sample is %+v after %+v", fmt.Sprint(len(test.records), test.prefer), s.Sample, s.Before)
		}
	}
}

// Without this a search would tell what a rejected record contains.
func TestFilterFindsNoRejectedText(t *testing.T) {
	r := rejectedRecord(1, 0)
	r.Withheld = &Withheld{Key: []byte("wheedle"), Stored: []byte("wheedle"), Headers: []Header{{Key: "wheedle", Value: []byte("wheedle")}}}
	if (Filter{Text: "wheedle"}).Match(r) || !(Filter{State: StateRejected}).Match(r) {
		t.Error("the filter finds the text of a rejected record, or does not find its state")
	}
}

// Without this a strict pod that starts between two headers would lose its rows before the headers come; or made-up names of
// headers could push out the good rows, and for good.
func TestRecordsThatWaitTakeAtMostAHalf(t *testing.T) {
	f := New(100)
	f.SenderRequired = true
	for i := range 100 {
		f.Append(rec(int64(i), StateDecrypted, "good"))
	}
	f.Append(rejectedRecord(100, 0))
	for i := range 1000 {
		f.Append(rec(int64(101+i), StateNeedsHeader, "lean"))
	}
	count := func() map[State]int {
		counts := make(map[State]int)
		for _, r := range f.Records() {
			counts[r.State]++
		}
		return counts
	}
	if got := count(); got[StateNeedsHeader] != 50 || got[StateDecrypted] != 49 || got[StateRejected] != 1 {
		t.Errorf("before the search: %v", got)
	}
	var before, after []*Record
	for _, r := range f.Records() {
		if r.State == StateNeedsHeader {
			next := *r
			next.HeaderMissing = true
			before, after = append(before, r), append(after, &next)
		}
	}
	f.Replace(before, after)
	if got := count(); got[StateNeedsHeader]+got[StateRejected] != 10 || got[StateDecrypted] != 49 {
		t.Errorf("after a search that found nothing: %v", got)
	}
	if f.waiting != (amount{}) || f.junk.records != 10 {
		t.Errorf("accounted: %+v waiting, %+v junk", f.waiting, f.junk)
	}
}
