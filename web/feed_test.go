package web

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// Without this a busy topic would fill the pod's memory.
func TestFeedIsBounded(t *testing.T) {
	f := NewFeed(10)
	for i := range 100 {
		f.Append(rec(int64(i), StatePlain, fmt.Sprint(i)))
	}
	if list, rev := f.newest(1000); len(list) != 10 || list[0].Offset != 99 || rev != 100 {
		t.Errorf("held: %d records, newest %d, rev %d", len(list), list[0].Offset, rev)
	}
	large := NewFeed(1000)
	for i := range 100 {
		r := rec(int64(i), StatePlain, "")
		r.Wire = bytes.Repeat([]byte{byte(i)}, 1<<20)
		large.Append(r)
	}
	if records, size := large.held(); size > MaxBytes || records != 32 {
		t.Errorf("held: %d records of %d bytes, limit %d", records, size, MaxBytes)
	}
	huge := rec(1000, StatePlain, "")
	huge.Wire = make([]byte, MaxBytes+1)
	large.Append(huge)
	if list, _ := large.newest(10); len(list) != 1 || list[0].Offset != 1000 {
		t.Error("a record larger than the limit is not shown at all")
	}
}

// Without this a redelivered record would stand on the page twice, or one of a topic made anew not at all.
func TestFeedShowsAPositionOnce(t *testing.T) {
	f := NewFeed(10)
	f.Append(rec(1, StatePlain, "a"))
	f.Append(rec(1, StatePlain, "a"))
	if list, _ := f.newest(10); len(list) != 1 {
		t.Errorf("a record delivered twice is held %d times", len(list))
	}
	f.Append(rec(1, StatePlain, "another at the same place"))
	if list, _ := f.newest(10); len(list) != 2 {
		t.Error("a record of a topic that was deleted and created again is not held")
	}
}

// FuzzDisplay: whatever a producer writes, the page gets text that shows what it is.
func FuzzDisplay(f *testing.F) {
	for _, seed := range []string{"", "Msg 1: hello", "\x00\x1b[31m", "\u202eevil\u2066", "\xff\xfe", strings.Repeat("é", 2000), strings.Repeat("\u200d", 3000)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		d := displayOf(value)
		if !utf8.ValidString(d.Text) {
			t.Error("not valid UTF-8")
		}
		if strings.ContainsFunc(d.Text, hidden) {
			t.Error("a character that hides or reorders text is left")
		}
		if (d.Cut > 0) != (len(value) > maxShown) || d.Bytes == utf8.Valid(value) {
			t.Errorf("%d bytes: cut %d, bytes %v", len(value), d.Cut, d.Bytes)
		}
	})
}

// FuzzForm: whatever a producer writes, an opened record shows text that is what it says, and no more of it than asked for.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"", "plain", `{"n":1.0000000000000000001,"s":"\u202e"}`, "[[[[1]]]]", "[\r]", "[]\r", "{", "\xff\x00", strings.Repeat("[", 5000), "{\"a\":\"\u202e\"}"} {
		f.Add([]byte(seed), 100)
	}
	f.Fuzz(func(t *testing.T, value []byte, limit int) {
		if limit < 1 || limit > 1<<16 {
			return
		}
		for _, got := range []form{plainForm(value, limit), valueForm(value, limit)} {
			if got.Size != len(value) || !utf8.ValidString(got.Text) || strings.ContainsFunc(got.Text, hidden) {
				t.Errorf("%+v", got)
			}
			if most := 10 * limit; len(got.Text) > most+100 && got.Kind != "text" || got.Kind == "hex" == utf8.Valid(value) {
				t.Errorf("%d bytes, limit %d: %s of %d", len(value), limit, got.Kind, len(got.Text))
			}
			if got.Kind == "json" && got.Cut == 0 && unspaced(got.Text) != unspaced(visible(string(value))) {
				t.Errorf("indenting changed %q to %q", value, got.Text)
			}
		}
		if skip := min(limit, len(value)); len(value) > 0 {
			if d := displayFrom(value, min(skip, len(value)-1)); d.Skipped > skip || !utf8.ValidString(d.Text) {
				t.Errorf("%+v", d)
			}
		}
	})
}

// unspaced is a text without what JSON lets stand between its parts: indenting leaves some of it out. A carriage return
// that it leaves is made visible.
func unspaced(text string) string {
	return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", visible("\r"), "").Replace(text)
}

// FuzzRecordsQuery: a caller's parameters give an answer or a clear refusal.
func FuzzRecordsQuery(f *testing.F) {
	f.Add("", "")
	f.Add("10", "7")
	f.Add("-1", "18446744073709551616")
	f.Fuzz(func(t *testing.T, limit, after string) {
		n, _, polling, err := recordsQuery(limit, after)
		if err == nil && (n < 1 || n > mostLimit || polling != (after != "")) {
			t.Errorf("limit %d, polling %v", n, polling)
		}
	})
}

// FuzzCursor: a page's place in the feed is known only if this feed gave it.
func FuzzCursor(f *testing.F) {
	feed := NewFeed(10)
	feed.id = "FEED"
	feed.Append(rec(1, StatePlain, "a"), rec(2, StatePlain, "b"))
	s := &Server{feed: feed}
	for _, seed := range []string{"", "FEED-0", "FEED-2", "FEED-3", "FEED--1", "OTHER-1", "FEED-99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rev, known := s.parseCursor(text)
		if known && (!strings.HasPrefix(text, "FEED-") || rev > 2) {
			t.Errorf("%q is taken for rev %d", text, rev)
		}
	})
}
