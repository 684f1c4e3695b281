package settings_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"kafka-e2ee/settings"
)

// Without it a page could be served at an unexpected address, or a typo would be found only after everything has started.
func TestCheckListenAddr(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		":3333": true, "localhost:3333": true, "10.0.0.1:65535": true, "[::1]:1": true, "pod:9464": true,
		"": false, "hunter2": false, ":": false, ":0": false, "hunter2:0": false, ":65536": false, ":http": false, "-1": false,
		"3333": false, "http://hunter2:3333": false, "hunter2:3333/": false, "a hunter2:1": false, "::1:3333": false,
		":3333\n": false, "localhost:3333\r\n": false, `"hunter2:3333"`: false, "hunter2:1;b:2": false, "hunter2:99999": false, "hunter2:": false, "999.1.1.1:3333": false,
	} {
		err := settings.CheckListenAddr("WEB_ADDR", addr)
		if (err == nil) != ok || err != nil && (!strings.HasPrefix(err.Error(), "WEB_ADDR: want ") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// Without it a person would look for another program although the address is not one of this machine.
func TestListenSaysWhatToDo(t *testing.T) {
	t.Parallel()
	l, err := settings.Listen(t.Context(), "WEB_ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for addr, hint := range map[string]string{
		l.Addr().String():                     "another program uses the port",
		net.JoinHostPort("192.0.2.1", "3333"): "of this machine", // RFC 5737: for documentation
	} {
		if _, err := settings.Listen(t.Context(), "WEB_ADDR", addr); err == nil || !strings.HasPrefix(err.Error(), "WEB_ADDR: ") || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// Without it a typo in BROKERS could crash the program, or would be dialled forever.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{"a:1", "[::1]:9092", "localhost:5399\r\n", `"a:1"`, "a:1;b:2", "localhost:99999", "a:", "[fe80::1%eth0]:1", "[a]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		if settings.CheckDialAddr(addr) != nil {
			return
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil || host == "" || strings.ContainsAny(addr, " \t\r\n\x00;,\"'/@") {
			t.Errorf("%q is accepted as an address", addr)
		}
		if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
			t.Errorf("%q has the port %q", addr, port)
		}
		if settings.CheckListenAddr("X", addr) != nil {
			t.Errorf("%q can be connected to, but not listened on", addr)
		}
	})
}
