package podapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serve returns a client of a pod that gives these answers, by address.
func serve(t *testing.T, answers map[string]string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.String()]
		ok = ok && r.Host == "pod.example:3333"
		if to, redirected := strings.CutPrefix(answer, "to "); redirected {
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		if _, err := io.WriteString(w, answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	c := New(strings.TrimPrefix(server.URL, "http://"), "pod.example:3333")
	t.Cleanup(c.Close)
	return c
}

// Without this the console and the attacks could tell something else than the pod does.
func TestAnswers(t *testing.T) {
	c := serve(t, map[string]string{
		"GET /api/records?limit=20&state=decrypted": `{"feed":"a","records":[{"rev":7,"partition":1,"offset":5,"state":"decrypted","key_id":"k","value":"x","wire":"eA==","flags":["gap"],"sender":{"state":"verified","name":"n"},"timestamp_ms":9}],"next":7,"missed":false}`,
		"GET /api/records?after=7&limit=1000":       `{"feed":"a","records":[{"rev":8,"state":"rejected","reject_reason":"sender","value":null}],"next":8}`,
		"GET /api/records?after=9&limit=1000":       `to /api/records?after=7&limit=1000`,
		"GET /api/key":                              `{"state":"waiting","since":"2026-05-04T03:02:01.000Z","confirmed":"2026-05-04T03:02:11.000Z","reason":"Asking.","held_keys":[{"key_id":"held","since":"2026-05-04T03:02:03.000Z"},{"key_id":""}],"next_attempt":"2026-05-04T03:02:31.000Z"}`,
		"POST /api/key/check":                       `to /`,
	})
	newest, err := c.Newest(t.Context(), 20, "decrypted")
	if r := newest.Records; err != nil || newest.Feed != "a" || newest.Next != 7 || len(r) != 1 || *r[0].Value != "x" || *r[0].Millis != 9 || r[0].KeyID != "k" || r[0].Sender.Name != "n" || r[0].Flags[0] != "gap" {
		t.Errorf("the newest: %+v, %v", newest, err)
	}
	since, err := c.Since(t.Context(), newest.Next)
	if err != nil || since.Next != 8 || since.Records[0].RejectReason != "sender" || since.Records[0].Value != nil {
		t.Errorf("what changed: %+v, %v", since, err)
	}
	key, err := c.Key(t.Context())
	if err != nil || key.State != "waiting" || len(key.Held) != 1 || key.Held[0].ID != "held" || key.Held[0].Since.Sub(key.Since) != 2*time.Second || key.Confirmed.Sub(key.Since) != 10*time.Second || key.NextAttempt.Sub(key.Since) != 30*time.Second || key.Reason != "Asking." {
		t.Errorf("the key: %+v, %v", key, err)
	}
	if err := c.CheckAgain(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := c.Since(t.Context(), 9); err == nil {
		t.Errorf("a redirect is followed: %+v", got)
	}
	if got, err := c.Newest(t.Context(), 1, ""); err == nil || !strings.Contains(err.Error(), "status 404") {
		t.Errorf("no such answer: %+v, %v", got, err)
	}
}

// Without this bytes from a pod could stop the console or the attacks, or fill their memory.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"feed":"a","records":[{"rev":1,"partition":0,"offset":1,"timestamp_ms":5,"state":"decrypted","value":"x","encoding":"utf-8","flags":["gap"],"sender":{"state":"verified","name":"n"}}],"next":2}`)
	f.Add(`{"feed":"a","records":[{"value":"` + strings.Repeat("é", MaxValue) + `"}],"next":18446744073709551615}`)
	f.Add(`{"records":null}`)
	f.Add(`{"feed":"a","records":[{"value":"/w==","encoding":"base64"}]`)
	f.Fuzz(func(t *testing.T, body string) {
		answer, err := readAnswer(strings.NewReader(body))
		if err != nil {
			return
		}
		if answer.Feed == "" || len(answer.Records) > MaxRecords {
			t.Errorf("%q is accepted", body)
		}
		for _, r := range answer.Records {
			if r.Value != nil && len(*r.Value) > MaxValue {
				t.Errorf("%d bytes of a value are kept", len(*r.Value))
			}
		}
	})
}

// Without this a pod's words about its key could stop the demo.
func FuzzKey(f *testing.F) {
	f.Add(`{"state":"waiting","since":"2026-05-04T03:02:01.000Z","confirmed":"","held_keys":[{"key_id":"held","since":"2026-05-04T03:02:01.000Z"}],"next_attempt":""}`)
	f.Add(`{"next_attempt":"tomorrow"}`)
	f.Fuzz(func(t *testing.T, body string) {
		key, err := readKey(strings.NewReader(body))
		if len(key.Held) > maxHeld {
			t.Errorf("%d keys are kept", len(key.Held))
		}
		for _, held := range key.Held {
			if err == nil && held.ID == "" {
				t.Errorf("%q: a key without an id", body)
			}
		}
	})
}
