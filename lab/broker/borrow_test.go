package broker

import "testing"

// Without this a mistyped address would let the demo attack a Kafka that matters.
func TestOnlyThisComputersKafkaIsBorrowed(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"localhost:9094": true, "127.0.0.1:9094": true, "[::1]:9094": true,
		"localhost": false, "kafka.example:9094": false, "10.0.0.1:9094": false, ":9094": false, "localhost.example:9094": false, "localhost:9094,kafka.example:9094": false,
	} {
		if err := CheckAddress(addr); (err == nil) != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
