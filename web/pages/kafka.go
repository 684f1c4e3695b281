package pages

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"kafka-e2ee/web/feed"
	"kafka-e2ee/web/podstatus"
	"kafka-e2ee/web/safetext"
)

// kafkaView says what is wrong with Kafka, if anything is.
type kafkaView struct {
	Text        string
	Unreachable bool // nothing can be read
}

// slowAfter is how long the first connection may take before the page says what may be wrong.
const slowAfter = 8 * time.Second

func (l Localizer) kafka(k podstatus.Kafka, empty bool, now time.Time) kafkaView {
	if k.State == podstatus.KafkaReading {
		return kafkaView{Text: l.reading(k, empty, now)}
	}
	state := string(k.State)
	if k.State == podstatus.KafkaConnecting && now.Sub(k.Since) > slowAfter {
		state = "connecting_slow"
	}
	return kafkaView{Unreachable: true, Text: l.T("kafka."+state, "cause", l.kafkaCause(k.Cause), "topic", safetext.Visible(k.Topic), "time", clock(k.Since, now))}
}

// kafkaCause says why Kafka cannot be read, and what to check. A code without a text stands for itself.
func (l Localizer) kafkaCause(c podstatus.KafkaCause) string {
	return cmp.Or(l.T("kafka.cause."+c.Code, "peer", safetext.Visible(c.Peer), "detail", safetext.Visible(c.Detail), "setting", safetext.Visible(c.Check)), c.Code)
}

// reading returns why records are missing although Kafka can be read: unreadable partitions, a loading history, or an
// empty topic. It is empty otherwise.
func (l Localizer) reading(k podstatus.Kafka, empty bool, now time.Time) string {
	switch {
	case len(k.Assignment.Unreadable) > 0:
		return l.unreadable(k.Assignment, now)
	case !empty:
		return ""
	case k.History.Loading():
		return l.T("kafka.history", "n", strconv.Itoa(k.History.Loaded), "all", strconv.Itoa(k.History.All))
	default:
		return l.T("kafka.no_record", "topic", safetext.Visible(k.Topic))
	}
}

// maxCausesShown is how many causes, or ranges of partitions or offsets, the page tells at once.
const maxCausesShown = 3

// unreadable says which partitions cannot be read, and why.
func (l Localizer) unreadable(a podstatus.Assignment, now time.Time) string {
	var told []string
	for _, u := range a.Unreadable[:min(len(a.Unreadable), maxCausesShown)] {
		told = append(told, l.N("kafka.unreadable", len(u.Partitions), "partitions", podstatus.Numbers(u.Partitions), "time", clock(u.Since, now), "cause", l.kafkaCause(u.Cause)))
	}
	return joinSentences(told...)
}

// statsItem is one figure about the reading from Kafka.
type statsItem struct{ ID, Name, Value, Note, Severity string }

func (l Localizer) stats(k podstatus.Kafka, seen feed.Summary) []statsItem {
	digits := 0
	if seen.Rate > 0 && seen.Rate < 10 {
		digits = 1
	}
	rate := statsItem{ID: "rate", Name: l.T("stats.rate"), Value: strconv.FormatFloat(seen.Rate, 'f', digits, 64)}
	lag := statsItem{ID: "lag", Name: l.T("stats.lag"), Value: "–"}
	partitions := statsItem{ID: "partitions", Name: l.T("stats.partitions"), Value: "–"}
	if k.State == podstatus.KafkaReading && k.Assignment.Total > 0 {
		lag.Value = strconv.FormatInt(k.Assignment.Lag, 10)
		partitions.Value = l.T("stats.share", "held", strconv.Itoa(k.Assignment.Assigned), "all", strconv.Itoa(k.Assignment.Total))
		partitions.Note, partitions.Severity = l.partitionsNote(k, seen.At)
	}
	items := []statsItem{rate, lag, partitions}
	if k.MirrorOf != "" {
		items = append(items, statsItem{ID: "topic", Name: l.T("fact.topic"), Value: safetext.Visible(k.Topic), Note: l.T("stats.mirror", "topic", safetext.Visible(k.MirrorOf))})
	}
	return items
}

// partitionsNote says which partitions are not read here, and how far the history is loaded.
func (l Localizer) partitionsNote(k podstatus.Kafka, now time.Time) (note, severity string) {
	var notes []string
	unreadable := k.Assignment.CountUnreadable()
	switch {
	case unreadable > 0:
		notes, severity = append(notes, l.T("stats.unreadable", "n", strconv.Itoa(unreadable))), "bad"
	default:
		notes = append(l.others(k.Assignment.Others, now), l.unseen(k.Unseen)...)
	}
	loaded, all := strconv.Itoa(k.History.Loaded), strconv.Itoa(k.History.All)
	switch h := k.History; {
	case !h.Loading():
	case h.Failing > 0:
		notes = append(notes, l.T("stats.history_failing", "n", loaded, "all", all, "failing", strconv.Itoa(h.Failing)))
	default:
		notes = append(notes, l.T("stats.history", "n", loaded, "all", all))
	}
	return strings.Join(notes, " · "), severity
}

// others says since when other members of the group read which partitions.
func (l Localizer) others(all []podstatus.Others, now time.Time) (notes []string) {
	for _, o := range all[:min(len(all), maxCausesShown)] {
		notes = append(notes, l.N("stats.others", len(o.Partitions), "partitions", podstatus.Numbers(o.Partitions), "time", clock(o.Since, now)))
	}
	return notes
}

// unseen says which offsets other members of the group have read, and this page does not hold: the latest ones.
func (l Localizer) unseen(all []podstatus.Unseen) (notes []string) {
	for _, u := range all[max(len(all)-maxCausesShown, 0):] {
		notes = append(notes, l.T("stats.unseen", "partition", strconv.Itoa(int(u.Partition)), "from", strconv.FormatInt(u.From, 10), "to", strconv.FormatInt(u.To, 10)))
	}
	return notes
}
