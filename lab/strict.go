package lab

import (
	"slices"
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

// policyText says in one clause what pods require of a record after a change of the format, and what not any more.
func policyText(before, after []string) string {
	text := "require nothing of a record"
	if len(after) > 0 {
		text = "require " + requireWords(after)
	}
	if lifted := without(before, after); len(lifted) > 0 {
		text += ", and no longer " + requireWords(lifted) + ": what they refused before may open"
	}
	if len(without(after, before)) > 0 {
		text += ": what they showed before may be refused"
	}
	return text
}

// without returns the codes that are not among others.
func without(codes, others []string) []string {
	return slices.DeleteFunc(slices.Clone(codes), func(code string) bool { return slices.Contains(others, code) })
}

func requireWords(codes []string) string {
	words := map[string]string{
		console.RequireFormat: "the format envelope", console.RequireSender: "a trusted signature",
		console.RequireReader: "no other reader", console.RequireFresh: "a fresh data key",
	}
	var list []string
	for _, code := range codes {
		list = append(list, words[code])
	}
	return strings.Join(list, ", ")
}
