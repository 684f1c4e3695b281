// Package messages has what the demo's producers send: the data that they make by themselves, how long a message may be,
// and what they stored, which the console shows beside the records.
package messages

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"kafka-e2ee/lab/console"
)

// CheckData returns which data a name chooses: [console.DataMsg] also if it is empty.
func CheckData(name string) (string, error) {
	name = cmp.Or(name, console.DataMsg)
	if name != console.DataMsg && name != console.DataPayments {
		return "", fmt.Errorf("the data %q are not known (hint: %s, %s)", name, console.DataMsg, console.DataPayments)
	}
	return name, nil
}

// KeySeparator ends the record's key in a line of payments.
const KeySeparator = "\t"

// payment is what the producer sends by itself as payments. All of them are made up.
type payment struct {
	Key     string `json:"key"` // also the record's: the payments of a customer stay in order
	Amount  string `json:"amount"`
	Account string `json:"account"`
}

// Pay writes a payment a second, each as a line that begins with its key, until ctx ends or nobody reads any more.
func Pay(ctx context.Context, to *io.PipeWriter) error {
	defer to.Close() //nolint:errcheck // never fails
	go func() {
		<-ctx.Done()
		_ = to.Close() //nolint:errcheck // never fails
	}()
	for {
		line, err := paymentLine()
		if err != nil {
			return err
		}
		if _, err := io.WriteString(to, line); err != nil {
			return nil // the producer has ended, and tells why
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func paymentLine() (string, error) {
	customer := rand.IntN(9) + 1 //nolint:gosec // nothing here is secret
	p := payment{
		Key: fmt.Sprintf("customer-%d", customer), Account: fmt.Sprintf("LAB-%04d-%04d", 1000+37*customer, 7000+11*customer),
		Amount: fmt.Sprintf("%d.%02d EUR", rand.IntN(900)+1, rand.IntN(100)), //nolint:gosec // as above
	}
	text, err := json.Marshal(p)
	return p.Key + KeySeparator + string(text) + "\n", err
}
