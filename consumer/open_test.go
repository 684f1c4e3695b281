package consumer

import (
	"crypto/rsa"
	"fmt"
	"strings"
	"testing"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web"
)

// Without this the consumer would crash on "Msg 10" after "Msg 9": in rsa a
// record's length does not tell how long its text is, so the room for the texts
// of a batch can be too small, or one text could overwrite another.
func TestTextsOfABatchHaveRoom(t *testing.T) {
	key := newKey(t)
	for _, format := range []envelope.Format{envelope.FormatRSA, envelope.FormatEnvelope, envelope.FormatJWE} {
		for name, length := range map[string]func(int) int{
			"longer":  func(i int) int { return 5 * i },
			"shorter": func(i int) int { return 100 - 5*i },
			"mixed":   func(i int) int { return i * 37 % 101 },
		} {
			t.Run(fmt.Sprint(format, "/", name), func(t *testing.T) {
				r, s := newReader(t), newSealer(t, key, format)
				if err := r.useKeys([]*rsa.PrivateKey{key}); err != nil {
					t.Fatal(err)
				}
				batch, want := make([]opened, 20), make([]string, 20)
				for i := range batch {
					want[i] = strings.Repeat(string(rune('a'+i)), length(i))
					batch[i].record = &web.Record{Topic: "t", Offset: int64(i), Wire: seal(t, s, want[i], 0)}
				}
				r.opening.Load().judgeAll(batch)
				for i := range batch {
					if got := batch[i].record; got.State != web.StateDecrypted || string(got.Value) != want[i] {
						t.Errorf("record %d is %v: %q, want %q", i, got.State, got.Value, want[i])
					}
				}
			})
		}
	}
}
