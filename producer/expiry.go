package producer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"
)

// A record that Kafka has not acknowledged when its data key expires must not be sent any more: readers take it for one
// that was held back. So its connection is ended, and with it all that sarama holds. What Kafka has not acknowledged is
// sealed again, in order, under a new data key, and sent over a new connection. If only Kafka's answer was lost, such a
// message is there twice.

// expiryInterval is how often the records in flight are checked.
const expiryInterval = time.Second

var errExpired = errors.New("a record's data key has expired")

// expired reports whether the connection was ended because a record expired.
func (c *connection) expired() bool { return errors.Is(context.Cause(c.ctx), errExpired) }

// guard closes a connection with c, and lets nothing be written as soon as a record in flight has expired. sarama could
// otherwise send one before watchExpiry notices, for example when the machine wakes up.
func (c *connection) guard(conn net.Conn, inFlight *inFlightList) net.Conn {
	return &guardedConn{Conn: conn, inFlight: inFlight, stop: context.AfterFunc(c.ctx, func() {
		_ = conn.Close() //nolint:errcheck // nobody needs it any more
	})}
}

type guardedConn struct {
	net.Conn
	inFlight *inFlightList
	stop     func() bool
}

// Write sends a request, or fails because a record in flight has expired.
func (c *guardedConn) Write(request []byte) (int, error) {
	if c.inFlight.expired(time.Now()) {
		return 0, errExpired
	}
	return c.Conn.Write(request)
}

// Close closes the connection.
func (c *guardedConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// watchExpiry ends the connection when a record has expired, until ctx ends.
func (d *delivery) watchExpiry(ctx context.Context) {
	for sleep(ctx, expiryInterval) {
		if d.status.inFlight.expired(time.Now()) {
			d.conn().end(errExpired)
		}
	}
}

// renewConnections replaces each connection that was ended because a record expired, until ctx ends.
func (d *delivery) renewConnections(ctx, drainCtx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-d.conn().ctx.Done():
			if !d.conn().expired() {
				return
			}
			d.renew(ctx, drainCtx)
		case <-ctx.Done():
		}
	}
}

// renew replaces an ended connection and its producer, and sends again what Kafka has not acknowledged. It gives up when
// ctx ends.
func (d *delivery) renew(ctx, drainCtx context.Context) {
	if d.turn.Acquire(ctx, 1) != nil {
		return
	}
	defer d.turn.Release(1)
	d.closeProducer()
	d.closeClient(ctx)
	select {
	case <-d.counted:
	case <-ctx.Done():
		return
	}
	records := d.status.inFlight.takeBack()
	d.log.WarnContext(ctx, "records expired before Kafka took them, sealing them again under a new data key", slog.Int("records", len(records)))
	next, err := d.connect(ctx)
	if err != nil {
		return
	}
	d.sealer.setLimit(next.maxValue)
	d.use(next)
	if err := d.sealer.newDataKey(); err != nil {
		d.sealer.repeatHeader()
		d.log.ErrorContext(ctx, "no new data key, sealing under the one before", slog.Any("error", err))
	}
	var text []byte
	for _, m := range records {
		if next.expired() {
			return
		}
		text, err = m.sealed.Open(text[:0], m.value)
		again := []record{{text: text, key: m.key, partition: m.partition, sent: m, err: err}}
		d.seal(drainCtx, again)
		clear(text)
		if err := again[0].err; err != nil {
			d.log.ErrorContext(ctx, "message not sent", slog.Any("error", err))
			d.refused.Add(1)
			d.metrics.failed.Inc()
			d.remove(m)
			continue
		}
		d.hand(m)
	}
}
