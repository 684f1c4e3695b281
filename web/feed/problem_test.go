package feed_test

import (
	"slices"
	"testing"
	"time"

	"kafka-e2ee/web/feed"
)

// Without this a viewer who looks up after an attack would see that nothing was wrong: thousands of good records have
// pushed the bad ones out of the history.
func TestProblemsAreCountedForTheWholeRun(t *testing.T) {
	f := feed.New(10)
	has := map[feed.Problem]*feed.Record{
		feed.ProblemAltered:   {State: feed.StateUndecryptable, Format: "envelope"},
		feed.ProblemUnopened:  {State: feed.StateUndecryptable, Format: "rsa"},
		feed.ProblemPlain:     {State: feed.StatePlain},
		feed.ProblemUntrusted: {State: feed.StateDecrypted, Sender: feed.Sender{State: feed.SenderUntrusted, Reason: feed.SenderBadSignature}},
		feed.ProblemUnsigned:  {State: feed.StateDecrypted, Sender: feed.Sender{State: feed.SenderUnverified, Reason: feed.SenderUnsigned}},
		feed.ProblemRepeat:    {State: feed.StateDecrypted, Flags: feed.Flags{Repeat: true}},
		feed.ProblemGap:       {State: feed.StateDecrypted, Flags: feed.Flags{Missing: 7}},
		feed.ProblemLate:      {State: feed.StateDecrypted, Flags: feed.Flags{Late: true}},
		feed.ProblemStale:     {State: feed.StateDecrypted, Flags: feed.Flags{Stale: true}},
		feed.ProblemMoved:     {State: feed.StateDecrypted, Flags: feed.Flags{Moved: true}},
		feed.ProblemUnbound:   {State: feed.StateDecrypted, Flags: feed.Flags{Unbound: true}},
		feed.ProblemReaders:   {State: feed.StateDecrypted, OtherReaders: []string{"k"}},
	}
	for _, reason := range feed.RejectReasons() { // with what the same record would have if it were not rejected
		has["rejected_"+feed.Problem(reason)] = &feed.Record{State: feed.StateRejected, Rejection: feed.Rejection{Reason: reason}, Format: "rsa", Flags: feed.Flags{Stale: true}}
	}
	// Without a time after which it was appended, it was there before.
	has[feed.ProblemRejectedUnsigned] = &feed.Record{State: feed.StateRejected, Rejection: feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnsigned}}
	since := *has[feed.ProblemRejectedUnsigned]
	since.AppendedAfter = time.Unix(1_000_000, 0)
	has[feed.ProblemRejectedSender] = &since // forged since: it must not hide among the older ones
	if len(has) != len(feed.Problems()) {
		t.Errorf("%d problems, want %d", len(feed.Problems()), len(has))
	}
	offset := int64(0)
	add := func(r feed.Record) *feed.Record {
		r.Offset = offset
		offset++
		f.Append(&r)
		return &r
	}
	for _, p := range feed.Problems() {
		r := has[p]
		if r == nil {
			t.Fatalf("no record has the problem %s", p)
		}
		for _, other := range feed.Problems() {
			if r.Has(other) != (other == p) {
				t.Errorf("a record with the problem %s: has %s: %v", p, other, r.Has(other))
			}
			if (feed.Filter{Problem: other}).Match(r) != (other == p) {
				t.Errorf("a record with the problem %s is selected for %s", p, other)
			}
		}
		add(*r)
		add(*r)
	}
	for range 1000 {
		add(feed.Record{State: feed.StateDecrypted, Flags: feed.Flags{Unfollowed: true}})
	}
	counts := f.Summary(false).Counts
	for _, p := range feed.Problems() {
		if n := counts.Of(p); n != 2 {
			t.Errorf("%s: counted %d, want 2", p, n)
		}
	}
	if held := f.Records(); slices.ContainsFunc(held, func(r *feed.Record) bool { return r.Has(feed.ProblemRepeat) }) {
		t.Error("the history still holds the records")
	}

	// What a record turns out to be once its key arrives counts, not what it was before.
	locked := add(feed.Record{State: feed.StateNoKey})
	opened := feed.Record{Offset: locked.Offset, State: feed.StateDecrypted, Flags: feed.Flags{Repeat: true}}
	f.Replace([]*feed.Record{locked}, []*feed.Record{&opened})
	better := opened
	better.Flags.Repeat = false
	if n := f.Summary(false).Counts.Of(feed.ProblemRepeat); n != 3 {
		t.Errorf("after decryption: %d, want 3", n)
	}
	f.Replace([]*feed.Record{&opened}, []*feed.Record{&better})
	if n := f.Summary(false).Counts.Of(feed.ProblemRepeat); n != 2 {
		t.Errorf("after it was followed again: %d, want 2", n)
	}
}
