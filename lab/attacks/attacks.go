// Package attacks does to the records, the topic and the producer's file what Kafka's operator can do, and asks a pod
// what became of it.
//
//	for _, attack := range attacks.All() {
//		observed, err := attack.Run(ctx, attacks.Target{Brokers: brokers, Topic: topic, PublicKeyFile: file, Pod: podapi.New("localhost:3333", "localhost:3333")})
//	}
//
// No attack uses a key that the operator would not have: they have the producer's public key, and keys that they make
// themselves. An outcome is what the pod's own API says of the records; nothing here knows what to expect.
//
// The attacks need a producer that keeps writing. One attack may run at a time.
package attacks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kafka-e2ee/lab/podapi"
)

// Attack is something that Kafka's operator can do.
type Attack struct {
	Name  string
	Tries string // what will be done, in one sentence

	// judge sums up what the pod says of the records that do has written or changed.
	judge func([]finding) Outcome
	do    func(ctx context.Context, o *operator, newest stored) ([]Position, error)
}

// Target is the demo that is attacked.
type Target struct {
	Brokers       []string // HOST:PORT
	Topic         string
	PublicKeyFile string         // the producer's PUBKEY_FILE
	Pod           *podapi.Client // is asked what became of an attack
	OnDeleted     func()         // is called when the topic was deleted, before it is created again; nil: nothing
}

// Outcome is what became of an attack on the pod's page.
type Outcome string

// The outcomes.
const (
	Refused    Outcome = "refused"     // no content of the records is shown
	Flagged    Outcome = "flagged"     // their content is shown with a mark that other records do not have
	NotNoticed Outcome = "not_noticed" // content is shown as that of any other record
)

// Position is where a record is in the topic.
type Position struct {
	Partition int32
	Offset    int64
}

// Observation is what became of an attack.
type Observation struct {
	Attack   string
	Outcome  Outcome
	Detail   string     // what the pod's API says of the records: states, reasons and flags
	Marks    []string   // what gave the attack away: flags, or the states of records whose content is not shown; sorted
	Noticed  []Position // the records that it was noticed by
	Records  []Position // that were written or changed
	Read     []Reading  // what the operator has read, whatever the pod made of it
	Withheld []Withheld
	Took     time.Duration
}

// Reading is a record that the operator has decrypted with a private key of their own.
type Reading struct {
	Position          // where the record is now
	From     Position // where the producer had written it: elsewhere, if the operator has encrypted it again
	Start    []byte   // of the message, at most readingBytes
}

func newReading(at, from Position, message []byte) Reading {
	return Reading{at, from, bytes.Clone(message[:min(len(message), readingBytes)])}
}

// readingBytes is how much of a message is kept.
const readingBytes = 1 << 10

// Withheld is a record of the producer that the operator has deleted before anyone read it.
type Withheld struct {
	Position          // where it was
	Next     Position // where the record is that comes after it for those who read
}

// All returns all attacks in the order to show them.
func All() []Attack {
	return []Attack{
		{Name: "tamper", Tries: "Change one byte of a record's ciphertext.", judge: everyRecord, do: tamper},
		{Name: "truncate", Tries: "Cut off the last bytes of a record.", judge: everyRecord, do: truncate},
		{Name: "replay", Tries: "Write a record once more, byte for byte.", judge: everyRecord, do: replay},
		{Name: "drop", Tries: "Let a record disappear before anyone reads it.", judge: anyRecord, do: drop},
		{Name: "reorder", Tries: "Exchange two records before anyone reads them.", judge: anyRecord, do: reorder},
		{Name: "move", Tries: "Write a record into another partition.", judge: everyRecord, do: move},
		{Name: "copy", Tries: "Copy a record into another topic and back.", judge: everyRecord, do: copyBack},
		{Name: "forge", Tries: "Encrypt a message with the producer's public key.", judge: everyRecord, do: forge},
		{Name: "plain", Tries: "Write a message that is not encrypted.", judge: everyRecord, do: plain},
		{Name: "reader", Tries: "Slip another public key into the producer's file.", judge: everyRecord, do: reader},
		{Name: "rewind", Tries: "Delete the topic, and create it again with old records.", judge: everyRecord, do: rewind},
	}
}

// Find returns the attack of that name.
func Find(name string) (Attack, bool) {
	for _, a := range All() {
		if a.Name == name {
			return a, true
		}
	}
	return Attack{}, false
}

const (
	patience  = 2 * time.Minute  // an attack may take so long
	undecided = 30 * time.Second // the pod may say so long that it cannot read a record yet
)

// Run does the attack, and waits until the pod shows the records. It puts back what later records would need: the
// public key's file and the topic. It fails if the producer writes nothing, and if the pod does not show the records or
// lacks what it needs to decide about them: its key, or a record's header.
func (a Attack) Run(ctx context.Context, t Target) (Observation, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	o := &operator{target: t, page: newPage(t)}
	findings, err := a.run(ctx, o)
	if err != nil {
		return Observation{}, fmt.Errorf("attack %s: %w", a.Name, err)
	}
	outcome := a.judge(findings)
	observed := Observation{
		Attack: a.Name, Outcome: outcome, Detail: detail(findings), Marks: decisive(findings, outcome),
		Read: o.readings, Withheld: o.withheld, Took: time.Since(start),
	}
	for _, f := range findings {
		observed.Records = append(observed.Records, f.Position)
		if f.outcome == outcome && outcome != NotNoticed {
			observed.Noticed = append(observed.Noticed, f.Position)
		}
	}
	return observed, nil
}

func (a Attack) run(ctx context.Context, o *operator) ([]finding, error) {
	keyIDs, err := o.keyIDs()
	if err != nil {
		return nil, err
	}
	newest, before, err := genuine(ctx, o, keyIDs)
	if err != nil {
		return nil, err
	}
	written, err := a.do(ctx, o, newest)
	if err != nil {
		return nil, err
	}
	records, err := o.page.wait(ctx, written...)
	if err != nil {
		return nil, err
	}
	if now, err := o.keyIDs(); err != nil || !slices.Equal(now, keyIDs) {
		return nil, errors.Join(err, errKeyReplaced)
	}
	return compare(records, before), nil
}

// errKeyReplaced means that a record may be unreadable because its key is new, and not because of the attack. The format
// rsa cannot tell.
var errKeyReplaced = errors.New("the producer's key is being replaced, so nothing can be said (hint: try again)")

// genuine returns the next record that the producer writes, and what the pod says of it: it has decrypted the record, with
// one of the producer's present keys.
func genuine(ctx context.Context, o *operator, keyIDs []string) (stored, podapi.Record, error) {
	newest, err := o.next(ctx)
	if err != nil {
		return stored{}, podapi.Record{}, err
	}
	said, err := o.page.waitUntil(ctx, func(r podapi.Record) bool { return r.State == stateDecrypted }, newest.Position)
	if err != nil {
		return stored{}, podapi.Record{}, err
	}
	if !slices.Contains(keyIDs, said[0].KeyID) {
		return stored{}, podapi.Record{}, errKeyReplaced
	}
	return newest, said[0], nil
}

// Ready waits until the pod has its key and shows a record of the producer in plaintext. Before that nothing can be said
// of an attack.
func Ready(ctx context.Context, t Target) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		o := &operator{target: t, page: newPage(t)}
		keyIDs, err := o.keyIDs()
		if err == nil {
			_, _, err = genuine(ctx, o, keyIDs)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("waiting until the pod shows records in plaintext: %w", err)
		}
		time.Sleep(pollEvery) // the pod starts
	}
}
