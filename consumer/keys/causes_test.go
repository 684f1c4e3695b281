package keys

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/prometheus/client_golang/prometheus"

	"kafka-e2ee/skrclient"
	"kafka-e2ee/web"
	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// Without this the page would show a code in place of the reason why there is no key, or not say what to do.
func TestPageExplainsEveryCause(t *testing.T) {
	var key podstatus.Key
	server, err := web.New(web.Options{
		Feed: feed.New(1), Key: func() podstatus.Key { return key }, Kafka: func() podstatus.Kafka { return podstatus.Kafka{} },
		Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(server.Handler())
	defer site.Close()
	for _, cause := range skrclient.Causes() {
		english := ""
		for _, lang := range []string{"en", "ja"} {
			key = podstatus.Key{State: podstatus.KeyWaiting, Reason: string(cause)}
			answer, err := http.Get(site.URL + "/?lang=" + lang)
			if err != nil {
				t.Fatal(err)
			}
			page, err := goquery.NewDocumentFromReader(answer.Body)
			answer.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			text := func(id string) string { return page.Find(`[data-testid="` + id + `"]`).Text() }
			why, todo := text("banner-why"), text("banner-todo")
			if why == "" || why == string(cause) || todo == "" || why == english {
				t.Errorf("%s in %s: the page says %q, and %q", cause, lang, why, todo)
			}
			english = why
		}
	}
}
