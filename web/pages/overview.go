package pages

import (
	"context"
	"io"
	"strings"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
)

// Overview returns what the page says above the rows. Times are relative to the summary's; the counts began at started. If
// senders are trusted here (preferVerified), an unsigned record is a problem.
func (l Localizer) Overview(summary feed.Summary, key podstatus.Key, kafka podstatus.Kafka, started time.Time, preferVerified bool) Overview {
	return Overview{
		banner: l.banner(key, summary.At), attest: l.attestation(key, summary.At), sample: l.Sample(summary, preferVerified),
		alerts: l.alerts(summary, started, preferVerified, len(key.Held) > 0 || summary.Counts.Decrypted > 0), counts: l.counts(summary.Counts),
		kafka: l.kafka(kafka, summary.Empty, summary.At), stats: l.stats(kafka, summary),
	}
}

// Parts returns the parts of the page above the rows as HTML, by their ids. It is to be called with the localizer that the
// overview is of.
func (h Overview) Parts(ctx context.Context, l Localizer) map[string]string {
	return map[string]string{
		"banner":      Render(func(out io.Writer) error { return banner(l, h.banner).Render(ctx, out) }),
		"why":         Render(func(out io.Writer) error { return why(l, h.banner).Render(ctx, out) }),
		"alerts":      Render(func(out io.Writer) error { return alerts(l, h.alerts, "").Render(ctx, out) }),
		"attestation": Render(func(out io.Writer) error { return attestation(l, h.attest).Render(ctx, out) }),
		"sample":      Render(func(out io.Writer) error { return Sample(l, h.sample).Render(ctx, out) }),
		"kafka":       Render(func(out io.Writer) error { return kafka(h.kafka).Render(ctx, out) }),
		"counts":      Render(func(out io.Writer) error { return countsLine(h.counts).Render(ctx, out) }),
		"stats":       Render(func(out io.Writer) error { return stats(l, h.stats).Render(ctx, out) }),
	}
}

// Render returns what a component writes. It fails only if ctx has ended, and then nobody reads the result.
func Render(write func(io.Writer) error) string {
	var b strings.Builder
	if write(&b) != nil {
		return ""
	}
	return b.String()
}
