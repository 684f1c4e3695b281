// Package console is the presenter's page of the demo: one record as the producer, Kafka's operator and both pods see it,
// with the scenarios and the attacks beside it. It shows what the demo reports, and decides nothing.
package console

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"
)

// Demo is the running demo. All methods may be called at any time, by several goroutines.
type Demo interface {
	// Addresses returns where the parts of the demo are. They never change.
	Addresses() Addresses
	// Format returns how records are protected: rsa, envelope-unsigned, envelope (signed, in strict pods) or jwe.
	Format() string
	// SetFormat changes the format of the records, and restarts both pods: what they require depends on it.
	SetFormat(ctx context.Context, name string) error
	// Requires returns what the pods require of a record while a format is chosen: the codes Require…, in the order to
	// show them.
	Requires(format string) []string
	// Switched returns the last change of the format. It is false before the first.
	Switched() (Switch, bool)

	// Send sends a line as one message. It returns when the producer has taken the line, before Kafka has. A line that is
	// longer than Limit, empty, or not one line, is an error.
	Send(ctx context.Context, line string) error
	// Limit returns the length of the longest message that Send takes, in bytes.
	Limit() int
	// Typed returns the newest message that a person typed and Kafka stored. It is false before the first.
	Typed() (Typed, bool)
	// Sent returns what the producer encrypted for the record at a position. It is false if the producer did not write
	// that record, or wrote it too long ago: a bounded number of bytes is kept.
	Sent(partition int32, offset int64) (text string, ok bool)
	// Wrote returns the message that the producer stored as a value with that SHA-256. It is false if the producer wrote
	// no such value, or, if Forgot is set, wrote it too long ago.
	Wrote(value [sha256.Size]byte) (message Written, ok bool)

	// Data returns what the producer sends by itself: one of DataMsg and DataPayments.
	Data() string
	// SetData changes what the producer sends by itself.
	SetData(ctx context.Context, name string) error

	// Scenarios returns all scenarios in the order to show them.
	Scenarios() []ScenarioInfo
	// Scenario returns the scenario that is played.
	Scenario() Scenario
	// SetScenario restarts both pods in another scenario, or in the same one from its beginning. It returns when they
	// start.
	SetScenario(ctx context.Context, name string) error
	// NextAttempt returns when the confidential pod asks for its key again. It is false if no attempt is planned.
	NextAttempt() (time.Time, bool)
	// Keys returns the ids of the keys that the confidential pod holds, the newest first.
	Keys() []string
	// Released returns when the keys were released to the confidential pod, and when they were last released again, as the
	// pod's own page says; zero: they were not asked for again. It is false if the pod has no key.
	Released() (since, again time.Time, ok bool)
	// Timeline returns the steps of the first release of the newest key, in order, as they happened; if the newest attempt
	// has failed, those of that. Steps that were not reached have a zero time.
	Timeline() []Step

	// Attacks returns all attacks in the order to show them.
	Attacks() []AttackInfo
	// Attack does one, really, and returns what became of it. One attack runs at a time.
	Attack(ctx context.Context, name string) (Observation, error)
	// Attacked returns the attack that runs, or the last one, also of the terminal. It is false before the first.
	Attacked() (Attacked, bool)
	// AttackedAt returns what was observed of the last attack that wrote, changed or withheld the record at a position. It
	// stays what it was, whatever the pods require later. It is false if there was none, or too many since.
	AttackedAt(Position) (Observation, bool)
	// Scoreboard returns what was observed last of each attack in this run, by attack and format.
	Scoreboard() map[string]map[string]Observation
}

// What pods can require of a record.
const (
	RequireFormat = "format" // the format envelope
	RequireSender = "sender" // a trusted signature
	RequireReader = "reader" // that nobody but the pod can read it
	RequireFresh  = "fresh"  // that its data key has not expired
)

// Switch is a change of the format.
type Switch struct {
	From string
	At   time.Time // when the pods were restarted
}

// The data that the producer can send by itself.
const (
	DataMsg      = "msg"      // "Msg 1: Azure Confidential Computing"
	DataPayments = "payments" // JSON with key, amount and account; the record's key is the payment's
)

// Addresses are where the parts of the demo are.
type Addresses struct {
	Console      string // HOST:PORT of this page
	Confidential string // HOST:PORT of the confidential pod's page
	Ordinary     string // HOST:PORT of the ordinary pod's page
	Attested     string // HOST:PORT of the confidential pod's attested page, over HTTPS; empty: only Verify reaches it
	Broker       string // HOST:PORT
	Topic        string
	Folder       string // the public key, a signing key that the pods trust, the release policy and the authority's certificate; empty: other programs cannot join
	Verify       string // the command that verifies the attested page
	Sandbox      string // the command that gives a shell what other programs need to join
	Metrics      []Metrics
	Inside       Inside
}

// Inside is where the console reaches the same parts. In a container that is elsewhere than for its viewers.
type Inside struct {
	Console      string // HOST:PORT to listen at
	Confidential string // HOST:PORT
	Ordinary     string // HOST:PORT
	Broker       string // HOST:PORT
	// Gateway is from where viewers come, beside loopback: only if this computer publishes the console's port on its own
	// loopback alone. Invalid, as the zero value is: from loopback only.
	Gateway netip.Addr
}

// Metrics are where a program serves its metrics: the confidential pod, the ordinary pod or the producer.
type Metrics struct {
	Program string // confidential, ordinary or producer
	Address string // HOST:PORT
}

// Position is where a record is in the topic.
type Position struct {
	Partition int32
	Offset    int64
}

// Written is a message of the producer, with the position at which Kafka first stored it.
type Written struct {
	Position
	Text   string
	Forgot bool // the oldest messages are not known any more
}

// Typed is a message that a person typed, as Kafka stored it.
type Typed struct {
	Position
	Text string
	At   time.Time // when Kafka had stored it
}

// ScenarioInfo describes a scenario.
type ScenarioInfo struct{ Name, Summary string }

// Scenario is the scenario that is played.
type Scenario struct {
	ScenarioInfo
	Began  time.Time
	Events []Event // in order of time
}

// Event is a change that a scenario makes.
type Event struct {
	At   time.Time // when it happened, or is planned
	Done bool
	What string // for example "the identity gets the right role"
}

// The steps of a key release.
const (
	StepReport = "report" // the hardware's report about the pod
	StepToken  = "token"  // the attestation service's token
	StepVault  = "vault"  // the vault takes the request: it has time, and the pod's identity has the role
	StepPolicy = "policy" // the vault's release policy, compared with the token
	StepKey    = "key"    // the wrapped key, unwrapped in the pod
	StepOpen   = "open"   // the first record that opened after the release
)

// The failures that pass by themselves.
const (
	WaitSidecar = "sidecar" // there is none yet
	WaitVault   = "vault"   // is too busy
)

// Step is one step of a key release.
type Step struct {
	Name   string
	At     time.Time // zero: not reached
	Failed bool
	Reason string // of a failure, in English
	Wait   string // code of a failure that passes by itself; empty: it does not
	// Expected and Measured are the values that differ, if the step compares something.
	Claim, Expected, Measured string
	// Diff is the difference between the security policy that the key is for, and the pod's, in the lines of a diff.
	Diff string
}

// AttackInfo describes an attack.
type AttackInfo struct{ Name, Tries string }

// Attacked is an attack that runs, or has ended.
type Attacked struct {
	Attack  AttackInfo
	Running bool
	Ended   time.Time   // zero: it still runs
	Seen    Observation // if it has ended without an error
	Err     error       // why nothing can be said
}

// Observation is what became of an attack, as the confidential pod reported it while the format was chosen.
type Observation struct {
	Attack   string
	Format   string // one that Format returns
	Outcome  string // refused, flagged or not_noticed
	Detail   string
	Marks    []string   // what gave the attack away
	Noticed  []Position // the records that it was noticed by
	Records  []Position // that the attack wrote or changed
	Read     []Reading  // what Kafka's operator has read, whatever the pod made of it
	Withheld []Withheld
	Took     time.Duration
}

// Concerns reports whether the attack wrote, changed or withheld the record at a position.
func (o Observation) Concerns(at Position) bool {
	return slices.Contains(o.Records, at) || o.withheld(at)
}

func (o Observation) withheld(at Position) bool {
	return slices.ContainsFunc(o.Withheld, func(w Withheld) bool { return w.Position == at })
}

// Reading is a record that Kafka's operator has decrypted with a private key of their own.
type Reading struct {
	Position
	Text string // start of the message
	// Resealed is set if the producer had encrypted this message, for the operator's key, and the operator has encrypted it
	// again for the pod.
	Resealed bool
}

// Withheld is a record of the producer that Kafka's operator has deleted before anyone read it.
type Withheld struct {
	Position
	Text string   // what the producer encrypted; empty if it is not known any more
	Next Position // of the record that comes after it for those who read
}
