package terminal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
)

// attack says what will be tried, tries it, and says what became of it. It returns before that: the lines that
// are typed meanwhile reach the producer, without which no attack ends.
func (t *Terminal) attack(ctx context.Context, attack attacks.Attack) {
	if !t.attacking.CompareAndSwap(false, true) {
		t.say("/%s: another attack still runs", attack.Name)
		return
	}
	t.say("as Kafka's operator: %s", attack.Tries)
	go func() { // the demo waits by itself until an attack has ended
		defer t.attacking.Store(false)
		seen, err := t.demo.Attack(ctx, attack.Name)
		switch {
		case err == nil:
			t.say("%s", became(seen))
		case ctx.Err() == nil:
			t.say("nothing can be said of /%s: %v", attack.Name, err)
		}
	}()
}

// became says what became of an attack, in one line without any message.
func became(o console.Observation) string {
	text := strings.ToUpper(strings.ReplaceAll(o.Outcome, "_", " "))
	if len(o.Read) > 0 {
		text = "READ BY KAFKA'S OPERATOR, " + text
	}
	text += fmt.Sprintf(" (%s): %s, after %s", formats.Format(o.Format).Label(), o.Detail, o.Took.Round(time.Millisecond))
	for _, w := range o.Withheld {
		text += fmt.Sprintf("; record %d/%d is missing, before %d/%d", w.Partition, w.Offset, w.Next.Partition, w.Next.Offset)
	}
	return text
}
