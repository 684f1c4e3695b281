package health

import "time"

// Missing is a part that a program waits for, in /readyz. docs/operations.md lists the parts and their states.
type Missing struct {
	Part   string    `json:"part"`
	State  string    `json:"state"`
	Since  time.Time `json:"since"`            // when the state began
	Detail string    `json:"detail,omitempty"` // the cause in English, for a person
}

// readiness is the body of /readyz. Ready says what the status 200 says: Kubernetes may send viewers. It is true whatever
// is missing: a consumer without a key must stay behind the load balancer, since showing ciphertext is its purpose, and a
// producer that waits for Kafka works.
type readiness struct {
	Ready   bool      `json:"ready"`
	Missing []Missing `json:"missing"`
}

func newReadiness(missing []Missing) readiness {
	listed := make([]Missing, len(missing)) // [] in JSON, never null
	for i, m := range missing {
		m.Since = m.Since.UTC().Truncate(time.Second)
		listed[i] = m
	}
	return readiness{Ready: true, Missing: listed}
}
