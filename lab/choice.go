package lab

import (
	"context"
	"time"

	"kafka-e2ee/consumer"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/formats"
	"kafka-e2ee/lab/messages"
	"kafka-e2ee/lab/scenario"
)

// choice is what can be chosen while the demo runs.
type choice struct {
	scenario string
	format   formats.Format
	data     string
}

// change replaces what depends on a new choice; with restart the pods in any case. It returns when the new parts start.
func (d *demo) change(ctx context.Context, restart bool, edit func(*choice)) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	before := d.choice()
	next := before
	edit(&next)
	plan, err := scenario.Find(next.scenario)
	if err != nil {
		return err
	}
	if restart || next.format != before.format {
		if err := d.replacePods(plan, next.format); err != nil { //nolint:contextcheck // parts end with the demo, not with the request that starts them
			d.stop(err) // there is no pod any more
			return err
		}
	}
	d.mu.Lock()
	d.current = next
	if before.format != "" && next.format != before.format {
		d.switched = &console.Switch{From: string(before.format), At: time.Now()}
	}
	d.mu.Unlock()
	if next.format != before.format {
		end(d.typing)
		d.typing = d.startTyping(next.format) //nolint:contextcheck // as above
	}
	if next.format != before.format || next.data != before.data {
		end(d.producing)
		d.producing = d.startProducing(next) //nolint:contextcheck // as above
	}
	return nil
}

func (d *demo) choice() choice {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// Format returns the format of the records.
func (d *demo) Format() string { return string(d.choice().format) }

// SetFormat changes the format of the records, and restarts both pods: what they require depends on it.
func (d *demo) SetFormat(ctx context.Context, name string) error {
	chosen, err := formats.Find(name)
	if err != nil {
		return err
	}
	return d.change(ctx, false, func(next *choice) { next.format = chosen })
}

// Requires returns what the pods require of a record while a format is chosen.
func (d *demo) Requires(name string) (codes []string) {
	var pod consumer.Config
	if formats.Format(name).Strict() {
		formats.RequireProof(&pod, nil)
	}
	for _, r := range []struct {
		code     string
		required bool
	}{
		{console.RequireFormat, pod.RequireFormat != ""},
		{console.RequireSender, pod.RequireSender != ""},
		{console.RequireReader, pod.AllowedReaders != ""},
		{console.RequireFresh, pod.RequireFresh},
	} {
		if r.required {
			codes = append(codes, r.code)
		}
	}
	return codes
}

// Switched returns the last change of the format.
func (d *demo) Switched() (console.Switch, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.switched == nil {
		return console.Switch{}, false
	}
	return *d.switched, true
}

// Data returns what the producer sends by itself.
func (d *demo) Data() string { return d.choice().data }

// SetData changes what the producer sends by itself.
func (d *demo) SetData(ctx context.Context, name string) error {
	data, err := messages.CheckData(name)
	if err != nil {
		return err
	}
	return d.change(ctx, false, func(next *choice) { next.data = data })
}
