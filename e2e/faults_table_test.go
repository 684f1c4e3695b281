package e2e_test

import (
	"syscall"
	"time"

	"kafka-e2ee/skrclient/skrtest"
)

// faults are the rows of docs/reliability.md.
var faults = []fault{
	{
		name: "A broker restarts", real: true, upset: true, hold: 10 * time.Second,
		inject: func(s *stage) { s.brokers.nodes[0].stop(s.t) },
		heal:   func(s *stage) { s.brokers.nodes[0].start(s.t) },
	},
	{
		name: "A broker is killed", quick: true, real: true, upset: true, hold: 20 * time.Second,
		inject: func(s *stage) { s.brokers.nodes[1].kill(s.t) },
		heal:   func(s *stage) { s.brokers.nodes[1].start(s.t) },
	},
	{
		name: "The leaders change", real: true,
		inject: func(s *stage) { s.brokers.changeLeaders(s.topic) },
	},
	{
		name: "A broker's network is gone", real: true, upset: true, hold: 60 * time.Second,
		inject: func(s *stage) { s.brokers.isolate(s.brokers.nodes[0]) },
		heal:   func(s *stage) { s.brokers.rejoin(s.brokers.nodes[0]) },
	},
	{
		name: "No broker is reached", real: true, upset: true, hold: 30 * time.Second, says: "kafka: unreachable",
		inject: func(s *stage) { s.brokers.weather(weather{cut: true}) },
		heal:   func(s *stage) { s.brokers.weather(weather{}) },
	},
	{
		name: "500 ms latency each way", real: true, upset: true, hold: 30 * time.Second,
		inject: func(s *stage) { s.brokers.weather(weather{delay: 500 * time.Millisecond}) },
		heal:   func(s *stage) { s.brokers.weather(weather{}) },
	},
	{
		name: "1 % of the packets reset the connection", real: true, upset: true, hold: 60 * time.Second,
		inject: func(s *stage) { s.brokers.weather(weather{reset: 0.01}) },
		heal:   func(s *stage) { s.brokers.weather(weather{}) },
	},
	{
		name: "Connections stall", real: true, upset: true, hold: 60 * time.Second, says: "kafka: unreachable",
		inject: func(s *stage) { s.brokers.weather(weather{stall: true}) },
		heal:   func(s *stage) { s.brokers.weather(weather{}) },
	},
	{
		name: "A broker's disk is full, and replaced by an empty one", real: true, hold: 30 * time.Second,
		inject: func(s *stage) { s.brokers.nodes[2].fill(s.t) },
		heal:   func(s *stage) { s.brokers.nodes[2].replace(s.t) },
	},
	{
		name: "A consumer is killed", quick: true, real: true,
		inject: func(s *stage) { s.consumers[0].process.kill() },
		heal:   func(s *stage) { s.consume() },
	},
	{
		name: "A consumer is paused for 60 s", real: true, hold: 60 * time.Second,
		inject: func(s *stage) { s.consumers[0].process.signal(syscall.SIGSTOP) },
		heal:   func(s *stage) { s.consumers[0].process.signal(syscall.SIGCONT) },
	},
	{
		name: "The topic is deleted, and made anew", real: true, says: "kafka: no_topic",
		inject: (*stage).deleteTopic,
		heal:   func(s *stage) { makeTopic(s.t, s.cluster, s.topic, partitions, 3) },
	},
	{
		name: "The producer is killed in the middle of a batch", quick: true, real: true,
		inject: (*stage).crash,
		heal:   func(s *stage) { s.produce() },
	},
	{
		name: "The consumers have 64 MiB of memory", real: true, hold: 30 * time.Second,
		before: func(s *stage) { s.rate = 200; s.confine("--memory=64m", "--memory-swap=64m") },
		inject: func(*stage) {},
	},
	{
		name: "The consumers have a fifth of a core", real: true, hold: 30 * time.Second,
		before: func(s *stage) { s.confine("--cpus=0.2") },
		inject: func(*stage) {},
	},
	{
		name: "Five consumers join and leave for 10 minutes", real: true,
		inject: func(s *stage) { s.comeAndGo(10 * time.Minute) },
	},
	{
		name: "Timestamps jump by weeks", real: true,
		inject: (*stage).writeJumping,
	},
	{
		name: "SIGTERM at every stage", real: true,
		inject: (*stage).terminateAll,
	},
	{
		name: "The sidecar starts late", quick: true, says: "key: unreachable",
		before: func(s *stage) { s.gate.set(weather{cut: true}); s.consume() },
		inject: func(*stage) {},
		heal:   func(s *stage) { s.gate.set(weather{}) },
	},
	{
		name: "The sidecar refuses", says: "key: refused",
		before: func(s *stage) { s.sidecar.Refuse(skrtest.RefusalPolicy); s.consume() },
		inject: func(*stage) {},
		heal:   func(s *stage) { s.sidecar.Behave(skrtest.Release) },
	},
	{
		name: "The sidecar stalls", says: "key: waiting",
		before: func(s *stage) { s.sidecar.Behave(skrtest.Stall); s.consume() },
		inject: func(*stage) {},
		heal:   func(s *stage) { s.sidecar.Behave(skrtest.Release) },
	},
	{
		name: "The sidecar answers garbage", says: "key: waiting", hold: 5 * time.Second,
		before: func(s *stage) { s.sidecar.Behave(skrtest.Garbage); s.consume() },
		inject: func(*stage) {},
		heal:   func(s *stage) { s.sidecar.Behave(skrtest.Release) },
	},
	{
		name: "The sidecar is gone, and comes back", says: "key: unreachable",
		inject: func(s *stage) { s.gate.set(weather{cut: true}); s.consume() },
		heal:   func(s *stage) { s.gate.set(weather{}) },
	},
	{
		name: "The password changes", secured: true, says: "kafka: unreachable",
		before: (*stage).signIn,
		inject: func(s *stage) { s.secured.password(user, "canary-second-password") },
		heal:   func(s *stage) { s.secured.file("password", "canary-second-password") },
	},
	{
		name: "The client's certificate expires", secured: true, says: "kafka: unreachable",
		before: (*stage).showCertificate,
		inject: (*stage).expire,
		heal:   func(s *stage) { s.certificate(time.Hour) },
	},
	{
		name: "The right to the topic is revoked", secured: true, says: "kafka: refused",
		before: (*stage).signIn,
		inject: func(s *stage) { s.refused = true; s.revoke(user) },
		heal:   func(s *stage) { s.allow(user) },
	},
}
