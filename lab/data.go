package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/IBM/sarama"

	"kafka-e2ee/lab/console"
)

// paymentPartitions is the number of partitions of the topic while it holds payments: one would hide that Kafka orders
// the records of a key only.
const paymentPartitions = 3

func checkData(name string) (string, error) {
	name = cmp.Or(name, console.DataMsg)
	if name != console.DataMsg && name != console.DataPayments {
		return "", fmt.Errorf("the data %q are not known (hint: %s, %s)", name, console.DataMsg, console.DataPayments)
	}
	return name, nil
}

// setPartitions gives the topic the partitions that the data need. Partitions cannot be taken away.
func (d *demo) setPartitions(data string) (grown bool, err error) {
	if data != console.DataPayments {
		return false, nil
	}
	conf, err := d.kafka.Sarama("lab")
	if err != nil {
		return false, fmt.Errorf("adding partitions: %w", err)
	}
	conf.Metadata.Full = true // the admin client knows no topic
	admin, err := sarama.NewClusterAdmin(d.kafka.Brokers, conf)
	if err != nil {
		return false, fmt.Errorf("adding partitions: %w", err)
	}
	defer admin.Close() //nolint:errcheck // the partitions are there by then
	described, err := admin.DescribeTopics([]string{topic})
	if err != nil {
		return false, fmt.Errorf("adding partitions: %w", err)
	}
	if len(described) == 1 && len(described[0].Partitions) >= paymentPartitions {
		return false, nil
	}
	if err := admin.CreatePartitions(topic, paymentPartitions, nil, false); err != nil {
		return false, fmt.Errorf("adding partitions: %w", err)
	}
	return true, nil
}

// keySeparator ends the record's key in a line of payments.
const keySeparator = "\t"

// payment is what the producer sends by itself as payments. All of them are made up.
type payment struct {
	Key     string `json:"key"` // also the record's: the payments of a customer stay in order
	Amount  string `json:"amount"`
	Account string `json:"account"`
}

// pay writes a payment a second, each as a line that begins with its key, until ctx ends or nobody reads any more.
func pay(ctx context.Context, to *io.PipeWriter) error {
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
	return p.Key + keySeparator + string(text) + "\n", err
}
