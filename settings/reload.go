package settings

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// ReloadEvery is how often programs re-read files that may change. File notifications are no substitute: they miss
// mounted files that Kubernetes replaces through symbolic links.
const ReloadEvery = 2 * time.Second

// Follow calls reload at each tick, usually of time.Tick(ReloadEvery), until ctx ends.
func Follow(ctx context.Context, tick <-chan time.Time, reload func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			reload()
		}
	}
}

// Reloader re-reads texts that are used together. Those of files may change. It is not safe for concurrent use.
type Reloader struct {
	Sources []Source

	// Use takes the texts of Sources, in their order, and must not keep them. changed is false if Use last accepted the
	// same texts. It is called anyway, because, for example, an unchanged certificate may have expired.
	Use func(texts [][]byte, changed bool) error

	inUse    *[sha256.Size]byte // of the texts that Use last accepted
	reported string             // the last error
}

// Result is the outcome of [Reloader.Reload].
type Result struct {
	Changed bool  // Use accepted texts that differ from those before
	Err     error // reading the texts failed, or Use did: the previous texts stay in use
	Repeat  bool  // Err is the same as last time, and need not be logged again
}

// Reload reads the sources and passes their texts to Use.
func (r *Reloader) Reload() Result {
	changed, err := r.load()
	if err == nil {
		r.reported = ""
		return Result{Changed: changed}
	}
	repeat := err.Error() == r.reported
	r.reported = err.Error()
	return Result{Err: err, Repeat: repeat}
}

func (r *Reloader) load() (changed bool, err error) {
	texts := make([][]byte, len(r.Sources))
	errs := make([]error, len(r.Sources))
	all := sha256.New()
	for i, source := range r.Sources {
		texts[i], errs[i] = source.Read()
		defer clear(texts[i])
		sum := sha256.Sum256(texts[i])
		all.Write(sum[:])
	}
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	sum := [sha256.Size]byte(all.Sum(nil))
	changed = r.inUse == nil || *r.inUse != sum
	if err := r.Use(texts, changed); err != nil {
		return false, err
	}
	r.inUse = &sum
	return changed, nil
}
