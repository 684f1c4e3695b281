package e2e_test

import (
	"syscall"
	"time"
)

// faults are the rows of docs/reliability.md.
var faults = []fault{
	{
		name: "A broker restarts", real: true, hold: 10 * time.Second,
		inject: func(s *stage) { s.brokers.nodes[0].stop(s.t) },
		heal:   func(s *stage) { s.brokers.nodes[0].start(s.t) },
	},
	{
		name: "A broker is killed", quick: true, real: true, hold: 20 * time.Second,
		inject: func(s *stage) { s.brokers.nodes[1].kill(s.t) },
		heal:   func(s *stage) { s.brokers.nodes[1].start(s.t) },
	},
	{
		name: "The leaders change", real: true,
		inject: func(s *stage) { s.brokers.changeLeaders(s.topic) },
	},
	{
		name: "A broker's network is gone", real: true, hold: 60 * time.Second,
		inject: func(s *stage) { s.brokers.isolate(s.brokers.nodes[0]) },
		heal:   func(s *stage) { s.brokers.rejoin(s.brokers.nodes[0]) },
	},
	{
		name: "No broker is reached", real: true, hold: 30 * time.Second, says: "kafka: unreachable",
		inject: func(s *stage) { s.brokers.weather(weather{cut: true}) },
		heal:   func(s *stage) { s.brokers.weather(weather{}) },
	},
	{
		name: "500 ms latency each way", real: true, hold: 30 * time.Second,
		inject: func(s *stage) { s.brokers.weather(weather{delay: 500 * time.Millisecond}) },
		heal:   func(s *stage) { s.brokers.weather(weather{}) },
	},
	{
		name: "1 % of the packets reset the connection", real: true, hold: 60 * time.Second,
		inject: func(s *stage) { s.brokers.weather(weather{reset: 0.01}) },
		heal:   func(s *stage) { s.brokers.weather(weather{}) },
	},
	{
		name: "Connections stall", real: true, hold: 60 * time.Second, says: "kafka: unreachable",
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
}
