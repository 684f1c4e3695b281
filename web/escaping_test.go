package web

import (
	"strings"
	"testing"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/pages"
	"kafka-e2ee/web/podstatus"
)

// Without this a name with an invisible character would look like another name somewhere on the page.
func TestAllUntrustedTextIsEscaped(t *testing.T) {
	const name, shown = "alice\u3164", "alice⟨U+3164⟩"
	s := newSite(t, 10)
	r := rec(1, feed.StateDecrypted, name)
	r.Topic, r.Key, r.Headers = name, []byte(name), []feed.Header{{Key: name, Value: []byte(name)}}
	r.Sender = feed.Sender{State: feed.SenderVerified, Name: name, KeyID: name}
	locked := rec(2, feed.StateUnknownKey, name)
	locked.NeededKeys, locked.Sender = []string{name, "{ids}"}, feed.Sender{State: feed.SenderUntrusted, Reason: feed.SenderUnknown, KeyID: name}
	s.feed.Append(r, locked)
	s.kafka = podstatus.Kafka{State: podstatus.KafkaNoTopic, Topic: name}
	s.key = podstatus.Key{State: podstatus.KeyRefused, ByPolicy: true, Attestation: podstatus.Attestation{State: podstatus.AttestationChecked, Compared: true, Checks: []podstatus.Check{{Claim: name, Expected: name, Actual: name, Result: podstatus.CheckDifferent}}}}
	for path, want := range map[string]int{"/": 16, pages.Href(r): 11, pages.Href(locked): 6, "/records/" + name + "/0/99": 1} {
		text := s.doc(t, path).Find("body").Text()
		if strings.Contains(text, "\u3164") {
			t.Errorf("%s does not escape it: %q", path, around(text, "\u3164"))
		}
		if got := strings.Count(text, shown); got < want {
			t.Errorf("%s: escaped in %d places, want %d", path, got, want)
		}
	}
	if text := s.doc(t, pages.Href(locked)).Find(testid("record-why")).Text(); !strings.Contains(text, "{ids}") {
		t.Errorf("a record's text is taken for a placeholder: %s", text)
	}
}

func around(text, what string) string {
	at := strings.Index(text, what)
	return text[max(at-40, 0):min(at+40, len(text))]
}
