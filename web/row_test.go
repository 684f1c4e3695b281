package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/locale"
	"kafka-e2ee/web/pages"
)

// Without this a viewer would trust a forged or copied record, or not notice that one is withheld.
func TestSendersAndFlagsAreToldInWords(t *testing.T) {
	s := newSite(t, 10)
	plain := rec(1, feed.StateDecrypted, "one")
	plain.Format = "rsa"
	s.feed.Append(plain)
	if doc := s.doc(t, "/"); doc.Find("#records:not(.senders)").Length() != 1 || !strings.Contains(doc.Find(testid("alerts")).Text(), "The format rsa proves no sender") {
		t.Error("the sender column is shown, though no record's format names a sender, or the page does not say so")
	}
	for i, test := range []struct {
		sender feed.Sender
		flags  feed.Flags
		names  []string
		words  []string
	}{
		{feed.Sender{State: feed.SenderVerified, Name: "lab <b>producer"}, feed.Flags{}, nil, []string{"lab <b>producer: the signature was verified."}},
		{feed.Sender{State: feed.SenderUnverified, Reason: feed.SenderUnsigned}, feed.Flags{}, nil, []string{"Unsigned: anyone with the public key"}},
		{feed.Sender{State: feed.SenderUnverified, Reason: feed.SenderNobodyTrusted, KeyID: "k"}, feed.Flags{}, nil, []string{"Set TRUSTED_SENDERS."}},
		{feed.Sender{State: feed.SenderUntrusted, Reason: feed.SenderUnknown, KeyID: "signer-id"}, feed.Flags{}, nil, []string{"Signed by an unknown key signer-id."}},
		{feed.Sender{State: feed.SenderUntrusted, Reason: feed.SenderBadSignature}, feed.Flags{}, nil, []string{"The signature is wrong. Treat as forged."}},
		{feed.Sender{}, feed.Flags{}, nil, []string{"Sender not checked"}},
		{feed.Sender{}, feed.Flags{Repeat: true, First: 41}, []string{"repeat"}, []string{"Seen before at offset 41: a retry"}},
		{feed.Sender{}, feed.Flags{Repeat: true, First: -1}, []string{"repeat"}, []string{"Seen before: a retry"}},
		{feed.Sender{}, feed.Flags{Missing: 3, Late: true}, []string{"gap", "late"}, []string{"3 missing before this one", "Out of order"}},
		{feed.Sender{}, feed.Flags{Stale: true, Unfollowed: true}, []string{"stale", "unfollowed"}, []string{"after its data key had expired (2026-05-04 12:00:00 UTC)", "That is normal after a start"}},
		{feed.Sender{}, feed.Flags{Moved: true, Unbound: true}, []string{"moved", "unbound"}, []string{"Sealed for partition 5, found in 0.", "Not bound to a topic"}},
	} {
		r := rec(int64(100+i), feed.StateDecrypted, "x")
		r.Format, r.Sender, r.Flags = "envelope", test.sender, test.flags
		r.DataKey = feed.DataKey{ID: "data-key-name", SealedFor: 5, Counter: 77, Expires: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)}
		s.feed.Append(r)
		opened := s.doc(t, fmt.Sprintf("/records/t/0/%d", r.Offset)).Find(testid("record"))
		text := opened.Text()
		for _, want := range append(test.words, "data-key-name", "77") {
			if !strings.Contains(text, want) {
				t.Errorf("%+v %+v: the record lacks %q: %s", test.sender, test.flags, want, text)
			}
		}
		row := s.doc(t, "/").Find(fmt.Sprintf("#records.senders #r-t-0-%d", r.Offset))
		var flags []string
		row.Find(testid("row-flag")).Each(func(_ int, flag *goquery.Selection) { flags = append(flags, flag.AttrOr("data-flag", "")) })
		if strings.Join(flags, " ") != strings.Join(test.names, " ") || strings.TrimSpace(row.Find(testid("row-sender")).Text()) == "" || strings.Contains(text+row.Text(), "{") {
			t.Errorf("%+v %+v: the row says %s", test.sender, test.flags, row.Text())
		}
		var answer recordsJSON
		_, body, _ := s.get(t, "/api/records?limit=1")
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		got := answer.Records[0]
		if strings.Join(got.Flags, " ") != strings.Join(test.names, " ") || got.Sender.State != test.sender.Status() || got.Sender.Name != test.sender.Name || got.Sender.KeyID != test.sender.KeyID || got.Sender.Reason == "" {
			t.Errorf("%+v %+v: the API says %+v, %v", test.sender, test.flags, got.Sender, got.Flags)
		}
	}
}

// FuzzRow checks that no row takes more than its share of the memory reserved for a page.
func FuzzRow(f *testing.F) {
	for _, seed := range []string{"", "plain", strings.Repeat(`"`, 2000), strings.Repeat("\x01", 2000), strings.Repeat("\xff", 2000), strings.Repeat("\u3164", 900)} {
		f.Add([]byte(seed), []byte(seed))
	}
	languages, err := locale.Read(locales)
	if err != nil {
		f.Fatal(err)
	}
	s := &Server{languages: languages}
	f.Fuzz(func(t *testing.T, value, key []byte) {
		for _, texts := range s.languages.All() {
			w := pages.Localizer{Texts: texts}
			for _, state := range feed.States() {
				r := rec(1, state, "")
				r.Stored, r.Key, r.Flags = value, key, feed.Flags{Repeat: true, First: 1 << 60, Missing: 1 << 60, Late: true, Moved: true, Unbound: true}
				if state == feed.StateDecrypted {
					r.Value = value
				}
				list := w.Rows([]feed.Entry{{Record: r, Seq: 1 << 60}})
				var page strings.Builder
				if err := pages.Rows(w, list).Render(t.Context(), &page); err != nil {
					t.Fatal(err)
				}
				if took := page.Len() + list[0].Size(); took > 2*pages.RowBytes || list[0].Size() > pages.RowBytes {
					t.Errorf("a row takes %d bytes, %d of them before it is rendered", took, list[0].Size())
				}
			}
		}
	})
}
