package consumer

import (
	"testing"

	"github.com/IBM/sarama"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/web"
)

// Without this the page would show another lag or another share of the topic than this pod's.
func TestShareOfTheTopic(t *testing.T) {
	var s share
	if got := s.now(); got != (web.Share{}) {
		t.Errorf("before a session: %+v", got)
	}
	s.begin([]int32{1, 4}, 6, 0)
	s.behind(1, 10)
	s.behind(4, 7)
	s.behind(4, 5)
	s.behind(1, -1) // the broker's answer was older than the record
	s.behind(3, 99) // another member's by now
	if got, want := s.now(), (web.Share{Held: 2, All: 6, Lag: 5}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s.end()
	if got := s.now(); got != (web.Share{}) {
		t.Errorf("after the session: %+v", got)
	}
}

// Without this a record's headers would be missing on the page, or change under it when the fetch's memory is used again.
func TestHeadersAreKept(t *testing.T) {
	r := newReader(t)
	value := []byte("abc")
	m := &sarama.ConsumerMessage{Topic: "t", Value: []byte("plain"), Headers: []*sarama.RecordHeader{{Key: []byte("k"), Value: value}, {Key: []byte("null")}}}
	var w work
	r.show(&w, []*sarama.ConsumerMessage{m})
	copy(value, "xyz")
	got := r.feed.Held()[0].Headers
	if len(got) != 2 || got[0].Key != "k" || string(got[0].Value) != "abc" || got[1].Key != "null" || got[1].Value != nil {
		t.Errorf("got %q", got)
	}
	if size := bytesOf(m); size != messageCost+len("plain")+2*headerCost+len("k")+len("abc")+len("null") {
		t.Errorf("counted as %d bytes", size)
	}
}

// Without this a busy vault would look like one that says no, or a refusal like one that passes by itself.
func TestWhatPassesByItself(t *testing.T) {
	for cause, want := range map[skrclient.Cause]web.Passing{
		skrclient.CauseThrottled: web.PassingBusy, skrclient.CauseNetwork: web.PassingAway, skrclient.CauseName: web.PassingAway, skrclient.CauseService: web.PassingAway,
		skrclient.CausePolicy: "", skrclient.CauseRole: "", skrclient.CauseUnknown: "", skrclient.CauseAttestation: "",
	} {
		if got := passing(&skrclient.Error{Cause: cause}); got != want {
			t.Errorf("%s: got %q, want %q", cause, got, want)
		}
	}
}

// Without this the command on the page would ask another vault, or none, or do something else in a shell.
func TestVerifyCommand(t *testing.T) {
	cfg := Config{KeyNames: "demo/7,other", MAAEndpoint: "m.example", AKVEndpoint: "my.vault.azure.net"}
	const want = "az rest --resource 'https://vault.azure.net' --url 'https://my.vault.azure.net/keys/demo/7?api-version=7.4' --query release_policy.data -o tsv | tr -- '-_' '+/' | jq -Rr @base64d"
	if got := cfg.verify(); got != want {
		t.Errorf("got %s", got)
	}
	for _, none := range []Config{{}, {KeyProvider: providerCDH, KeyNames: "a/b/c"}, {KeyProvider: providerFile, KeyFile: "f"}} {
		if got := none.verify(); got != "" {
			t.Errorf("%s: got %s", none.provider(), got)
		}
	}
}
