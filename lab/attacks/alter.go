package attacks

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// The attacks of this file write a changed copy behind the record, instead of changing the record where it is stored.
// That is the same for the reader: it decides about each record by its bytes.

// tamper writes a record with one character of its ciphertext changed.
func tamper(ctx context.Context, o *operator, r stored) ([]Position, error) {
	r.value = bytes.Clone(r.value)
	at := len(r.value) - tailBytes
	if old := r.value[at]; old == 'A' { // another one that base64 has, so that the text formats stay text
		r.value[at] = 'B'
	} else {
		r.value[at] = 'A'
	}
	return o.write(ctx, r)
}

// tailBytes is how far from the end of a record its ciphertext certainly ends: behind it are at most a tag and a dot.
const tailBytes = 30

// replay writes a record once more.
func replay(ctx context.Context, o *operator, r stored) ([]Position, error) {
	return o.write(ctx, r)
}

// truncate writes a record without its last bytes.
func truncate(ctx context.Context, o *operator, r stored) ([]Position, error) {
	r.value = r.value[:len(r.value)-cutBytes]
	return o.write(ctx, r)
}

// cutBytes is less than any format's tag, so that something of it is left.
const cutBytes = 8

// move writes a record into the next partition. If there is none, it adds one, which nobody can take away again.
func move(ctx context.Context, o *operator, r stored) ([]Position, error) {
	topic, err := o.describeTopic(ctx)
	if err != nil {
		return nil, err
	}
	partitions := len(topic.Partitions)
	if partitions == 1 {
		partitions = 2
		if err := o.addPartitions(ctx, partitions); err != nil {
			return nil, err
		}
	}
	r.Partition = (r.Partition + 1) % int32(partitions)
	return o.write(ctx, r)
}

// copyBack writes a record into another topic, and what is there back into this one.
func copyBack(ctx context.Context, o *operator, r stored) (written []Position, err error) {
	other := &operator{target: o.target, page: o.page}
	other.target.Topic = "copy-" + rand.Text()
	defer func() { // also if ctx has ended, and if only the answer to the creation is missing
		ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if deleteErr := o.deleteTopic(ended, other.target.Topic); !errors.Is(deleteErr, kerr.UnknownTopicOrPartition) {
			err = errors.Join(err, deleteErr)
		}
	}()
	if err := o.createTopic(ctx, other.target.Topic, int(r.Partition)+1, -1, nil); err != nil {
		return nil, err
	}
	there, err := other.write(ctx, r)
	if err != nil {
		return nil, err
	}
	back, err := other.read(ctx, there[0])
	if err != nil {
		return nil, err
	}
	return o.write(ctx, back)
}
