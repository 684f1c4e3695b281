package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"
)

// Without this a viewer would miss what was searched for, or take what a filter hides for what is not there.
func TestFilter(t *testing.T) {
	s := newSite(t, 1000)
	signed := rec(3, StateDecrypted, "third")
	signed.Sender, signed.Key = Sender{State: SenderVerified, Name: "n"}, []byte("Order-77")
	tagged := rec(4, StateUnknownKey, "x")
	tagged.Headers = []Header{{Key: "Trace", Value: []byte("abcÄ")}}
	s.feed.Append(rec(1, StateDecrypted, "First"), rec(2, StatePlain, "second"), signed, tagged)
	for query, want := range map[string]string{
		"":                                "4 3 2 1",
		"q=first":                         "1",
		"q=wire":                          "4 2", // the ciphertext of what is open is not what is shown
		"q=order-77":                      "3",
		"q=trace":                         "4",
		"q=ABC%C3%A4":                     "4",
		"q=nothing":                       "",
		"state=decrypted":                 "3 1",
		"state=decrypted&sender=verified": "3",
		"sender=unchecked":                "4 2",
		"state=typo&sender=typo":          "4 3 2 1",
		"q=%ff%fe":                        "4 3 2 1",
	} {
		doc := s.doc(t, "/?"+query)
		var got []string
		doc.Find(testid("row")).Each(func(_ int, row *selection) {
			got = append(got, strings.TrimPrefix(row.AttrOr("id", ""), "r-t-0-"))
		})
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %v, want %s", query, got, want)
		}
		f := parseFilter(parseQuery(t, query))
		if again := parseFilter(f.query()); again != f || doc.Find("#records").AttrOr("data-filter", "-") != f.query().Encode() {
			t.Errorf("%q does not stand in the address: %v", query, again)
		}
		if clear := doc.Find(testid("filter-clear")).Length() == 1; clear != (f != filter{}) {
			t.Errorf("%q: the way out of the filter: %v", query, clear)
		}
		if value := doc.Find(testid("filter-text")).AttrOr("value", ""); value != f.Text {
			t.Errorf("%q: the form says %q", query, value)
		}
	}
}

type selection = goquery.Selection

func parseQuery(t *testing.T, text string) url.Values {
	t.Helper()
	query, err := url.ParseQuery(text)
	if err != nil {
		t.Fatal(err)
	}
	return query
}

// Without this a filtered page would show everything as soon as something new comes, or nothing any more.
func TestStreamIsFiltered(t *testing.T) {
	s := newSite(t, 1000)
	_, plain := s.join(t.Context(), s.english(), filter{State: StatePlain}, 0, false)
	_, all := s.join(t.Context(), s.languages[1], filter{}, 0, false)
	<-plain
	<-all
	s.feed.Append(rec(1, StateDecrypted, "one"), rec(2, StatePlain, "two"))
	s.flush(t.Context())
	if frame := string(<-plain); strings.Contains(frame, "r-t-0-1") || !strings.Contains(frame, "r-t-0-2") || !strings.Contains(frame, "Not encrypted") {
		t.Errorf("the filtered page gets %s", frame)
	}
	if frame := string(<-all); !strings.Contains(frame, "r-t-0-1") || !strings.Contains(frame, "r-t-0-2") || !strings.Contains(frame, "暗号化なし") {
		t.Errorf("the other page gets %s", frame)
	}
	s.flush(t.Context())
	if len(plain) > 0 || len(all) > 0 {
		t.Error("a flush is sent though nothing changed")
	}
}

// Without this the older records would be out of reach without JavaScript.
func TestOlderRecordsArePaged(t *testing.T) {
	s := newSite(t, 1000)
	for i := range 450 {
		s.feed.Append(rec(int64(i), StatePlain, fmt.Sprint(i)))
	}
	seen, at := make(map[string]bool), "/?state=plain"
	for pages := 1; ; pages++ {
		doc := s.doc(t, at)
		doc.Find(testid("row")).Each(func(_ int, row *selection) { seen[row.AttrOr("id", "")] = true })
		if live := doc.Find(testid("live")).Length() == 1; live != (pages == 1) {
			t.Errorf("page %d: live is %v", pages, live)
		}
		next, more := doc.Find(testid("older")).Attr("href")
		if !more {
			if pages != 3 || doc.Find(testid("newest")).AttrOr("href", "") != "/?state=plain" {
				t.Errorf("%d pages", pages)
			}
			break
		}
		at = next
	}
	if len(seen) != 450 {
		t.Errorf("saw %d of 450 records", len(seen))
	}
}

// FuzzFilter: a link that somebody made filters by what it says and fits into an address again.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"", "q=a&state=plain&sender=verified", "q=%ff%e3%81", "q=" + strings.Repeat("あ", 200), "state=x;q=1", "q=%00%20", "%", "q=%80%C2 0", "q=" + strings.Repeat("a", 199) + " b"} {
		f.Add(seed, []byte("value"))
	}
	f.Fuzz(func(t *testing.T, text string, value []byte) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		got := parseFilter(query)
		if !utf8.ValidString(got.Text) || len(got.Text) > longestText {
			t.Errorf("%q: text %q", text, got.Text)
		}
		if again := parseFilter(got.query()); again != got {
			t.Errorf("%q: the address says %q instead of %q", text, again, got)
		}
		if (filter{}) == got && !got.match(&Record{Wire: value}) {
			t.Errorf("%q hides a record", text)
		}
	})
}
