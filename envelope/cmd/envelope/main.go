// Command envelope seals, opens, converts and inspects one record, from standard input
// or a file to standard output. "envelope help" lists its commands.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	t := &tool{in: os.Stdin, out: os.Stdout, diag: os.Stderr}
	err := t.run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "envelope:", err)
	var wrong usageError
	if errors.As(err, &wrong) {
		os.Exit(2)
	}
	os.Exit(1)
}
