package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// Without this the content of a rejected record could be read at one of the addresses, or nobody would know what to do.
func TestRejectedRecordShowsNothing(t *testing.T) {
	for name, test := range map[string]struct {
		format    string
		rejection feed.Rejection
		want      string
	}{
		"plain":          {"", feed.Rejection{Reason: feed.RejectPlain}, "Not encrypted; REQUIRE_FORMAT rejects it."},
		"format":         {"rsa", feed.Rejection{Reason: feed.RejectFormat}, "In the format rsa, which REQUIRE_FORMAT does not accept."},
		"unsigned":       {"rsa", feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnsigned}, "Not signed; REQUIRE_SENDER rejects it"},
		"forged":         {"envelope", feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderBadSignature}, "The signature is wrong; REQUIRE_SENDER rejects it."},
		"unknown sender": {"envelope", feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnknown, KeyIDs: []string{"signer-id"}}, "Signed with the key signer-id, which REQUIRE_SENDER does not accept."},
		"another sender": {"envelope", feed.Rejection{Reason: feed.RejectSender, KeyIDs: []string{"signer-id"}}, "Signed with the key signer-id, which REQUIRE_SENDER does not accept."},
		"reader":         {"envelope", feed.Rejection{Reason: feed.RejectReader, KeyIDs: []string{"one", "two"}}, "Others can read it: one, two; ALLOWED_READERS rejects it."},
		"stale":          {"envelope", feed.Rejection{Reason: feed.RejectStale}, "Written after its data key had expired (2026-05-04 12:00:00 UTC): held back, or a replay. REQUIRE_FRESH rejects it."},
	} {
		s := newSite(t, 100)
		r := &feed.Record{Topic: "t", Offset: 7, Timestamp: then, State: feed.StateRejected, Format: test.format, Rejection: test.rejection}
		r.DataKey.Expires = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
		r.Withheld = &feed.Withheld{Key: []byte("wheedle"), Stored: []byte("wheedle"), Headers: []feed.Header{{Key: "wheedle", Value: []byte("wheedle")}}}
		s.feed.Append(r)
		for _, path := range []string{"/", "/?state=rejected", "/records/t/0/7", "/records/t/0/7?part=1", "/records/t/0/7?all=1", "/api/records", "/api/records/t/0/7", "/api/records?q=wheed", "/api/key/evidence"} {
			if _, body, _ := s.get(t, path); strings.Contains(body, "wheedle") || strings.Contains(body, "d2hlZWRsZ") {
				t.Errorf("%s: %s shows the content", name, path)
			}
		}
		for _, part := range []string{"value", "wire", "key"} {
			if status, body, _ := s.get(t, "/api/records/t/0/7/"+part); status != http.StatusForbidden || strings.Contains(body, "wheedle") {
				t.Errorf("%s: %s is answered with %d, %s", name, part, status, body)
			}
		}
		if s.doc(t, "/?q=wheedle").Find(testid("row")).Length() != 0 || s.doc(t, "/?state=rejected").Find(testid("row")).Length() != 1 {
			t.Errorf("%s: the filter finds the text, or does not find the state", name)
		}
		_, api, _ := s.get(t, "/api/records")
		if !strings.Contains(api, `"reject_reason":"`+string(test.rejection.Reason)+`"`) || !strings.Contains(api, `"record_key":null,"record_key_encoding":null,"headers":[],"value":null,"encoding":null,"wire":null`) {
			t.Errorf("%s: the API answers %s", name, api)
		}
		doc := s.doc(t, "/")
		row := doc.Find(testid("row"))
		severity := map[bool]string{true: "wait", false: "bad"}[r.Has(feed.ProblemRejectedFormat) || r.Has(feed.ProblemRejectedUnsigned)]
		if !row.HasClass(severity) || !strings.Contains(row.Text(), "Rejected") || !strings.Contains(row.Text(), test.want) || row.Find(testid("row-value")).Text() != "(rejected: not shown)" {
			t.Errorf("%s: the row says %s", name, row.Text())
		}
		if got := doc.Find(testid("counts")).Text(); !strings.HasSuffix(got, " · 1 rejected") {
			t.Errorf("%s: the counts are %s", name, got)
		}
		if sample := doc.Find(testid("sample")).Text(); strings.Count(sample, "All records held are rejected") != 2 {
			t.Errorf("%s: the sample says %s", name, sample)
		}
		if s.doc(t, "/").Find(testid("kafka")).AttrOr("hidden", "no") == "no" {
			t.Errorf("%s: the page says that there are no records", name)
		}
		if opened := s.doc(t, "/records/t/0/7").Find(testid("record")).Text(); !strings.Contains(opened, test.want) || strings.Contains(opened, "(null)") || strings.Contains(opened, "{") {
			t.Errorf("%s: the record says %s", name, opened)
		}
	}
}

// Without this the records from before a change of the format would be as red as an attack, which nobody would see among
// them; or an attack would be as amber as they are.
func TestOlderFormatIsToldFromAttacks(t *testing.T) {
	s := newSite(t, 100)
	reject := func(offset int64, reason feed.RejectReason) {
		s.feed.Append(&feed.Record{Topic: "t", Offset: offset, Timestamp: then, State: feed.StateRejected, Format: "rsa", Rejection: feed.Rejection{Reason: reason}})
	}
	strip := func() *selection { return s.doc(t, "/").Find(testid("alerts")) }
	s.key.Held = []podstatus.HeldKey{{ID: "id"}}
	for i := range 20 {
		reject(int64(i), feed.RejectFormat)
	}
	if got := strip(); !got.HasClass("wait") || strings.TrimSpace(got.Find("li").Text()) != "20 rejected: older or other format" {
		t.Errorf("older records: %s %s", got.AttrOr("class", ""), got.Text())
	}
	unsigned := feed.Rejection{Reason: feed.RejectSender, Sender: feed.SenderUnsigned}
	s.feed.Append(&feed.Record{Topic: "t", Offset: 50, Timestamp: then, State: feed.StateRejected, Format: "envelope", Rejection: unsigned})
	if got := strip(); !got.HasClass("wait") || got.Find(testid("alert-rejected_unsigned")).Text() != "1 rejected: older, unsigned" {
		t.Errorf("an older unsigned record: %s %s", got.AttrOr("class", ""), got.Text())
	}
	if rows := s.doc(t, "/?problem=rejected_unsigned").Find(testid("row")); rows.Length() != 1 || !rows.HasClass("wait") {
		t.Errorf("the row of an older unsigned record is red: %s", rows.AttrOr("class", ""))
	}
	for i, reason := range []feed.RejectReason{feed.RejectPlain, feed.RejectSender, feed.RejectReader, feed.RejectStale} {
		reject(100+int64(i), reason)
		if got := strip(); !got.HasClass("bad") || got.Find(testid("alert-rejected_"+string(reason))).Length() != 1 {
			t.Errorf("%s: %s %s", reason, got.AttrOr("class", ""), got.Text())
		}
		if rows := s.doc(t, "/?problem=rejected_"+string(reason)).Find(testid("row")); rows.Length() != 1 || !rows.HasClass("bad") {
			t.Errorf("the filter for %s selects %d rows", reason, rows.Length())
		}
	}
	if got := strip(); got.Find("li.wait").Length() != 2 || got.Find("li.wait "+testid("alert-rejected_format")).Length() != 1 {
		t.Errorf("among attacks, the older records are not told apart: %s", got.Text())
	}
	s.key.Held = nil
	if got := strip(); !got.HasClass("bad") || got.Find("li.wait").Length() != 5 || got.Find("li.bad "+testid("alert-rejected_plain")).Length() != 1 || !strings.Contains(got.Text(), "This pod has no key: it could not have read encrypted records anyway.") {
		t.Errorf("without a key: %s %s", got.AttrOr("class", ""), got.Text())
	}
	if rows := s.doc(t, "/?problem=rejected_format").Find(testid("row")); rows.Length() != 5 || rows.Filter(".wait").Length() != 5 { // junk takes a tenth of the feed
		t.Errorf("the filter for older records selects %s", rows.Text())
	}
}

// Without this a forged text would look like a signed one in the large box.
func TestSampleNamesTheSender(t *testing.T) {
	s := newSite(t, 100)
	unsigned := rec(1, feed.StateDecrypted, "URGENT from alice")
	unsigned.Sender = feed.Sender{State: feed.SenderUnverified, Reason: feed.SenderUnsigned}
	s.feed.Append(unsigned)
	if s.doc(t, "/").Find(testid("sample-sender")).Length() != 0 {
		t.Error("the sender is named, though nobody is trusted here")
	}
	s.preferVerified = true
	sample := s.doc(t, "/").Find(testid("sample"))
	if got := strings.TrimSpace(sample.Find(testid("sample-sender")).Text()); got != "⊘ Unsigned" || sample.Find(".good").Length() != 0 {
		t.Errorf("the sender is %q, good: %d", got, sample.Find(".good").Length())
	}
	signed := rec(0, feed.StateDecrypted, "from alice")
	signed.Sender = feed.Sender{State: feed.SenderVerified, Name: "alice"}
	s.feed.Append(signed)
	s.feed.Append(rec(2, feed.StateNoKey, "later"))
	sample = s.doc(t, "/").Find(testid("sample"))
	if got := sample.Find(testid("sample-seen")).Text(); got != "from alice" || sample.Find(testid("sample-sender")).Length() != 0 || sample.Find(".good").Length() != 1 {
		t.Errorf("the sample is %s", sample.Text())
	}
}

// Without this a viewer would not learn that others can read a record, or would trust its key and headers.
func TestOtherReadersAndUnauthenticatedParts(t *testing.T) {
	s := newSite(t, 100)
	r := rec(1, feed.StateDecrypted, "x")
	r.OtherReaders, r.Key, r.Headers = []string{"stranger-id"}, []byte("k"), []feed.Header{{Key: "h", Value: []byte("v")}}
	s.feed.Append(r)
	row := s.doc(t, "/").Find(testid("row"))
	flag := row.Find(testid("row-flag"))
	if !strings.Contains(flag.Text(), "Others can read it") || !strings.Contains(flag.AttrOr("title", ""), "Also readable by stranger-id") || flag.AttrOr("data-flag", "") != "readers" {
		t.Errorf("the row says %s", row.Text())
	}
	record := s.doc(t, "/records/t/0/1").Find(testid("record"))
	if got := record.Find(testid("facts")).Text(); !strings.Contains(got, "Also readable bystranger-id") {
		t.Errorf("the facts are %s", got)
	}
	if n := strings.Count(record.Text(), "not authenticated"); n != 4 { // key and headers, in both views
		t.Errorf("%d parts are labelled as not authenticated: %s", n, record.Text())
	}
	if title := row.Find(testid("row-key")).AttrOr("title", ""); !strings.Contains(title, "not authenticated") {
		t.Errorf("the key in the list: %q", title)
	}
	if _, body, _ := s.get(t, "/api/records"); !strings.Contains(body, `"flags":["readers"],"reject_reason":"","other_readers":["stranger-id"]`) {
		t.Errorf("the API answers %s", body)
	}
}
