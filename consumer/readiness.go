package consumer

import (
	"fmt"

	"kafka-e2ee/web"
)

// missing lists what the consumer waits for, for /readyz.
func missing(key web.KeyStatus, kafka web.KafkaStatus) []string {
	var missing []string
	if key.State != web.KeyReleased && key.State != web.KeyFromFile {
		missing = append(missing, "key: "+string(key.State))
	}
	if kafka.State != web.KafkaReading {
		missing = append(missing, "kafka: "+string(kafka.State))
	}
	for _, u := range kafka.Assignment.Unreadable {
		missing = append(missing, fmt.Sprintf("kafka: %s cannot be read: %s", u.Listed(), u.Cause.What))
	}
	if h := kafka.History; h.Loading() {
		missing = append(missing, fmt.Sprintf("history: loading, %d of %d", h.Loaded, h.All))
	}
	return missing
}
