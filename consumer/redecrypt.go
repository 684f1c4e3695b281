package consumer

import (
	"context"
	"slices"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// redecryptChunk is how many records are tried before the results are shown.
const redecryptChunk = 64

// useNewKeys uses the keys that the decryptor gets until ctx ends.
func (p *pipeline) useNewKeys(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case opener := <-p.decryptor.next:
			p.redecrypt(opener, func() bool { return ctx.Err() != nil || len(p.decryptor.next) > 0 })
		}
	}
}

// redecrypt decrypts the records of the feed with new keys, and uses these keys from now on.
//
// Flags about a record's counter are correct only if the earlier records were tracked first. So the new keys are tried
// on the records in the feed before they decrypt new ones: first while reading continues, and then, with reading
// paused, on the few records that arrived in between. Records without a counter (the format rsa and foreign JWEs) come
// last, because each costs a private-key operation. The next call continues with them once stop returns true.
func (p *pipeline) redecrypt(opener *envelope.Opener, stop func() bool) {
	run := &redecryption{pipeline: p, opener: opener, tried: make(map[*feed.Record]result)}
	const maxRounds = 5 // a writer could send slow records without end
	for round := 0; round < maxRounds && run.tryCounted() > redecryptChunk; round++ {
	}
	run.switchKeys()
	run.tryUncounted(stop)
}

// redecryption is one run of redecrypt.
type redecryption struct {
	pipeline *pipeline
	opener   *envelope.Opener
	tried    map[*feed.Record]result
}

// tryCounted decrypts the records with a counter that were not tried yet, and returns their number.
func (d *redecryption) tryCounted() int {
	var untried []*feed.Record
	for _, r := range d.pipeline.feed.Records() {
		if _, tried := d.tried[r]; !tried && mayDecrypt(r) && hasCounter(r) {
			untried = append(untried, r)
		}
	}
	for i, result := range d.pipeline.decryptor.decryptCopies(d.opener, untried) {
		d.tried[untried[i]] = result
	}
	return len(untried)
}

// switchKeys shows what was decrypted, and makes the new keys those in use.
func (d *redecryption) switchKeys() {
	p := d.pipeline
	p.keysMu.Lock()
	defer p.keysMu.Unlock()
	d.opener.CopyHeaders(p.decryptor.opener.Load()) // of the records that were read meanwhile
	d.tryCounted()
	var before []*feed.Record
	for _, record := range p.feed.Records() {
		if _, tried := d.tried[record]; tried {
			before = append(before, record)
		}
	}
	slices.SortFunc(before, compareOffsets)
	after := make([]result, len(before))
	for i, record := range before {
		after[i] = d.tried[record]
	}
	p.sequences.follow(after)
	separate(after, p.feed.IsJunk)
	p.showAgain(before, after)
	d.showReaders()
	p.decryptor.opener.Store(d.opener)
	d.tried = nil // records that leave the feed from now on must leave the memory, too
}

// tryUncounted decrypts the records without a counter, the newest first: viewers look at them.
func (d *redecryption) tryUncounted(stop func() bool) {
	var uncounted []*feed.Record
	for _, r := range slices.Backward(d.pipeline.feed.Records()) {
		if mayDecrypt(r) && !hasCounter(r) {
			uncounted = append(uncounted, r)
		}
	}
	for chunk := range slices.Chunk(uncounted, redecryptChunk) {
		if stop() {
			return
		}
		after := d.pipeline.decryptor.decryptCopies(d.opener, chunk)
		for i := range after {
			after[i].check(d.pipeline.sequences.tracker())
		}
		separate(after, d.pipeline.feed.IsJunk)
		d.pipeline.showAgain(chunk, after)
	}
}

// showReaders removes the keys that are held now from the other readers of decrypted records.
func (d *redecryption) showReaders() {
	var before, after []*feed.Record
	held := d.opener.KeyIDs()
	for _, r := range d.pipeline.feed.Records() {
		next := *r
		next.OtherReaders = slices.DeleteFunc(slices.Clone(r.OtherReaders), func(id string) bool { return slices.Contains(held, id) })
		if len(next.OtherReaders) < len(r.OtherReaders) {
			before, after = append(before, r), append(after, &next)
		}
	}
	d.pipeline.feed.Replace(before, after)
}

// showAgain replaces the records in the feed that changed when they were decrypted again.
func (p *pipeline) showAgain(before []*feed.Record, after []result) {
	records := make([]*feed.Record, len(after))
	var decided []result
	for i, result := range after {
		now, was := result.record, before[i]
		if now.State != was.State || !slices.Equal(now.HeldKeys, was.HeldKeys) || !slices.Equal(now.Rejection.KeyIDs, was.Rejection.KeyIDs) {
			records[i] = now
		}
		if now.State != was.State {
			decided = append(decided, result)
		}
	}
	p.feed.Replace(before, records)
	p.metrics.countDecided(decided)
}

// mayDecrypt reports whether another key or header could decrypt the record.
func mayDecrypt(r *feed.Record) bool {
	return r.Withheld != nil || r.State == feed.StateNoKey || r.State == feed.StateUnknownKey || r.State == feed.StateNeedsHeader || r.State == feed.StateUndecryptable
}

// hasCounter reports whether the record claims to have a counter.
func hasCounter(r *feed.Record) bool {
	if r.Format == string(envelope.FormatRSA) {
		return false
	}
	wire := r.Stored
	if r.Withheld != nil {
		wire = r.Withheld.Stored
	}
	_, err := envelope.Describe(wire)
	return err == nil
}
