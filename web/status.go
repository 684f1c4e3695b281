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
)

// KeyStatus is what is known of key release at one moment. Its texts come from
// fixed phrases of the program, never from a service's answer.
type KeyStatus struct {
	State       KeyState
	Keys        []KeyInfo
	Since       time.Time // when State became what it is
	Attempts    int
	NextAttempt time.Time // zero where none is planned
	URL         string    // the sidecar's address
	Step        string    // where the last attempt failed; empty where it did not
	Reason      string    // why
	Hint        string    // what a person can do
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
	KafkaNoTopic     KafkaState = "no_topic"
)

// KafkaStatus is what is known of Kafka at one moment.
type KafkaStatus struct {
	State KafkaState
	Topic string
	Cause string    // in fixed words, where State is KafkaUnreachable
	Since time.Time // when State became what it is
}
