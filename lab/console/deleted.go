package console

import (
	"context"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/web/severity"
)

// startsEvery is how often Kafka is asked where the partitions begin.
const startsEvery = 500 * time.Millisecond

// followStarts asks Kafka where the partitions begin, until ctx ends: what was before that is deleted.
func (l *storedLog) followStarts(ctx context.Context, client *kgo.Client, topic string) {
	admin := kadm.NewClient(client)
	for ctx.Err() == nil {
		asking, end := context.WithTimeout(ctx, quietTime)
		listed, err := admin.ListStartOffsets(asking, topic)
		end()
		if err == nil && listed.Error() == nil {
			starts := make(map[int32]int64)
			listed.Each(func(o kadm.ListedOffset) { starts[o.Partition] = o.Offset })
			l.begin(starts)
		}
		select {
		case <-ctx.Done():
		case <-time.After(startsEvery):
		}
	}
}

func (l *storedLog) begin(starts map[int32]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !maps.Equal(l.starts, starts) {
		l.starts, l.snapshot = starts, nil
	}
}

// copyOf returns where else in its partition Kafka holds a record's bytes. It is false if it does not.
func (l *storedLog) copyOf(r storedRecord) (at Position, ok bool) {
	records, _ := l.newest()
	for _, other := range records {
		if other.sum == r.sum && other.Partition == r.Partition && other.Offset > r.Offset && !other.deleted {
			return other.Position, true
		}
	}
	return Position{}, false
}

// notShown says why a pod does not show a record, as far as Kafka and the pod tell.
func (c *Console) notShown(l localizer, p *pod, r storedRecord) columnView {
	v := columnView{Severity: severity.Neutral, Icon: dash, Size: "words"}
	switch {
	case r.deleted && c.withheld(r.Position):
		v.Severity, v.Icon, v.Label, v.Text = severity.Bad, "✗", l.T("pod.withheld"), l.T("pod.withheld_more")
	case r.deleted:
		v.Label, v.Text = l.T("pod.deleted"), l.T("pod.deleted_more")
		if at, ok := c.stored.copyOf(r); ok {
			v.Text = l.T("pod.copied_more", "position", at.String())
		}
	case p.passed(r):
		v.Label, v.Text = l.T("pod.passed"), l.T("pod.passed_more")
	default:
		v.Icon, v.Label = "◔", l.T("pod.not_yet")
	}
	return v
}

// withheld reports whether an attack has let the record at a position disappear.
func (c *Console) withheld(at Position) bool {
	attack, _ := c.demo.AttackedAt(at)
	return attack.withheld(at)
}
