package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"kafka-e2ee/lab/attacks"
	"kafka-e2ee/lab/console"
	"kafka-e2ee/lab/env"
	"kafka-e2ee/lab/scenario"
)

// Attacks returns all attacks in the order to show them.
func (d *demo) Attacks() (all []console.AttackInfo) {
	for _, a := range attacks.All() {
		all = append(all, console.AttackInfo{Name: a.Name, Tries: a.Tries})
	}
	return all
}

var errNoKey = console.CommandError{
	Code: console.ProblemNoKey,
	Err:  errors.New("the confidential pod has no key, so it refuses every record (hint: choose the scenario " + scenario.Good + " first)"),
}

// Attack does an attack on the broker or the producer's file, and notes what became of it. No part is replaced meanwhile.
func (d *demo) Attack(ctx context.Context, name string) (console.Observation, error) {
	attack, ok := attacks.Find(name)
	if !ok {
		return console.Observation{}, fmt.Errorf("the attack %q is not known", name)
	}
	if err := d.lock(ctx); err != nil {
		return console.Observation{}, err
	}
	defer d.unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(d.ctx, cancel)() //nolint:contextcheck // the demo ends an attack, too
	d.noteAttack(console.Attacked{Attack: console.AttackInfo{Name: name, Tries: attack.Tries}, Running: true})
	observed, err := d.attack(ctx, attack)
	d.noteAttack(console.Attacked{Attack: console.AttackInfo{Name: name, Tries: attack.Tries}, Ended: time.Now(), Seen: observed, Err: err})
	return observed, err
}

// attack needs the lock of the parts.
func (d *demo) attack(ctx context.Context, attack attacks.Attack) (console.Observation, error) {
	if pod, err := d.pod.Key(ctx); err != nil {
		return console.Observation{}, err
	} else if pod.State != podReleased {
		return console.Observation{}, errNoKey
	}
	seen, err := attack.Run(ctx, attacks.Target{
		Brokers: d.kafka.Brokers, Topic: d.topic, PublicKeyFile: filepath.Join(d.dir, env.PublicKeyFile), Pod: d.pod,
		OnDeleted: d.stored.forget,
	})
	if err != nil {
		return console.Observation{}, err
	}
	observed := console.Observation{Attack: attack.Name, Outcome: string(seen.Outcome), Detail: seen.Detail, Took: seen.Took}
	for _, at := range seen.Records {
		observed.Records = append(observed.Records, console.Position(at))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.observed[attack.Name] == nil {
		d.observed[attack.Name] = make(map[string]string)
	}
	d.observed[attack.Name][string(d.current.format)] = observed.Outcome
	return observed, nil
}

func (d *demo) noteAttack(a console.Attacked) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attacked = a
}

// Attacked returns the attack that runs, or the last one.
func (d *demo) Attacked() (console.Attacked, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.attacked, d.attacked.Attack.Name != ""
}

// Scoreboard returns the newest outcome of each attack in this run, by attack and format.
func (d *demo) Scoreboard() map[string]map[string]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	board := make(map[string]map[string]string)
	for attack, outcomes := range d.observed {
		board[attack] = maps.Clone(outcomes)
	}
	return board
}

// attackFromTerminal says what will be tried, tries it, and says what became of it. It returns before that: the lines that
// are typed meanwhile reach the producer, without which no attack ends.
func (d *demo) attackFromTerminal(ctx context.Context, attack attacks.Attack) {
	if !d.attacking.CompareAndSwap(false, true) {
		d.say("/%s: another attack still runs", attack.Name)
		return
	}
	d.say("as Kafka's operator: %s", attack.Tries)
	go func() { // not a part: the lock of the parts waits for it
		defer d.attacking.Store(false)
		seen, err := d.Attack(ctx, attack.Name)
		switch {
		case err == nil:
			d.say("%s (%s): %s, after %s", strings.ToUpper(strings.ReplaceAll(seen.Outcome, "_", " ")), d.Format(), seen.Detail, seen.Took.Round(time.Millisecond))
		case ctx.Err() == nil:
			d.say("nothing can be said of /%s: %v", attack.Name, err)
		}
	}()
}
