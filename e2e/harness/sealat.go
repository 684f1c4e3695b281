package harness

import (
	"testing"
	"time"

	"kafka-e2ee/envelope"
)

// SealedAt seals the text at each of the times, in order, with one sealer. So the records are those that a genuine producer
// would have written then: an attacker could have kept them.
func SealedAt(t testing.TB, k Keys, partition int32, text string, times ...time.Time) [][]byte {
	t.Helper()
	now := times[0]
	seal := NewSealerAt(t, k.Private, k.Signing, envelope.FormatEnvelope, Topic, func() time.Time { return now })
	values := make([][]byte, len(times))
	for i := range values {
		now = times[i]
		values[i] = seal(text, partition)
	}
	return values
}

// Every returns so many times, the first of them ago, and then one after each interval.
func Every(interval time.Duration, count int, ago time.Duration) []time.Time {
	times := make([]time.Time, count)
	for i := range times {
		times[i] = time.Now().Add(time.Duration(i)*interval - ago)
	}
	return times
}
