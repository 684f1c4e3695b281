package lab

import (
	"context"
	"errors"
	"fmt"
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
		OnDeleted: func() {
			d.stored.Forget()
			d.observed.forget()
		},
	})
	if err != nil {
		return console.Observation{}, err
	}
	observed := d.observation(seen)
	d.observed.add(observed)
	return observed, nil
}

// observation adds to what was seen of an attack what only the demo knows: the format, and what the producer had written.
func (d *demo) observation(seen attacks.Observation) console.Observation {
	o := console.Observation{
		Attack: seen.Attack, Format: d.Format(), Outcome: string(seen.Outcome), Detail: seen.Detail, Marks: seen.Marks,
		Records: positions(seen.Records), Noticed: positions(seen.Noticed), Took: seen.Took,
	}
	for _, r := range seen.Read {
		sent, ok := d.Sent(r.From.Partition, r.From.Offset)
		o.Read = append(o.Read, console.Reading{
			Position: console.Position(r.Position), Text: string(r.Start),
			Resealed: ok && r.From != r.Position && strings.HasPrefix(sent, string(r.Start)),
		})
	}
	for _, w := range seen.Withheld {
		text, _ := d.Sent(w.Partition, w.Offset)
		o.Withheld = append(o.Withheld, console.Withheld{Position: console.Position(w.Position), Text: text, Next: console.Position(w.Next)})
	}
	return o
}

func positions(list []attacks.Position) (all []console.Position) {
	for _, at := range list {
		all = append(all, console.Position(at))
	}
	return all
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
