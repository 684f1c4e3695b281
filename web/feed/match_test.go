package feed

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"kafka-e2ee/web/safetext"
)

// Without this text that a viewer copies from the page into the filter would find nothing.
func TestFilterFindsWhatIsShown(t *testing.T) {
	long := append(bytes.Repeat([]byte{0xff, 1, 2}, 700), "\xfethe end"...)
	base64Of := base64.StdEncoding.EncodeToString
	for name, test := range map[string]struct {
		record Record
		text   string
		want   bool
	}{
		"base64":                      {Record{Stored: []byte("\xff\x00A")}, "/wBB", true},
		"base64, part":                {Record{Stored: long}, base64Of(long)[1001:1101], true},
		"base64, other":               {Record{Stored: []byte("\xff\x00A")}, "/WBB", false},
		"base64 over two pieces":      {Record{Stored: bytes.Repeat(long, 4)}, base64Of(bytes.Repeat(long, 4))[4090:4105], true},
		"base64, padding":             {Record{Stored: []byte("\xff")}, "/w==", true},
		"base64 of text":              {Record{Stored: []byte("hello")}, "aGVsbG8=", false},
		"base64 of a key":             {Record{Key: []byte("\xff\x00A")}, "/wBB", true},
		"base64 of a header":          {Record{Headers: []Header{{Key: "h", Value: []byte("\xff\x00A")}}}, "/wBB", true},
		"what Kafka stores":           {Record{State: StateDecrypted, Value: []byte("v"), Stored: long}, base64Of(long)[30:60], true},
		"what Kafka stores, rsa":      {Record{State: StateDecrypted, Value: []byte("v"), Stored: []byte("AbCd1234EfGh")}, "Cd1234Ef", true},
		"stored, a few letters":       {Record{State: StateDecrypted, Value: []byte("v"), Stored: []byte("AbCd1234EfGh")}, "Cd12", false},
		"bytes":                       {Record{Stored: []byte("\xffHello")}, "hello", true},
		"composed in decomposed":      {Record{Stored: []byte("un cafe\u0301")}, "café", true},
		"decomposed in composed":      {Record{Stored: []byte("un café")}, "cafe\u0301", true},
		"in capitals":                 {Record{Stored: []byte("CAFE\u0301")}, "café", true},
		"a letter of an accented one": {Record{Stored: []byte("cafe\u0301")}, "cafe", true},
		"another accent":              {Record{Stored: []byte("cafe\u0300")}, "café", false},
		"Japanese, voiced":            {Record{Stored: []byte("か\u3099く")}, "がく", true},
		"in a header's name":          {Record{Headers: []Header{{Key: "cafe\u0301"}}}, "café", true},
		"a mark":                      {Record{Stored: []byte("alice\u3164")}, "alice⟨U+3164⟩", true},
		"a mark that is not there":    {Record{Stored: []byte("alice")}, "alice⟨U+3164⟩", false},
		"a mark as text":              {Record{Stored: []byte("⟨U+200B⟩")}, "⟨U+27E8⟩U+200B⟩", true},
		"a name without it":           {Record{Stored: []byte("alice\u3164")}, "alice", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Filter{Text: test.text}).Match(&test.record); got != test.want {
				t.Errorf("%q: got %v", test.text, got)
			}
		})
	}
	shown := []string{safetext.NewPreview(long).Text, safetext.PreviewEnd(long).Text, safetext.PreviewKey(long), safetext.PreviewFrom(long, 64).Text, safetext.NewPreview(long[:7]).Text}
	for _, text := range shown {
		text = text[:min(len(text), MaxText)] // as the page cuts it
		if !(Filter{Text: text}).Match(&Record{Stored: long, Key: long[:7]}) {
			t.Errorf("shown, but not found: %s", text)
		}
	}
}

// FuzzMatch checks that a filter finds any part of the base64 that the page shows, and text in any Unicode form.
func FuzzMatch(f *testing.F) {
	f.Add([]byte("\xff\x00\x01\x02"), 0, 4)
	f.Add(bytes.Repeat([]byte("\xfeabc"), 2000), 4000, 300)
	f.Add([]byte("Cafe\u0301 が"), 1, 3)
	f.Fuzz(func(t *testing.T, value []byte, from, length int) {
		shown := safetext.NewPreview(value)
		from, length = max(from, 0)%(len(shown.Text)+1), max(length, 0)%MaxText
		text := shown.Text[from:min(from+length, len(shown.Text))]
		if shown.Bytes {
			if !(Filter{Text: text}).Match(&Record{Stored: value}) {
				t.Errorf("%q is not found in %q", text, shown.Text)
			}
			return
		}
		text = strings.TrimSpace(strings.ToValidUTF8(string(value[:min(len(value), length)]), ""))
		for _, form := range []norm.Form{norm.NFC, norm.NFD} {
			if other := form.Bytes(value); !(Filter{Text: text}).Match(&Record{Stored: other}) && len(folded([]byte(text))) > 0 && bytes.Contains(folded(value), folded([]byte(text))) {
				t.Errorf("%+q is not found in %+q", text, other)
			}
		}
	})
}
