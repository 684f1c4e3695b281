package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed static
var static embed.FS

// assets are the static files of the pages. Their addresses hold a hash of their content, so that browsers keep them: a
// page that is opened while the server restarts still has its style.
type assets map[string]asset

type asset struct {
	body []byte
	hash string
}

func readAssets() (assets, error) {
	files := make(assets)
	entries, err := static.ReadDir("static")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		body, err := static.ReadFile(path.Join("static", entry.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		files[entry.Name()] = asset{body, hex.EncodeToString(sum[:8])}
	}
	return files, nil
}

// scripts are the scripts of every page, in the order in which they run: each may use those before it.
func scripts() []string {
	return []string{"page.js", "times.js", "press.js", "shortcuts.js", "opened.js", "rows.js", "filter.js", "live.js", "copy.js"}
}

// href returns the address of a file in this build.
func (a assets) href(name string) string { return "/static/" + name + "?v=" + a[name].hash }

// ServeHTTP answers GET /static/{name}.
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Etag", `"`+file.hash+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == file.hash {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, r.PathValue("name"), time.Time{}, bytes.NewReader(file.body))
}
