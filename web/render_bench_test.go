package web

import (
	"io"
	"testing"
)

// BenchmarkRows renders a row in each state and format, one of them signed and with each flag.
func BenchmarkRows(b *testing.B) {
	s := staged(b)
	list, _ := s.feed.Before(0)
	l := localizer{s.languages.All()[1]}
	for b.Loop() {
		if err := rows(l, l.rows(list)).Render(b.Context(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
