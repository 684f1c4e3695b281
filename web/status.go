package web

import "time"

// KeyState says how far the release of the private keys has come.
type KeyState string

// The states of key release.
const (
	KeyNotConfigured KeyState = "not_configured" // no key is asked for
	KeyWaiting       KeyState = "waiting"        // asked for; no usable answer yet
	KeyUnreachable   KeyState = "unreachable"    // nothing answers at the sidecar's address
	KeyRefused       KeyState = "refused"        // the answer was no
	KeyReleased      KeyState = "released"       // every key asked for is here
	KeyFromFile      KeyState = "from_file"      // read from a file; nothing was attested
)

// KeyStatus is what is known of key release at one moment. Its texts come from
// fixed phrases of the program, never from a service's answer.
type KeyStatus struct {
	State       KeyState
	Keys        []KeyInfo
	Since       time.Time // when State became what it is
	Attempts    int
	NextAttempt time.Time // zero where none is planned
	Provider    string    // what is asked: skr (also if empty), cdh or file
	URL         string    // its address
	Step        string    // where the last attempt failed; empty where it did not
	Reason      string    // why
	Hint        string    // what a person can do
	ByPolicy    bool      // whether a claim that differs can be why
	Passing     Passing   // why a refusal is none for good
	Verify      string    // the command that shows from outside what the key is released for; empty where there is none
	Attestation Attestation
}

// Passing says that a service did not judge the request: it may well give the key later.
type Passing string

// The reasons of a refusal that passes by itself.
const (
	PassingBusy Passing = "busy" // asked too often
	PassingAway Passing = "away" // the service behind the sidecar cannot be reached, or failed
)

// AttestationState says what is known of a token about this pod.
type AttestationState string

// The states of the token. The zero value is that there was none yet.
const (
	AttestationChecked   AttestationState = "checked"   // its signature is good
	AttestationUnchecked AttestationState = "unchecked" // the keys to check it with are out of reach
	AttestationFailed    AttestationState = "failed"    // there is none
)

// Attestation is what a token of this pod's own says. It was obtained after,
// not for, the release of a key.
type Attestation struct {
	State           AttestationState
	Reason, Hint    string // where it is not checked
	Compared        bool   // with this pod's copy of the release policy
	Checks          []Check
	Issued, Expires time.Time
}

// CheckResult says how a claim stands to what is expected of it.
type CheckResult string

// The results.
const (
	CheckEqual      CheckResult = "equal"
	CheckDifferent  CheckResult = "different"
	CheckNotChecked CheckResult = "not_checked"
)

// Check is one claim of the token beside what is expected of it.
type Check struct {
	Claim            string // as in the token
	Expected, Actual string // empty where nothing is expected or stated
	Result           CheckResult
}

// differs is the first check that explains a refusal, nil if there is none.
func (k KeyStatus) differs() *Check {
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

// KeyInfo is one of the keys asked for.
type KeyInfo struct {
	Name  string // in the vault
	ID    string // RFC 7638 thumbprint, once it is here
	State KeyState
}

// KafkaState says whether records can be read.
type KafkaState string

// The states of the connection to Kafka.
const (
	KafkaConnecting  KafkaState = "connecting"
	KafkaReading     KafkaState = "reading"
	KafkaUnreachable KafkaState = "unreachable"
	KafkaRefused     KafkaState = "refused" // it answers, and says no
	KafkaNoTopic     KafkaState = "no_topic"
)

// KafkaStatus is what is known of Kafka at one moment.
type KafkaStatus struct {
	State KafkaState
	Topic string
	Cause string    // in fixed words, where State is KafkaUnreachable or KafkaRefused
	Check string    // what to look at then, such as the name of a variable
	Since time.Time // when State became what it is
	Share Share
}

// Share is what this member of the consumer group reads of the topic. The zero value is that nothing is read.
type Share struct {
	Held, All  int   // partitions
	Leaderless int   // of all of them, those that nobody can read now
	Lag        int64 // records of the partitions held that were not read yet
}
