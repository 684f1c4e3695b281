// Package podstatus describes what a pod waits for and holds: its keys, and its part of the topic.
//
//	key := podstatus.Key{State: podstatus.KeyReleased, Since: time.Now()}
//
// Whoever asks for keys and reads from Kafka fills it in, and the pages say it in words. Causes are codes, and nothing in it
// is secret.
package podstatus

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// NoticeCredentialsInClear is the code of the notice that the network can read the credentials for Kafka.
const NoticeCredentialsInClear = "credentials_in_clear"

// KeyState is the state of the release of the private keys.
type KeyState string

// The states of key release.
const (
	KeyNotConfigured KeyState = "not_configured" // no key is requested
	KeyWaiting       KeyState = "waiting"        // requested, without a usable answer yet
	KeyUnreachable   KeyState = "unreachable"    // nothing answers at the sidecar's address
	KeyRefused       KeyState = "refused"        // the request was refused
	KeyReleased      KeyState = "released"       // every requested key is here
	KeyFromFile      KeyState = "from_file"      // read from a file; nothing was attested
	KeyUnexpected    KeyState = "unexpected"     // a key was released that is not expected, and is not used
)

// KeyStates returns all states.
func KeyStates() []KeyState {
	return []KeyState{KeyNotConfigured, KeyWaiting, KeyUnreachable, KeyRefused, KeyReleased, KeyFromFile, KeyUnexpected}
}

// Key is the status of key release at one moment.
type Key struct {
	State       KeyState
	Keys        []KeyInfo
	Held        []HeldKey // the keys that records are decrypted with, the newest first
	Since       time.Time // when State began
	Confirmed   time.Time // when the keys were last asked for again and released again; zero: not since State began
	Attempts    int
	NextAttempt time.Time // zero if none is planned
	Provider    string    // source of the keys: skr (also if empty), cdh or file
	URL         string    // address of the source
	Step        string    // where the last attempt failed; empty if it did not fail
	Reason      string    // code of the cause
	Missing     []string  // variables to set before a key can be requested, if State is KeyNotConfigured and some are set
	ByPolicy    bool      // whether a differing claim can be the cause
	Pending     Pending   // why no decision was made
	ExpectedIDs []string  // ids of the keys that may be used; empty: every key
	Verify      string    // command that verifies the release policy from outside; empty if there is none
	Attestation Attestation
}

// Pending says why no decision about the request was made, so that the key may still come.
type Pending string

// The reasons.
const (
	PendingBusy        Pending = "busy"        // too many requests
	PendingUnavailable Pending = "unavailable" // the service behind the sidecar failed or cannot be reached
	PendingNoProof     Pending = "no_proof"    // there is no hardware report, or no certificate for it
	PendingStarting    Pending = "starting"    // the service behind the sidecar is not up yet
	PendingElsewhere   Pending = "elsewhere"   // the address is outside this pod, so no request was sent
)

// AttestationState is the state of this pod's own attestation token.
type AttestationState string

// The states of the token. The zero value means none yet.
const (
	AttestationChecked   AttestationState = "checked"   // its signature is valid
	AttestationUnchecked AttestationState = "unchecked" // the keys to check it cannot be fetched
	AttestationFailed    AttestationState = "failed"    // there is none
)

// Attestation is what this pod's own token says. It was obtained after the release of the key, not for it.
type Attestation struct {
	State           AttestationState
	Reason          string // code of the cause, unless it is checked
	Compared        bool   // with this pod's copy of the release policy
	Checks          []Check
	Issued, Expires time.Time
}

// CheckResult is the result of comparing a claim.
type CheckResult string

// The results.
const (
	CheckEqual      CheckResult = "equal"
	CheckDifferent  CheckResult = "different"
	CheckNotChecked CheckResult = "not_checked"
)

// Check is one claim of the token and what is expected of it.
type Check struct {
	Claim            string // as in the token
	Expected, Actual string // empty if nothing is expected or stated
	Result           CheckResult
}

// Differs returns the first check that explains a refusal, nil if there is none.
func (k Key) Differs() *Check {
	if k.State != KeyRefused || !k.ByPolicy {
		return nil
	}
	for _, check := range k.Attestation.Checks {
		if check.Result == CheckDifferent {
			return &check
		}
	}
	return nil
}

// KeyInfo is one of the requested keys.
type KeyInfo struct {
	Name  string // in the vault
	ID    string // RFC 7638 thumbprint, once the key is here
	State KeyState
	// UnexpectedID is the id of the key that was released under this name last, if it is not used because it is not
	// expected. ID is then the id of the key that is held from before, if any.
	UnexpectedID string
}

// HeldKey is a private key that this process holds. After a rotation there are several.
type HeldKey struct {
	ID    string // RFC 7638 thumbprint
	Since time.Time
}

// KafkaState is the state of reading from Kafka.
type KafkaState string

// The states of reading from Kafka.
const (
	KafkaConnecting  KafkaState = "connecting"
	KafkaReading     KafkaState = "reading"
	KafkaUnreachable KafkaState = "unreachable"
	KafkaRefused     KafkaState = "refused" // it denies access
	KafkaNoTopic     KafkaState = "no_topic"
)

// KafkaStates returns all states.
func KafkaStates() []KafkaState {
	return []KafkaState{KafkaConnecting, KafkaReading, KafkaUnreachable, KafkaRefused, KafkaNoTopic}
}

// Kafka is the status of Kafka at one moment.
type Kafka struct {
	State    KafkaState
	Topic    string
	MirrorOf string     // the topic that Topic is a copy of, if it is one
	Cause    KafkaCause // if State is KafkaUnreachable or KafkaRefused
	Since    time.Time  // when State began
	// NotReadingSince is when State was KafkaReading last, or the start of the program; zero while it is.
	NotReadingSince time.Time
	Assignment      Assignment
	History         History
	Unseen          []Unseen // what other members have read of the assigned partitions, and this page does not hold
}

// KafkaCause is why partitions or all of Kafka cannot be read. The page has a text for each code.
type KafkaCause struct {
	Code         string
	Peer, Detail string // names in the text, if any
	What, Check  string // the same in English, for logs and /readyz
}

// History counts the partitions whose earlier records, from before this process, are loaded.
type History struct {
	Loaded, All int
	Failing     int       // not loaded, and the latest attempt failed
	Since       time.Time // when loading began
}

// Loading reports whether more is to be loaded.
func (h History) Loading() bool { return h.Loaded < h.All }

// Assignment is the part of the topic that this member of the consumer group reads. The zero value is nothing.
type Assignment struct {
	Assigned, Total int          // partitions
	Unreadable      []Unreadable // assigned partitions that cannot be read now
	Others          []Others     // partitions that other members read
	Lag             int64        // records of the assigned partitions that are not read yet
}

// CountUnreadable returns the number of partitions that cannot be read now.
func (a Assignment) CountUnreadable() int {
	n := 0
	for _, u := range a.Unreadable {
		n += len(u.Partitions)
	}
	return n
}

// Unreadable are partitions that cannot be read now, for the same cause.
type Unreadable struct {
	Partitions []int32
	Cause      KafkaCause
	Since      time.Time // when the first one failed
}

// Others are partitions that other members of the group read, since the same time.
type Others struct {
	Partitions []int32
	Since      time.Time
}

// Unseen are offsets of a partition, From and To included.
type Unseen struct {
	Partition int32
	From, To  int64
}

// MaxListed is the number of partitions that are named individually.
const MaxListed = 10

// Listed names the partitions in English, at most MaxListed.
func (u Unreadable) Listed() string {
	if len(u.Partitions) == 1 {
		return "partition " + Numbers(u.Partitions)
	}
	return "partitions " + Numbers(u.Partitions)
}

// Numbers returns the partitions' numbers, at most MaxListed.
func Numbers(partitions []int32) string {
	var list []string
	for _, id := range partitions[:min(len(partitions), MaxListed)] {
		list = append(list, strconv.Itoa(int(id)))
	}
	if more := len(partitions) - MaxListed; more > 0 {
		list = append(list, fmt.Sprintf("… (+%d)", more))
	}
	return strings.Join(list, ", ")
}
