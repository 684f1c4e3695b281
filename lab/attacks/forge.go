package attacks

import "context"

// forgery is what the operator writes as if it were the producer's.
const forgery = "Forged by Kafka's operator"

// forge encrypts a message of the operator's own with the public key, in the format of the producer's records.
func forge(ctx context.Context, o *operator, r stored) ([]Position, error) {
	sealer, err := o.sealer(r.format())
	if err != nil {
		return nil, err
	}
	if r.value, err = sealer.Seal(nil, []byte(forgery), r.Partition); err != nil {
		return nil, err
	}
	return o.write(ctx, r)
}

// plain writes a message that is not encrypted.
func plain(ctx context.Context, o *operator, r stored) ([]Position, error) {
	r.value = []byte(forgery)
	return o.write(ctx, r)
}
