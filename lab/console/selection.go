package console

import (
	"sync"
	"time"
)

// holdTime is how long a typed line, or an attacked record, stays, unless another one comes.
const holdTime = 10 * time.Second

// selection decides which record is in the four columns. All windows of the console show the same one, so that the presenter's
// and the projector's agree.
type selection struct {
	now func() time.Time

	mu     sync.Mutex
	mode   mode
	record Position
	seen   time.Time // of the newest moment that was shown
	until  time.Time // if a moment is shown
	shown  moment    // of modeTyped and modeAttacked
	lifted time.Time // when the pods were restarted, if that let go of a record
}

type mode string

const (
	modeNewest   mode = "newest"
	modeTyped    mode = "typed"    // a moment
	modeAttacked mode = "attacked" // a moment
	modeSelected mode = "selected" // a record that the presenter chose
	modeFrozen   mode = "frozen"   // whatever was shown
)

// moment is a record that everybody wants to see now: somebody typed it, or attacked it.
type moment struct {
	mode   mode
	record Position
	at     time.Time
	attack string // its name, if it was attacked
}

// show returns the record to show, given the newest one and the latest moments. A moment replaces all but a frozen record,
// for a while, or until the next attack begins. One that was over before the console could show it is not shown.
func (s *selection) show(newest Position, moments ...moment) (Position, mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range moments {
		if s.mode == modeFrozen || !m.at.After(s.seen) {
			continue
		}
		if s.seen = m.at; s.now().Sub(m.at) < holdTime {
			s.mode, s.record, s.until, s.shown = m.mode, m.record, s.now().Add(holdTime), m
		}
	}
	if s.holds() && !s.now().Before(s.until) {
		s.mode = modeNewest
	}
	if s.mode == modeNewest {
		s.record = newest
	}
	return s.record, s.mode
}

func (s *selection) holds() bool { return s.mode == modeTyped || s.mode == modeAttacked }

// held returns the moment that is shown, and when it makes way for the newest record. It is false if none is shown.
func (s *selection) held() (m moment, until time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown, s.until, s.holds()
}

// endAttacked lets go of an attacked record: another attack runs, so it is not the last one's any more.
func (s *selection) endAttacked() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == modeAttacked {
		s.mode = modeNewest
	}
}

// restarted lets go of a record that was chosen, or held, before the pods were restarted: what becomes of the newest ones is
// what everybody wants to see then. A frozen one stays. It reports whether it has just done so.
func (s *selection) restarted(at time.Time) (recently bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (s.mode == modeSelected || s.holds()) && s.seen.Before(at) {
		s.mode, s.lifted = modeNewest, at
	}
	return s.mode == modeNewest && s.lifted.Equal(at) && !at.IsZero() && s.now().Sub(at) < holdTime
}

// freeze holds the record that is shown, or lets the newest be shown again.
func (s *selection) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == modeFrozen {
		s.mode = modeNewest
		return
	}
	s.mode = modeFrozen
}

// selectRecord shows a record until another command, or a later moment.
func (s *selection) selectRecord(at Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode, s.record, s.seen = modeSelected, at, s.now()
}

// resume shows the newest record.
func (s *selection) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = modeNewest
}
