package skrclient_test

import (
	"testing"

	"kafka-e2ee/skrclient"
)

func parsePolicy(t testing.TB, text string) *skrclient.Policy {
	t.Helper()
	policy, err := skrclient.ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}
