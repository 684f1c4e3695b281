package console

import (
	"embed"
	"io/fs"

	"kafka-e2ee/web/static"
)

//go:embed static
var own embed.FS

// readFiles returns the console's files, and the palette that it shares with the pods' pages.
func readFiles() (static.Files, error) {
	files, err := fs.Sub(own, "static")
	if err != nil {
		return nil, err
	}
	return static.With(files)
}
