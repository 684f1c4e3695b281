package web

import (
	"strings"
	"testing"
	"time"

	"kafka-e2ee/web/podstatus"
)

// Without this a viewer could not tell when the key was released first from when the pod last asked for it.
func TestKeyThatWasAskedForAgain(t *testing.T) {
	s := newSite(t, 10)
	s.key = podstatus.Key{State: podstatus.KeyReleased, Since: then, Held: []podstatus.HeldKey{{ID: "new", Since: then.Add(time.Hour)}, {ID: "old", Since: then}}}
	when := func(lang string) string { return s.doc(t, "/?lang="+lang).Find(testid("banner-when")).Text() }
	if got := when("en"); strings.Contains(got, "again") {
		t.Errorf("nobody has asked again: %s", got)
	}
	_, body, _ := s.get(t, "/api/key")
	if !strings.Contains(body, `"held_keys":[{"key_id":"new","since":"2026-05-04T04:02:01.000Z"},{"key_id":"old","since":"2026-05-04T03:02:01.000Z"}],"since":"2026-05-04T03:02:01.000Z","confirmed":"",`) {
		t.Errorf("the API says %s", body)
	}
	for lang, want := range map[string]string{"en": "newnew current: the newest version held here since 2026-05-04 04:02:01.000 UTC", "ja": "newnew 現在の鍵 (最新バージョン) 2026-05-04 04:02:01.000 UTC からこのポッドで保持"} {
		held := s.doc(t, "/?lang="+lang).Find(testid("held")).Find("li")
		if got := strings.Join(strings.Fields(held.First().Text()), " "); got != want || strings.Contains(held.Last().Text(), "version") || strings.Contains(held.Last().Text(), "最新") {
			t.Errorf("the list of keys says %s; %s", got, held.Last().Text())
		}
	}
	s.key.Confirmed = then.Add(time.Minute)
	if en, ja := when("en"), when("ja"); !strings.Contains(en, "Reported by the sidecar at 2026-05-04 03:02:01 UTC · the pod asked again at 2026-05-04 03:03:01 UTC") || !strings.Contains(ja, "ポッドが 2026-05-04 03:03:01 UTC に再確認") {
		t.Errorf("asked again: %s; %s", en, ja)
	}
	if _, body, _ := s.get(t, "/api/key"); !strings.Contains(body, `"confirmed":"2026-05-04T03:03:01.000Z"`) {
		t.Errorf("the API says %s", body)
	}
}
