package lab

import (
	"strings"

	"kafka-e2ee/consumer"
	"kafka-e2ee/envelope"
	"kafka-e2ee/lab/console"
)

// requireProof makes the pods reject what proves too little: anything but records of
// the one format that names its readers, for no reader but the pod, by a trusted
// sender. No key is used but those that were made for the pod.
func requireProof(pods *consumer.Config, keyIDs []string) {
	pods.RequireFormat, pods.RequireSender, pods.AllowedReaders, pods.RequireFresh = string(envelope.FormatEnvelope), "verified", "held", true
	pods.Keys.ExpectedIDs = strings.Join(keyIDs, ",")
}

// Requires returns what the pods require of a record while a format is chosen.
func (d *demo) Requires(name string) (codes []string) {
	var pod consumer.Config
	if format(name).strict() {
		requireProof(&pod, nil)
	}
	for _, r := range []struct {
		code     string
		required bool
	}{
		{console.RequireFormat, pod.RequireFormat != ""},
		{console.RequireSender, pod.RequireSender != ""},
		{console.RequireReader, pod.AllowedReaders != ""},
		{console.RequireFresh, pod.RequireFresh},
	} {
		if r.required {
			codes = append(codes, r.code)
		}
	}
	return codes
}

// requireText says in one clause what pods require of a record.
func requireText(codes []string) string {
	if len(codes) == 0 {
		return "require nothing of a record: what they refused before may open"
	}
	words := map[string]string{
		console.RequireFormat: "the format envelope", console.RequireSender: "a trusted signature",
		console.RequireReader: "no other reader", console.RequireFresh: "a fresh data key",
	}
	var list []string
	for _, code := range codes {
		list = append(list, words[code])
	}
	return "require " + strings.Join(list, ", ") + ": what they showed before may be refused"
}
