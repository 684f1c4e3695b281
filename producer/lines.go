package producer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// lines reads lines into room that is used again once they are sealed.
type lines chan []byte

func newLines() lines { return make(lines, 64) }

// free gives back the room of a line that nobody holds any more.
func (l lines) free(line []byte) {
	if cap(line) > largestRoom {
		return
	}
	select {
	case l <- line[:0]:
	default:
	}
}

func (l lines) room() []byte {
	select {
	case room := <-l:
		return room
	default:
		return nil
	}
}

// read yields each line of in as it is, without its newline, until in ends, there were count (0: no end) or yield says no.
// It holds at most limit bytes of a line: a longer one is yielded as too long. The limit is asked for anew for each.
func (l lines) read(in io.Reader, count uint64, limit func() int, yield func(message) bool) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for n := uint64(1); ; n++ {
		line, tooLong, err := readLine(r, l.room(), limit())
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return fmt.Errorf("reading line %d: %w", n, err)
		}
		if last && len(line) == 0 && !tooLong {
			return nil
		}
		if !yield(message{number: n, text: line, tooLong: tooLong}) || last || n == count {
			return nil
		}
	}
}

// readLine reads up to and with the next newline, which it drops. It drops the text of a line longer than limit too.
func readLine(r *bufio.Reader, room []byte, limit int) (line []byte, tooLong bool, err error) {
	line = room
	for {
		part, err := r.ReadSlice('\n')
		ended := err == nil
		if ended {
			part = part[:len(part)-1]
		}
		if tooLong = tooLong || len(line)+len(part) > limit; tooLong {
			line = nil
		} else {
			line = append(line, part...)
		}
		if ended {
			return line, tooLong, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}
