package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
)

//go:embed static
var static embed.FS

// assetsVersion is a hash of the files, for their addresses: a new build is never shown with an old style.
func assetsVersion() (string, error) {
	sum := sha256.New()
	for _, name := range []string{"console.css", "console.js"} {
		body, err := static.ReadFile("static/" + name)
		if err != nil {
			return "", err
		}
		sum.Write(body)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// assets answers GET /static/{name}.
func assets() http.Handler { return http.FileServerFS(static) }
