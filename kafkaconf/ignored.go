package kafkaconf

import "strings"

// IgnoredVariables returns a line with the replacements of the original programs' variables that these programs ignore, as far
// as they are set; empty if none is.
func IgnoredVariables(lookup func(string) (string, bool)) string {
	var hints []string
	for _, old := range []struct{ variable, instead string }{
		{"EVENTHUB_NAMESPACE", "BROKERS=NAMESPACE.servicebus.windows.net:9093 with KAFKA_PRESET=event-hubs"},
		{"EVENTHUB", "TOPIC"},
		{"LOG_FILE", "the container's log, which is on standard error"},
	} {
		if value, set := lookup(old.variable); set && value != "" {
			hints = append(hints, "instead of "+old.variable+" use "+old.instead)
		}
	}
	return strings.Join(hints, "; ")
}
