package lab

import (
	"context"
	"slices"
	"sync"
	"time"

	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/scenario"
)

// play is a scenario that is played.
type play struct {
	scenario.Scenario
	began time.Time

	mu     sync.Mutex
	events []console.Event
}

func newPlay(s scenario.Scenario) *play {
	p := &play{Scenario: s, began: time.Now()}
	if s.Later != nil {
		for n := range max(s.Repeat, 1) {
			p.events = append(p.events, console.Event{At: p.began.Add(time.Duration(n+1) * s.Delay), What: s.What})
		}
	}
	return p
}

// run makes the events happen, until ctx ends.
func (d *demo) run(ctx context.Context, p *play) error {
	for n := range p.events {
		select {
		case <-ctx.Done():
			return nil
		case <-d.after(p.Delay):
		}
		if err := p.Later(d.env); err != nil {
			return err
		}
		p.happened(n)
		if p.Unlocks {
			_ = d.pod.CheckAgain(ctx) //nolint:errcheck // a pod that does not answer yet asks by itself soon
		}
	}
	return nil
}

// happened records that an event has happened, and what that means for the next one.
func (p *play) happened(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events[n].At, p.events[n].Done = time.Now(), true
	if n+1 < len(p.events) {
		p.events[n+1].At = p.events[n].At.Add(p.Delay)
	}
}

func (p *play) all() []console.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// Scenarios returns all scenarios in the order to show them.
func (d *demo) Scenarios() (all []console.ScenarioInfo) {
	for _, s := range scenario.All() {
		all = append(all, console.ScenarioInfo{Name: s.Name, Summary: s.Summary})
	}
	return all
}

// Scenario returns the scenario that is played.
func (d *demo) Scenario() console.Scenario {
	d.mu.Lock()
	p := d.play
	d.mu.Unlock()
	return console.Scenario{ScenarioInfo: console.ScenarioInfo{Name: p.Name, Summary: p.Summary}, Began: p.began, Events: p.all()}
}

// SetScenario restarts both pods in a scenario. The history is Kafka's.
func (d *demo) SetScenario(ctx context.Context, name string) error {
	return d.change(ctx, true, func(next *choice) { next.scenario = name })
}

// NextAttempt returns when the confidential pod asks for its key again: as it plans itself, or when the scenario makes it.
func (d *demo) NextAttempt() (time.Time, bool) {
	pod := d.timeline.Pod()
	if pod.State == podReleased {
		return time.Time{}, false
	}
	d.mu.Lock()
	p := d.play
	d.mu.Unlock()
	next := pod.NextAttempt
	for _, event := range p.all() {
		if p.Unlocks && !event.Done && (next.IsZero() || event.At.Before(next)) {
			next = event.At
		}
	}
	return next, !next.IsZero()
}
