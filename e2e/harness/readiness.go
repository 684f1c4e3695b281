package harness

import (
	"encoding/json"
	"slices"
	"testing"

	"kafka-e2ee/health"
)

// ParseMissing returns what the body of /readyz lists. It fails the test unless the program is ready, as both always are.
func ParseMissing(t testing.TB, body []byte) []health.Missing {
	t.Helper()
	var answer struct {
		Ready   bool
		Missing []health.Missing
	}
	if err := json.Unmarshal(body, &answer); err != nil || !answer.Ready || answer.Missing == nil {
		t.Errorf("/readyz: %v in %s", err, body)
	}
	return answer.Missing
}

// Missing returns what /readyz lists; nothing if nothing answers.
func (p *Pod) Missing() []health.Missing {
	p.T.Helper()
	body := p.Get(p.Metrics + "/readyz")
	if body == nil {
		return nil
	}
	return ParseMissing(p.T, body)
}

// Misses reports whether /readyz lists the part, in the given state unless that is empty.
func (p *Pod) Misses(part, state string) bool {
	p.T.Helper()
	return slices.ContainsFunc(p.Missing(), func(m health.Missing) bool { return m.Part == part && (state == "" || m.State == state) })
}

// KafkaProblem returns what /readyz says of Kafka and its partitions, such as "unreachable: no broker answers": nothing if
// all is well.
func (p *Pod) KafkaProblem() string {
	p.T.Helper()
	for _, m := range p.Missing() {
		if m.Part == "kafka" || m.Part == "partitions" {
			return m.State + ": " + m.Detail
		}
	}
	return ""
}
