package console

import (
	"testing"
	"time"
)

// Without this the audience's sentence would be gone before anybody has read it.
func TestTypedLineStays(t *testing.T) {
	now := time.Now()
	s := &selection{now: func() time.Time { return now }, mode: modeNewest}
	shows := func(step string, newest int64, typed *Typed, want int64, wantMode mode) {
		t.Helper()
		var moments []moment
		if typed != nil {
			moments = append(moments, moment{mode: modeTyped, record: Position{0, typed.Offset}, at: typed.At})
		}
		if at, mode := s.show(Position{0, newest}, moments...); at.Offset != want || mode != wantMode {
			t.Errorf("%s: offset %d (%s), want %d (%s)", step, at.Offset, mode, want, wantMode)
		}
	}
	shows("nobody has typed", 5, nil, 5, modeNewest)
	first := &Typed{Position: Position{0, 6}, Text: "one", At: now}
	shows("a line was typed", 6, first, 6, modeTyped)
	now = now.Add(9 * time.Second)
	shows("nine seconds later", 15, first, 6, modeTyped)
	second := &Typed{Position: Position{0, 16}, Text: "two", At: now}
	shows("another line", 16, second, 16, modeTyped)
	now = now.Add(9 * time.Second)
	shows("the second one has its own ten seconds", 25, second, 16, modeTyped)
	now = now.Add(time.Second)
	shows("then the newest", 26, second, 26, modeNewest)
	shows("not again", 27, second, 27, modeNewest)
}

// Without this nobody would see what an attack did: the next record would push it out, or an older one would stay.
func TestAttackedRecordStays(t *testing.T) {
	now := time.Now()
	s := &selection{now: func() time.Time { return now }, mode: modeNewest}
	typed := moment{mode: modeTyped, record: Position{0, 5}, at: now.Add(-time.Second)}
	s.show(Position{0, 5}, typed)
	attacked := moment{modeAttacked, Position{1, 7}, now, "tamper"}
	if at, mode := s.show(Position{0, 8}, typed, attacked); at != attacked.record || mode != modeAttacked {
		t.Errorf("after the attack: %v (%s)", at, mode)
	}
	typed = moment{mode: modeTyped, record: Position{0, 9}, at: now.Add(time.Second)}
	if at, mode := s.show(Position{0, 9}, typed, attacked); at != typed.record || mode != modeTyped {
		t.Errorf("after the next typed line: %v (%s)", at, mode)
	}
	now = now.Add(time.Minute)
	if at, mode := s.show(Position{0, 20}, typed, attacked); at.Offset != 20 || mode != modeNewest {
		t.Errorf("a minute later: %v (%s)", at, mode)
	}
	attacked = moment{modeAttacked, Position{1, 30}, now, "replay"}
	now = now.Add(time.Second)
	s.selectRecord(Position{0, 3}) // before the attacked record can be shown
	if at, mode := s.show(Position{0, 31}, typed, attacked); at.Offset != 3 || mode != modeSelected {
		t.Errorf("chosen after the attack: %v (%s)", at, mode)
	}
	typed = moment{mode: modeTyped, record: Position{0, 32}, at: now.Add(time.Second)}
	if at, mode := s.show(Position{0, 32}, typed, attacked); at.Offset != 32 || mode != modeTyped {
		t.Errorf("typed after the choice: %v (%s)", at, mode)
	}
}

// Without this a record could not be discussed: the next one would push it out.
func TestRecordStaysWhenAsked(t *testing.T) {
	now := time.Now()
	s := &selection{now: func() time.Time { return now }, mode: modeNewest}
	show := func(newest int64, typed Typed) (int64, mode) {
		at, mode := s.show(Position{0, newest}, moment{mode: modeTyped, record: Position{0, typed.Offset}, at: typed.At})
		return at.Offset, mode
	}
	show(1, Typed{})
	s.freeze()
	now = now.Add(time.Hour)
	typed := Typed{Position: Position{0, 50}, Text: "while frozen", At: now}
	if at, mode := show(60, typed); at != 1 || mode != modeFrozen {
		t.Errorf("frozen: offset %d (%s)", at, mode)
	}
	s.freeze()
	if at, mode := show(61, typed); at != 50 || mode != modeTyped {
		t.Errorf("the line that was typed meanwhile is not shown: offset %d (%s)", at, mode)
	}
	s.selectRecord(Position{0, 3})
	now = now.Add(time.Hour)
	if at, mode := show(70, typed); at != 3 || mode != modeSelected {
		t.Errorf("selected: offset %d (%s)", at, mode)
	}
	s.resume()
	if at, mode := show(71, typed); at != 71 || mode != modeNewest {
		t.Errorf("resumed: offset %d (%s)", at, mode)
	}
	s.freeze()
	s.selectRecord(Position{0, 4})
	if at, _ := show(72, typed); at != 4 {
		t.Errorf("selected while frozen: offset %d", at)
	}
	before := Typed{Position: Position{0, 8}, Text: "long ago", At: now.Add(-time.Minute)}
	s = &selection{now: func() time.Time { return now }, mode: modeNewest}
	if at, mode := show(80, before); at != 80 || mode != modeNewest {
		t.Errorf("a console opened later holds an old line: offset %d (%s)", at, mode)
	}
}

// Without this a record that somebody chose would stand still while the pods restart: nothing of the change would be seen.
func TestRestartLetsGo(t *testing.T) {
	now := time.Now()
	s := &selection{now: func() time.Time { return now }, mode: modeNewest}
	began := now.Add(-time.Hour)
	if s.restarted(began) {
		t.Error("nothing was chosen, and a restart is said to have let it go")
	}
	s.selectRecord(Position{0, 3})
	if s.restarted(began); s.mode != modeSelected {
		t.Errorf("a restart from before the choice: %s", s.mode)
	}
	now = now.Add(time.Second)
	began = now
	if said := s.restarted(began); !said || s.mode != modeNewest {
		t.Errorf("chosen before the restart: %s, said %t", s.mode, said)
	}
	now = now.Add(time.Second)
	s.selectRecord(Position{0, 4})
	if said := s.restarted(began); said || s.mode != modeSelected {
		t.Errorf("chosen after the restart: %s, said %t", s.mode, said)
	}
	s.freeze()
	now = now.Add(time.Second)
	if said := s.restarted(now); said || s.mode != modeFrozen {
		t.Errorf("frozen: %s, said %t", s.mode, said)
	}
	s.freeze()
	now = now.Add(time.Minute)
	if s.restarted(began) {
		t.Error("a restart long ago is still spoken of")
	}
}
