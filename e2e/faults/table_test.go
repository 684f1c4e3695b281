package faults_test

import (
	"syscall"
	"time"

	"kafka-e2ee/e2e/harness"
	"kafka-e2ee/e2e/harness/realkafka"
	"kafka-e2ee/skrclient/skrtest"
)

// faults are the rows of docs/reliability.md.
var faults = []fault{
	{
		name: "A broker restarts", onCluster: true, repeatable: true, hold: 10 * time.Second,
		inject: func(s *setup) { s.brokers.Nodes[0].Stop(s.t) },
		repair: func(s *setup) { s.brokers.Nodes[0].Start(s.t) },
	},
	{
		name: "A broker is killed", quick: true, onCluster: true, repeatable: true, hold: 20 * time.Second,
		inject: func(s *setup) { s.brokers.Nodes[1].Kill(s.t) },
		repair: func(s *setup) { s.brokers.Nodes[1].Start(s.t) },
	},
	{
		name: "The leaders change", onCluster: true,
		inject: func(s *setup) { s.brokers.ChangeLeaders(s.topic) },
	},
	{
		name: "A broker's network is gone", onCluster: true, repeatable: true, hold: 60 * time.Second,
		inject: func(s *setup) { s.brokers.Isolate(s.brokers.Nodes[0]) },
		repair: func(s *setup) { s.brokers.Rejoin(s.brokers.Nodes[0]) },
	},
	{
		name: "No broker is reached", onCluster: true, repeatable: true, hold: 30 * time.Second, reports: "kafka: unreachable",
		inject: func(s *setup) { s.brokers.SetNetwork(harness.Network{Cut: true}) },
		repair: func(s *setup) { s.brokers.SetNetwork(harness.Network{}) },
	},
	{
		name: "No broker is reached until long after the data keys have expired", onCluster: true, hold: 6 * time.Minute, reports: "kafka: unreachable",
		before: (*setup).requireFreshRecords,
		inject: func(s *setup) { s.brokers.SetNetwork(harness.Network{Cut: true}) },
		repair: func(s *setup) { s.brokers.SetNetwork(harness.Network{}) },
	},
	{
		name: "500 ms latency each way", onCluster: true, repeatable: true, hold: 30 * time.Second,
		inject: func(s *setup) { s.brokers.SetNetwork(harness.Network{Delay: 500 * time.Millisecond}) },
		repair: func(s *setup) { s.brokers.SetNetwork(harness.Network{}) },
	},
	{
		name: "1 % of the packets reset the connection", onCluster: true, repeatable: true, hold: 60 * time.Second,
		inject: func(s *setup) { s.brokers.SetNetwork(harness.Network{Reset: 0.01}) },
		repair: func(s *setup) { s.brokers.SetNetwork(harness.Network{}) },
	},
	{
		name: "Connections stall", onCluster: true, repeatable: true, hold: 60 * time.Second, reports: "kafka: unreachable",
		inject: func(s *setup) { s.brokers.SetNetwork(harness.Network{Stall: true}) },
		repair: func(s *setup) { s.brokers.SetNetwork(harness.Network{}) },
	},
	{
		name: "A broker's disk is full, and replaced by an empty one", onCluster: true, hold: 30 * time.Second,
		inject: func(s *setup) { s.brokers.Nodes[2].FillDisk(s.t) },
		repair: func(s *setup) { s.brokers.Nodes[2].Replace(s.t) },
	},
	{
		name: "A consumer is killed", quick: true, onCluster: true,
		inject: func(s *setup) { s.consumers[0].process.Kill() },
		repair: func(s *setup) { s.consume() },
	},
	{
		name: "A consumer is paused for 60 s", onCluster: true, hold: 60 * time.Second,
		inject: func(s *setup) { s.consumers[0].process.Signal(syscall.SIGSTOP) },
		repair: func(s *setup) { s.consumers[0].process.Signal(syscall.SIGCONT) },
	},
	{
		name: "The topic is deleted and recreated", onCluster: true, reports: "kafka: no_topic",
		inject: (*setup).deleteTopic,
		repair: func(s *setup) { realkafka.CreateTopic(s.t, s.cluster, s.topic, partitions, 3) },
	},
	{
		name: "The producer is killed in the middle of a batch", quick: true, onCluster: true,
		inject: (*setup).crash,
		repair: func(s *setup) { s.produce() },
	},
	{
		name: "The consumers have 64 MiB of memory", onCluster: true, hold: 30 * time.Second,
		before: func(s *setup) { s.rate = 200; s.consumeConfined("--memory=64m", "--memory-swap=64m") },
		inject: func(*setup) {},
	},
	{
		name: "The consumers have a fifth of a core", onCluster: true, hold: 30 * time.Second,
		before: func(s *setup) { s.consumeConfined("--cpus=0.2") },
		inject: func(*setup) {},
	},
	{
		name: "Five consumers join and leave for 10 minutes", onCluster: true,
		inject: func(s *setup) { s.churn(10 * time.Minute) },
	},
	{
		name: "Timestamps jump by weeks", onCluster: true,
		inject: (*setup).writeJumpingTimestamps,
	},
	{
		name: "SIGTERM at every stage", onCluster: true,
		inject: (*setup).terminateAll,
	},
	{
		name: "The sidecar starts late", quick: true, reports: "key: unreachable",
		before: func(s *setup) { s.sidecarProxy.Set(harness.Network{Cut: true}); s.consume() },
		inject: func(*setup) {},
		repair: func(s *setup) { s.sidecarProxy.Set(harness.Network{}) },
	},
	{
		name: "The sidecar refuses", reports: "key: refused",
		before: func(s *setup) { s.sidecar.Refuse(skrtest.RefusalPolicy); s.consume() },
		inject: func(*setup) {},
		repair: func(s *setup) { s.sidecar.Behave(skrtest.Release) },
	},
	{
		name: "The sidecar stalls", reports: "key: waiting",
		before: func(s *setup) { s.sidecar.Behave(skrtest.Stall); s.consume() },
		inject: func(*setup) {},
		repair: func(s *setup) { s.sidecar.Behave(skrtest.Release) },
	},
	{
		name: "The sidecar answers garbage", reports: "key: waiting", hold: 5 * time.Second,
		before: func(s *setup) { s.sidecar.Behave(skrtest.Garbage); s.consume() },
		inject: func(*setup) {},
		repair: func(s *setup) { s.sidecar.Behave(skrtest.Release) },
	},
	{
		name: "The sidecar is gone, and comes back", reports: "key: unreachable",
		inject: func(s *setup) { s.sidecarProxy.Set(harness.Network{Cut: true}); s.consume() },
		repair: func(s *setup) { s.sidecarProxy.Set(harness.Network{}) },
	},
	{
		name: "The password changes", secured: true, reports: "kafka: refused",
		before: (*setup).signIn,
		inject: func(s *setup) { s.secured.SetPassword(harness.KafkaUser, "canary-second-password") },
		repair: func(s *setup) { s.secured.WriteFile("password", "canary-second-password") },
	},
	{
		name: "The client's certificate expires", secured: true, reports: "kafka: unreachable",
		before: (*setup).useCertificates,
		inject: (*setup).expireCertificates,
		repair: func(s *setup) { s.renewCertificate(time.Hour) },
	},
	{
		name: "The right to the topic is revoked", secured: true, reports: "kafka: refused",
		before: (*setup).signIn,
		inject: func(s *setup) { s.refused = true; s.secured.Revoke(harness.KafkaUser, s.topic) },
		repair: func(s *setup) { s.allow(harness.KafkaUser) },
	},
}
