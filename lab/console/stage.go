package console

import (
	"sync"
	"time"
)

// holdTyped is how long a typed line stays, unless another one is typed.
const holdTyped = 10 * time.Second

// stage decides which record is in the four columns. All windows of the console show the same one, so that the presenter's
// and the projector's agree.
type stage struct {
	now func() time.Time

	mu     sync.Mutex
	mode   mode
	record position
	typed  Typed     // the newest line that was shown
	until  time.Time // of modeTyped
}

type mode string

const (
	modeNewest   mode = "newest"
	modeTyped    mode = "typed"    // a typed line, until it was shown for long enough
	modeSelected mode = "selected" // a record that the presenter chose
	modeFrozen   mode = "frozen"   // whatever was shown
)

// show returns the record to show, given the newest one and the newest typed line. A typed line replaces all but a frozen
// record. A typed line that was there before the console is none to hold.
func (s *stage) show(newest position, typed Typed, isTyped bool) (position, mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isTyped && typed != s.typed && s.mode != modeFrozen {
		if age := s.now().Sub(typed.At); age < holdTyped {
			s.mode, s.record, s.until = modeTyped, position{typed.Partition, typed.Offset}, s.now().Add(holdTyped)
		}
		s.typed = typed
	}
	if s.mode == modeTyped && !s.now().Before(s.until) {
		s.mode = modeNewest
	}
	if s.mode == modeNewest {
		s.record = newest
	}
	return s.record, s.mode
}

// freeze holds the record that is shown, or lets the newest be shown again.
func (s *stage) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode == modeFrozen {
		s.mode = modeNewest
		return
	}
	s.mode = modeFrozen
}

// selectRecord shows a record until another command, or a typed line.
func (s *stage) selectRecord(at position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode, s.record = modeSelected, at
}

// resume shows the newest record.
func (s *stage) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = modeNewest
}
