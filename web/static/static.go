// Package static serves the styles, scripts and pictures of pages.
//
//	files, err := static.Pages()
//	mux.Handle("GET /static/{name}", files)
//	address := files.Href("style.css")
//
// The pods' pages and the lab's console are two pages of one suite: palette.css, with their colours and fonts, is for both.
package static

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"time"
)

//go:embed palette.css
var shared embed.FS

//go:embed style.css *.js icon.svg
var pages embed.FS

// Files are the static files of pages, by name. Their addresses hold a hash of their content, so that browsers keep them: a
// page that is opened while the server restarts still has its style. They do not change, so they can be served concurrently.
type Files map[string]file

type file struct {
	body []byte
	hash string
}

// Pages returns the files of the pods' pages.
func Pages() (Files, error) { return read(shared, pages) }

// With returns the palette and the files at the top of own, which must not have folders. All of them are held in memory.
func With(own fs.FS) (Files, error) { return read(shared, own) }

func read(folders ...fs.FS) (Files, error) {
	files := make(Files)
	for _, folder := range folders {
		entries, err := fs.ReadDir(folder, ".")
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			body, err := fs.ReadFile(folder, entry.Name())
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256(body)
			files[entry.Name()] = file{body, hex.EncodeToString(sum[:8])}
		}
	}
	return files, nil
}

// Scripts are the scripts of each page of a pod, in the order in which they run: each may use those before it.
func Scripts() []string {
	return []string{"page.js", "times.js", "press.js", "shortcuts.js", "opened.js", "rows.js", "filter.js", "live.js", "copy.js"}
}

// Href returns the address of a file in this build.
func (f Files) Href(name string) string { return "/static/" + name + "?v=" + f[name].hash }

// ServeHTTP answers GET /static/{name}.
func (f Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := f[r.PathValue("name")]
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
