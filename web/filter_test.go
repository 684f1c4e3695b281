package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/pages"
)

// Without this a search would miss records, or a viewer would not notice that a filter hides records.
func TestFilter(t *testing.T) {
	s := newSite(t, 1000)
	signed := rec(3, feed.StateDecrypted, "third")
	signed.Sender, signed.Key = feed.Sender{State: feed.SenderVerified, Name: "n"}, []byte("Order-77")
	tagged := rec(4, feed.StateUnknownKey, "x")
	tagged.Headers = []feed.Header{{Key: "Trace", Value: []byte("abcÄ")}}
	s.feed.Append(rec(1, feed.StateDecrypted, "First"), rec(2, feed.StatePlain, "second"), signed, tagged)
	for query, want := range map[string]string{
		"":                                "4 3 2 1",
		"q=first":                         "1",
		"q=wire":                          "4 2", // not the ciphertext of the decrypted ones, which their rows do not show
		"q=order-77":                      "3",
		"q=trace":                         "4",
		"q=ABC%C3%A4":                     "4",
		"q=nothing":                       "",
		"state=decrypted":                 "3 1",
		"state=decrypted&sender=verified": "3",
		"sender=unchecked":                "4 2",
		"state=typo&sender=typo":          "4 3 2 1",
		"q=%ff%fe":                        "4 3 2 1",
		"problem=plain":                   "2",
		"problem=altered":                 "",
		"problem=typo":                    "4 3 2 1",
	} {
		doc := s.doc(t, "/?"+query)
		var got []string
		doc.Find(testid("row")).Each(func(_ int, row *selection) {
			got = append(got, strings.TrimPrefix(row.AttrOr("id", ""), "r-t-0-"))
		})
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %v, want %s", query, got, want)
		}
		f := pages.ParseFilter(parseQuery(t, query))
		if again := pages.ParseFilter(pages.FilterQuery(f)); again != f || doc.Find("#records").AttrOr("data-filter", "-") != pages.FilterQuery(f).Encode() {
			t.Errorf("%q is not kept in the address: %v", query, again)
		}
		if clear := doc.Find(testid("filter-clear")+":not([hidden])").Length() == 1; clear != (f != feed.Filter{}) {
			t.Errorf("%q: a link that clears the filter: %v", query, clear)
		}
		said := ""
		if f != (feed.Filter{}) {
			said = fmt.Sprintf("%d of 4", len(got))
		}
		if matches := doc.Find(testid("matches")).Text(); matches != said {
			t.Errorf("%q: %q match, want %q", query, matches, said)
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

// Without this viewers without JavaScript could not reach older records.
func TestOlderRecordsArePaged(t *testing.T) {
	s := newSite(t, 1000)
	for i := range 450 {
		s.feed.Append(rec(int64(i), feed.StatePlain, fmt.Sprint(i)))
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

// FuzzFilter checks that a filter from any link gives an address that gives the same filter.
func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"", "q=a&state=plain&sender=verified", "problem=repeat", "q=%ff%e3%81", "q=" + strings.Repeat("あ", 200), "state=x;q=1", "q=%00%20", "%", "q=%80%C2 0", "q=" + strings.Repeat("a", 199) + " b"} {
		f.Add(seed, []byte("value"))
	}
	f.Fuzz(func(t *testing.T, text string, value []byte) {
		query, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		got := pages.ParseFilter(query)
		if !utf8.ValidString(got.Text) || len(got.Text) > feed.MaxText {
			t.Errorf("%q: text %q", text, got.Text)
		}
		if again := pages.ParseFilter(pages.FilterQuery(got)); again != got {
			t.Errorf("%q: the address says %q instead of %q", text, again, got)
		}
		if (feed.Filter{}) == got && !got.Match(&feed.Record{Stored: value}) {
			t.Errorf("%q hides a record", text)
		}
	})
}
