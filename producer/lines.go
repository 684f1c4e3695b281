package producer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// lineLimit returns the length of the longest line that can be sent, in bytes: as last known, or after asking Kafka again.
type lineLimit func(refresh bool) int

// readLines yields each line of in without its newline, until in ends, count lines were read (0: no limit) or yield
// returns false. It appends each line to what buffer returns, and buffers no more than limit(false) bytes of one. It
// refreshes the limit before it gives up a longer line, which it yields as too long, without the text.
func readLines(in io.Reader, count uint64, limit lineLimit, buffer func() []byte, yield func(message) bool) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for n := uint64(1); ; n++ {
		line, size, err := readLine(r, buffer(), limit)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return fmt.Errorf("reading line %d: %w", n, err)
		}
		if last && size == 0 {
			return nil
		}
		last = last || n == count
		ahead, _ := r.Peek(r.Buffered()) //nolint:errcheck // that much is there
		if !yield(message{number: n, text: line, line: line, size: size, tooLong: size > len(line), more: !last && hasLine(ahead)}) || last {
			return nil
		}
	}
}

// readLine reads up to the next newline into buffer and drops the newline. It drops the text of a line over the limit,
// too. size counts the bytes of the line in any case.
func readLine(r *bufio.Reader, buffer []byte, limit lineLimit) (line []byte, size int, err error) {
	line = buffer
	longest, refreshed := limit(false), false
	for {
		part, err := r.ReadSlice('\n')
		complete := err == nil
		if complete {
			part = part[:len(part)-1]
		}
		size += len(part)
		if !refreshed && size > longest {
			longest, refreshed = limit(true), true
		}
		if size > longest {
			line = nil
		} else {
			line = append(line, part...)
		}
		if complete {
			return line, size, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, size, err
		}
	}
}
