package terminal

import (
	"slices"
	"strings"

	"kafka-e2ee/lab/console"
)

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
