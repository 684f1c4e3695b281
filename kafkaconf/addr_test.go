package kafkaconf_test

import (
	"net"
	"strings"
	"testing"

	"kafka-e2ee/kafkaconf"
)

// Without it a page could be served where nobody looks for it, or a slip would be found only when all else has started.
func TestCheckAddr(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		":3333": true, "localhost:3333": true, "10.0.0.1:65535": true, "[::1]:1": true, "pod:9464": true,
		"": false, "hunter2": false, ":": false, ":0": false, "hunter2:0": false, ":65536": false, ":http": false, "-1": false,
		"3333": false, "http://hunter2:3333": false, "hunter2:3333/": false, "a hunter2:1": false, "::1:3333": false,
	} {
		err := kafkaconf.CheckAddr("WEB_ADDR", addr)
		if (err == nil) != ok || err != nil && (!strings.HasPrefix(err.Error(), "WEB_ADDR: want ") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// Without it a person would be told to look for another program where the address is not this machine's.
func TestListenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	l, err := kafkaconf.Listen(t.Context(), "WEB_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for addr, hint := range map[string]string{
		l.Addr().String():                     "another program has the port",
		net.JoinHostPort("192.0.2.1", "3333"): "of this machine", // RFC 5737: nobody's
	} {
		if _, err := kafkaconf.Listen(t.Context(), "WEB_ADDR", addr); err == nil || !strings.HasPrefix(err.Error(), "WEB_ADDR: ") || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// Without it a check from within the container would ask where nothing listens.
func TestValue(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{"my-topic": nil, "": {"TOPIC": ""}, "other": {"TOPIC": "other", "COUNT": "wrong"}} {
		if got := kafkaconf.Value(new(sample), "TOPIC", from(env)); got != want {
			t.Errorf("%v: got %q, want %q", env, got, want)
		}
	}
	if got := kafkaconf.Value(new(sample), "OTHER", from(nil)); got != "" {
		t.Errorf("a variable that is not there: %q", got)
	}
}
