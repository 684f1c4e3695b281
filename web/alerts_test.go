package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/feed"
)

// Without this an attack would be caught and nobody would see it, or a viewer would take for checked what was not.
func TestAlertsSayWhatIsWrong(t *testing.T) {
	s := newSite(t, 10)
	line := func() string {
		parts := s.doc(t, "/").Find(testid("alerts")).Find("span, a").Map(func(_ int, part *selection) string { return strings.TrimSpace(part.Text()) })
		return strings.Join(parts, " · ")
	}
	if got := line(); !strings.Contains(got, "Nothing decrypted here, so nothing is checked") {
		t.Errorf("without a record: %s", got)
	}
	good := rec(1, feed.StateDecrypted, "x")
	good.Format, good.Sender, good.DataKey.ID = "envelope", feed.Sender{State: feed.SenderVerified, Name: "lab"}, "data-key"
	s.feed.Append(good)
	// What an earlier run of the pod counted is forgotten: the line must not speak for it.
	s.started, s.preferVerified = then, true
	now := then.Add(time.Hour)
	s.feed.Now = func() time.Time { return now }
	if got := line(); !strings.Contains(got, "No sign of tampering since this pod started, 03:02:01 UTC:") || s.doc(t, "/").Find("#alerts.good").Length() != 1 {
		t.Errorf("with a good record: %s", got)
	}
	if got := s.doc(t, "/?lang=ja").Find(testid("alerts")).Text(); !strings.Contains(got, "このポッドの起動 (03:02:01 UTC) 以降") {
		t.Errorf("with a good record, in Japanese: %s", got)
	}
	now = then.Add(24 * time.Hour)
	if got := line(); !strings.Contains(got, "since this pod started, 2026-05-04 03:02:01 UTC:") {
		t.Errorf("on the next day: %s", got)
	}
	s.preferVerified = false
	unsigned := *good
	unsigned.Offset, unsigned.Sender = 2, feed.Sender{State: feed.SenderUnverified, Reason: feed.SenderUnsigned}
	s.feed.Append(&unsigned)
	if got := line(); strings.Contains(got, "unsigned") || !strings.Contains(got, "No senders are configured: anyone with the public key can write") || s.doc(t, "/").Find("#alerts.wait").Length() != 1 {
		t.Errorf("nobody is trusted here, so a forgery would not be noticed: %s", got)
	}
	s.preferVerified = true
	if got := line(); !strings.Contains(got, "1 unsigned") {
		t.Errorf("senders are trusted here: %s", got)
	}
	for i := range 3000 {
		replayed := *good
		replayed.Offset, replayed.Flags = int64(100+i), feed.Flags{Repeat: true}
		s.feed.Append(&replayed)
	}
	altered := rec(9000, feed.StateUndecryptable, "y")
	altered.Format = "envelope"
	forged := rec(9001, feed.StateRejected, "")
	forged.Rejection.Reason = feed.RejectSender
	s.feed.Append(altered, forged)
	for range 20 {
		again := *good
		again.Offset = 9100 + s.feedRev()
		s.feed.Append(&again)
	}
	if got, want := line(), "⚠ · 1 altered or damaged · 1 rejected: sender · 3,000 replays or retries · 1 unsigned"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	doc := s.doc(t, "/?problem=repeat")
	for _, p := range []string{"altered", "repeat"} {
		link := doc.Find(testid("alert-" + p))
		if current := link.AttrOr("aria-current", "") == "true"; current != (p == "repeat") {
			t.Errorf("%s is current: %v", p, current)
		}
		if want := map[string]string{"altered": "/?problem=altered", "repeat": "/"}[p]; link.AttrOr("href", "") != want {
			t.Errorf("%s leads to %s, want %s", p, link.AttrOr("href", ""), want)
		}
	}
	s.preferVerified = false
	if got := line(); !strings.HasSuffix(got, "3,000 replays or retries · No senders are configured: anyone with the public key can write. Set TRUSTED_SENDERS.") {
		t.Errorf("what is wrong hides what nobody would notice: %s", got)
	}
	if got := s.doc(t, "/?lang=ja").Find(testid("alerts")).Text(); !strings.Contains(got, "3,000") || !strings.Contains(got, "改ざん") {
		t.Errorf("in Japanese: %s", got)
	}
}

func (s *site) feedRev() int64 { return int64(s.feed.Rev()) }

// Without this two keys would look like one, a record could choose what a chip does, or whoever may write could announce a
// new key that there is not.
func TestKeysAreToldApart(t *testing.T) {
	s := newSite(t, 10)
	for i, id := range []string{"", "first-key", "named-only", `second"><script>`, "first-key", `second"><script>`} {
		r := rec(int64(i), feed.StateDecrypted, "x")
		switch r.KeyID = id; id {
		case "named-only":
			r.State, r.Value, r.KeyID, r.NeededKeys = feed.StateUnknownKey, nil, "", []string{id, "other"}
		case "":
			r.State, r.Value, r.NeededKeys = feed.StateUndecryptable, nil, []string{"made-up"}
		}
		s.feed.Append(r)
	}
	var got []string
	s.doc(t, "/").Find(testid("row")).Each(func(_ int, row *selection) {
		chip := row.Find(".chip")
		got = append(got, fmt.Sprint(chip.Text(), " ", row.Find(testid("new-key")).Length()))
		if opened := row.HasClass("good"); (row.AttrOr("data-key", "") != "") != opened { // the script reads it
			t.Errorf("the script takes a key for used that is only named: %s", row.AttrOr("data-key", ""))
		}
		if chip.Length() > 0 && (!chip.HasClass("chip") || !strings.Contains(chip.AttrOr("class", ""), "chip-") || len(chip.AttrOr("title", "")) < len(chip.Text())) {
			t.Errorf("the chip of %s: %s", row.Text(), chip.AttrOr("class", ""))
		}
	})
	if want := "second 0,first- 0,second 1,named- 0,first- 0,made-u 0"; strings.Join(got, ",") != want { // newest first
		t.Errorf("got %s, want %s", strings.Join(got, ","), want)
	}
}

// Without this two windows side by side could not be told apart.
func TestNameIsTitleAndHeading(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StatePlain, "x"))
	for name, want := range map[string]string{"": "", "ordinary": "ordinary pod", "Pod <b>7": "Pod <b>7", "a\u202eb": "a⟨U+202E⟩b"} {
		s.name = name
		for path, title := range map[string]string{"/": "Encrypted Kafka Message", "/proof": "What this proves, and what it does not", "/records/t/0/1": "A record"} {
			doc := s.doc(t, path)
			if want != "" {
				title = want + " · " + title
			}
			heading := want
			if heading == "" {
				heading = "Welcome to Confidential Containers on AKS!"
			}
			if got := doc.Find("title").Text(); got != title || strings.TrimSpace(doc.Find("h1").Text()) != heading {
				t.Errorf("%q: %s has the title %q, the heading %q", name, path, got, doc.Find("h1").Text())
			}
		}
	}
	s.name = "confidential"
	if got := s.doc(t, "/?lang=ja").Find("title").Text(); !strings.HasPrefix(got, "機密ポッド · ") {
		t.Errorf("in Japanese: %s", got)
	}
}

// Without this an opened row and the box above it would show different records.
func TestRecordIsTheSample(t *testing.T) {
	s := newSite(t, 10)
	s.feed.Append(rec(1, feed.StateDecrypted, "the first"), rec(2, feed.StateNoKey, "the second"), rec(3, feed.StateRejected, "the third"))
	sample := s.doc(t, "/records/t/0/1?part=sample").Find("#sample")
	if got := sample.Text(); !strings.Contains(got, "wire of the first") || !strings.Contains(got, "offset 1") || sample.Find(testid("sample-seen")).Text() != "the first" {
		t.Errorf("got %s", got)
	}
	// A short JSON message is seen whole: in a smaller font than a message of a few words.
	s.feed.Append(rec(5, feed.StateDecrypted, `{"key":"customer-3","amount":"123.45 EUR","account":"LAB-1111-7033"}`))
	if sample.Find(".seen.long").Length() != 0 || s.doc(t, "/records/t/0/5?part=sample").Find(".seen.long").Length() != 1 {
		t.Error("a message of a few words is small, or a JSON message is large")
	}
	if row := s.doc(t, "/").Find(testid("row")); !row.First().HasClass("long") || row.Filter(".long").Length() != 1 {
		t.Error("in the list, too")
	}
	locked := s.doc(t, "/records/t/0/2?part=sample").Find(testid("sample-seen"))
	if locked.Text() != "wire of the second" || !locked.HasClass("ciphertext") {
		t.Errorf("without a key the pod sees %s", locked.Text())
	}
	rejected := s.doc(t, "/records/t/0/3?part=sample").Find("#sample").Text()
	if strings.Contains(rejected, "the third") || strings.Contains(rejected, "All records") || strings.Count(rejected, "This record was rejected: its content is not shown") != 2 || !strings.Contains(rejected, "offset 3") {
		t.Errorf("a rejected record: %s", rejected)
	}
	if status, body, _ := s.get(t, "/records/t/0/4?part=sample"); status != 204 || body != "" {
		t.Errorf("a record that is not held: %d %s", status, body)
	}
}
