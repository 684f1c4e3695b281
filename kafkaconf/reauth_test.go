package kafkaconf

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"
)

func frame(body string) []byte { return framed([]byte(body)) }

// Without this the broker would close the connection while it is in use, or responses to the sign-in would be mixed up
// with responses to earlier requests.
func TestSignsInAgainBetweenRequests(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	var order []string // what the broker sees
	asked := make(chan bool, 1)
	served := make(chan error, 1)
	go func() {
		var failed error
		for _, want := range []string{"one", "two", "sign in", "three"} {
			seen := make([]byte, 4+len(want))
			_, err := io.ReadFull(far, seen)
			failed = errors.Join(failed, err)
			order = append(order, string(seen[4:]))
			if want == "two" {
				<-asked // both get their responses only after the third request was written
				for _, part := range [][]byte{frame("answer 1")[:2], append(frame("answer 1")[2:], frame("")...)} {
					_, err := far.Write(part)
					failed = errors.Join(failed, err)
				}
			}
			if want == "sign in" {
				_, err := far.Write(frame("signed in"))
				failed = errors.Join(failed, err)
			}
		}
		served <- failed
	}()
	times := 0
	r := newReauthConn(near, time.Hour, time.Minute, func(conn net.Conn) (time.Duration, error) {
		times++
		if _, err := conn.Write(frame("sign in")); err != nil {
			return 0, err
		}
		answer := make([]byte, len(frame("signed in")))
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer[4:]) != "signed in" {
			return 0, errors.Join(err, errors.New(string(answer)))
		}
		return time.Hour, nil
	})
	for _, request := range []string{"one", "two"} {
		if _, err := r.Write(frame(request)); err != nil {
			t.Fatal(err)
		}
	}
	r.due = time.Now()
	third := make(chan error, 1)
	go func() {
		asked <- true
		_, err := r.Write(frame("three"))
		third <- err
	}()
	answers := make([]byte, len(frame("answer 1"))+len(frame("")))
	if _, err := io.ReadFull(r, answers); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-third, <-served); err != nil {
		t.Fatal(err)
	}
	if times != 1 || len(order) != 4 || order[2] != "sign in" {
		t.Errorf("signed in %d times; the broker saw %q", times, order)
	}
	if _, err := r.Write(frame("four")[:3]); err == nil {
		t.Error("a request in parts went through: signing in could come between them")
	}
}

// Without this a client whose password is refused would continue as if it were signed in, or wait forever.
func TestSigningInAgainFails(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for name, test := range map[string]struct {
		unanswered bool
		want       error
	}{"refused": {false, refused}, "an answer does not come": {true, nil}} {
		near, far := net.Pipe()
		go io.Copy(io.Discard, far) //nolint:errcheck // until it is closed
		r := newReauthConn(near, time.Hour, 10*time.Millisecond, func(net.Conn) (time.Duration, error) { return 0, refused })
		if test.unanswered {
			if _, err := r.Write(frame("one")); err != nil {
				t.Fatal(err)
			}
		}
		r.due = time.Now()
		if _, err := r.Write(frame("two")); err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: the connection is still open", name)
		}
		far.Close()
	}
}

func TestReauthBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for range 100 {
		if in := reauthAfter(time.Hour); in < 51*time.Minute || in > 57*time.Minute {
			t.Fatalf("after %s of an hour", in)
		}
	}
	if in := reauthAfter(time.Millisecond); in < time.Second {
		t.Errorf("a broker can make it sign in every %s", in)
	}
}

// authenticated returns responses of a broker that limit the sign-in to 5 s.
func authenticated() map[uint16][]byte {
	const ms = "\x00\x00\x00\x00\x00\x00\x13\x88"
	return map[uint16][]byte{
		1: framed([]byte("\x00\x00\x00\x07" + "\x00\x00" + "\xff\xff" + "\x00\x00\x00\x03abc" + ms)),
		2: framed([]byte("\x00\x00\x00\x07" + "\x00" + "\x00\x00" + "\x00" + "\x04abc" + ms + "\x00")),
	}
}

// observedLifetime returns the lifetime that is observed in the responses to one request.
func observedLifetime(t *testing.T, request []byte, responses io.Reader) (lifetime time.Duration) {
	conn := observeLifetime(broker{Reader: responses}, func(d time.Duration) { lifetime = d })
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
	return lifetime
}

// Without this the client would sign in again too late, or never.
func TestLifetimeIsObserved(t *testing.T) {
	t.Parallel()
	for version, answer := range authenticated() {
		if got := observedLifetime(t, request(36, version, 7), iotest.OneByteReader(bytes.NewReader(answer))); got != 5*time.Second {
			t.Errorf("version %d: got %s", version, got)
		}
		for n := range len(answer) - 4 {
			if got := observedLifetime(t, request(36, version, 7), bytes.NewReader(framed(answer[4:4+n]))); got != 0 {
				t.Errorf("version %d: %s of %d bytes", version, got, n)
			}
		}
		if got := observedLifetime(t, request(18, 3, 7), bytes.NewReader(answer)); got != 0 {
			t.Errorf("an answer to something else: %s", got)
		}
	}
}

// Without it a broker's response could crash the program, or make it sign in at an absurd time.
func FuzzLifetime(f *testing.F) {
	for version, answer := range authenticated() {
		f.Add(version, answer)
	}
	f.Fuzz(func(t *testing.T, version uint16, answer []byte) {
		if got := observedLifetime(t, request(36, version, 7), bytes.NewReader(answer)); got < 0 || got > forever {
			t.Errorf("got %s", got)
		}
	})
}
