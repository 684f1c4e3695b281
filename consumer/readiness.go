package consumer

import (
	"fmt"

	"kafka-e2ee/consumer/pagetoken"
	"kafka-e2ee/health"
	"kafka-e2ee/skrclient"
	"kafka-e2ee/web/podstatus"
)

// missing lists what the consumer waits for, for /readyz.
func missing(key podstatus.Key, kafka podstatus.Kafka) (missing []health.Missing) {
	if key.State != podstatus.KeyReleased && key.State != podstatus.KeyFromFile {
		m := health.Missing{Part: "key", State: string(key.State), Since: key.Since}
		if key.Reason != "" {
			m.Detail = skrclient.Cause(key.Reason).Text()
		}
		missing = append(missing, m)
	}
	if kafka.State != podstatus.KafkaReading {
		missing = append(missing, health.Missing{Part: "kafka", State: string(kafka.State), Since: kafka.Since, Detail: kafka.Cause.What})
	}
	for _, u := range kafka.Assignment.Unreadable {
		missing = append(missing, health.Missing{Part: "partitions", State: "unreadable", Since: u.Since, Detail: u.Listed() + ": " + u.Cause.What})
	}
	if h := kafka.History; h.Loading() {
		missing = append(missing, health.Missing{Part: "history", State: "loading", Since: h.Since, Detail: fmt.Sprintf("%d of %d partitions are loaded", h.Loaded, h.All)})
	}
	return missing
}

// missingAttestation is the same for the attested address.
func missingAttestation(status pagetoken.Status) []health.Missing {
	if status.State == pagetoken.StateAttested {
		return nil
	}
	return []health.Missing{{Part: "attested_page", State: string(status.State), Since: status.Since, Detail: status.Cause}}
}
