package web

import (
	"io"
	"testing"

	"kafka-e2ee/web/pages"
)

// BenchmarkRows renders a row in each state and format, one of them signed and with each flag.
func BenchmarkRows(b *testing.B) {
	s := staged(b)
	list, _ := s.feed.Before(0)
	l := pages.Localizer{Texts: s.languages.All()[1]}
	for b.Loop() {
		if err := pages.Rows(l, l.Rows(list)).Render(b.Context(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
