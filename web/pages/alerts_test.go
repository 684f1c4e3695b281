package pages

import (
	"os"
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/locale"
)

// Without this a viewer would take counts of replays for counts among the newest records, whose format shows none.
func TestCountsSayOfWhichRecords(t *testing.T) {
	languages, err := locale.Read(os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	records := feed.New(10)
	records.Append(&feed.Record{Topic: "t", State: feed.StateDecrypted, Format: "envelope", Value: []byte("x"), Flags: feed.Flags{Repeat: true}})
	rsa := &feed.Record{Topic: "t", Offset: 1, State: feed.StateDecrypted, Format: "rsa", Value: []byte("z")}
	summary := feed.Summary{Sample: rsa, Counts: records.Summary(true).Counts}
	for i, want := range []string{"Replays and gaps are of other records: the format rsa shows none", "重複や欠落の件数は、別の形式のレコードのものです。"} {
		if got := (Localizer{languages.All()[i]}).alerts(summary, time.Now(), true, true).Limits; !strings.HasPrefix(got, want) {
			t.Errorf("a format that shows no replay, beside replays: %s", got)
		}
	}
}
