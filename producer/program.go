package producer

import "kafka-e2ee/settings"

// Program says what the program is, for its command line.
func Program(build Build) settings.Program {
	return settings.Program{
		Name: "produce", Version: build.Version, Commit: build.Commit, Settings: new(Config),
		Does:   "encrypts messages with a public key, and writes them to Kafka.",
		ReadOn: "docs/programs.md, docs/settings.md, docs/keys.md",
	}
}
