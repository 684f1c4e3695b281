package consumer

import "kafka-e2ee/settings"

// Program says what the program is, for its command line.
func Program(build Build) settings.Program {
	return settings.Program{
		Name: "consume", Version: build.Version, Commit: build.Commit, Settings: new(Config),
		Does:   "reads a topic, decrypts the records that it has a key for, and shows them on a page at WEB_ADDR.",
		ReadOn: "docs/programs.md, docs/settings.md, docs/operations.md",
	}
}
