package consumer

import (
	"bytes"
	"errors"
	"slices"

	"kafka-e2ee/envelope"
	"kafka-e2ee/web/feed"
)

// reject makes a record a rejected one. Its bytes leave the record, so that neither the page nor the API can show them.
// It keeps them apart only if other keys may change the decision, and if they fit into the feed.
func reject(r *feed.Record, err error) {
	withheld := &feed.Withheld{Key: r.Key, Stored: r.Stored, Headers: r.Headers}
	r.State, r.Rejection = feed.StateRejected, rejectionOf(err)
	if r.Rejection.Reason == feed.RejectFormat && r.Format == "" {
		r.Rejection.Reason = feed.RejectPlain
	}
	r.Key, r.Stored, r.Headers, r.Value = nil, nil, nil, nil
	if r.Rejection.Reason != feed.RejectReader {
		return
	}
	if r.Withheld = withheld; r.Size() > feed.MaxJunkBytes {
		r.Withheld = nil
	}
}

func rejectionOf(err error) feed.Rejection {
	rejected, ok := errors.AsType[*envelope.RejectedError](err)
	if !ok {
		return feed.Rejection{}
	}
	rejection := feed.Rejection{KeyIDs: rejected.KeyIDs}
	switch rejected.Reason {
	case envelope.RejectFormat:
		rejection.Reason = feed.RejectFormat
	case envelope.RejectSender:
		rejection.Reason, rejection.Sender = feed.RejectSender, senderReasonOf(rejected.Sender)
	case envelope.RejectReader:
		rejection.Reason = feed.RejectReader
	case envelope.RejectStale:
		rejection.Reason = feed.RejectStale
	}
	return rejection
}

// separate gives each record memory of its own if the feed drops some of them earlier than others, as it does with junk:
// a record that stays would keep all the memory that it shares with them, which the feed does not count.
func separate(results []result, dropsEarly func(*feed.Record) bool) {
	if !slices.ContainsFunc(results, func(r result) bool { return dropsEarly(r.record) }) {
		return
	}
	for i := range results {
		own := *results[i].record
		own.Key, own.Stored, own.Value, own.Headers = bytes.Clone(own.Key), bytes.Clone(own.Stored), bytes.Clone(own.Value), cloneHeaders(own.Headers)
		if w := own.Withheld; w != nil {
			own.Withheld = &feed.Withheld{Key: bytes.Clone(w.Key), Stored: bytes.Clone(w.Stored), Headers: cloneHeaders(w.Headers)}
		}
		results[i].record, results[i].msg.Plaintext = &own, own.Value
	}
}

func cloneHeaders(headers []feed.Header) []feed.Header {
	headers = slices.Clone(headers)
	for i := range headers {
		headers[i].Value = bytes.Clone(headers[i].Value)
	}
	return headers
}
