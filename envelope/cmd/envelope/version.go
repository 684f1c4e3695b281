package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// versionLine says what was built, as Go recorded it.
func versionLine() string {
	version, commit := "dev", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(info.Main.Version, version)
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
	}
	return fmt.Sprintf("envelope %s (commit %s, %s)", version, commit, runtime.Version())
}
