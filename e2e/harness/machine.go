package harness

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// locks holds what test processes on this machine must not use at once, whichever checkout they are of. The path is fixed
// at the start: a test may set TMPDIR.
var locks = filepath.Join(os.TempDir(), fmt.Sprintf("kafka-e2ee-tests-%d", os.Getuid()))

// Lock waits for a lock that one test process at a time can have. The system releases it if the process dies.
func Lock(t testing.TB, name string) (unlock func()) {
	t.Helper()
	f := openLock(t, name)
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("locking %s: %v", name, err)
	}
	return func() { f.Close() }
}

func tryLock(t testing.TB, name string) *os.File {
	t.Helper()
	f := openLock(t, name)
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil
	}
	return f
}

func openLock(t testing.TB, name string) *os.File {
	t.Helper()
	if err := os.MkdirAll(locks, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(locks, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// kafkaSlots limits the brokers in containers that run at once: more than five on two cores start too slowly.
const kafkaSlots = 5

// ReserveKafka waits for slots for so many brokers on this machine, and frees them when the test ends.
func ReserveKafka(t testing.TB, brokers int) {
	t.Helper()
	for {
		var slots []*os.File
		unlock := Lock(t, "kafka")
		for i := 0; i < kafkaSlots && len(slots) < brokers; i++ {
			if slot := tryLock(t, fmt.Sprint("kafka-", i)); slot != nil {
				slots = append(slots, slot)
			}
		}
		release := func() {
			for _, slot := range slots {
				slot.Close()
			}
		}
		if len(slots) < brokers {
			release() // a test that waits must hold nothing
		} else {
			t.Cleanup(release)
		}
		unlock()
		if len(slots) == brokers {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Each test process has a block of ports, below those that systems give to connections, and those that a lab chooses for
// itself.
const firstPort, portsPerBlock, portBlocks = 10_000, 600, 20

var (
	portBlock sync.Once
	ports     *os.File // the lock on the block, kept open
	blockPort int      // the block's first port
	portsUsed atomic.Int64
)

// FreePort returns a free port. Other calls, in this package or another, return it only after hundreds of others, because
// its listener may start a second later.
func FreePort(t testing.TB) int {
	t.Helper()
	portBlock.Do(func() {
		for i := 0; i < portBlocks && ports == nil; i++ {
			ports, blockPort = tryLock(t, fmt.Sprint("ports-", i)), firstPort+i*portsPerBlock
		}
	})
	if ports == nil {
		t.Fatal("more test processes run than there are blocks of ports")
	}
	for range portsPerBlock {
		port := blockPort + int(portsUsed.Add(1))%portsPerBlock
		if l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// FreeAddr returns an address with a [FreePort].
func FreeAddr(t testing.TB) string {
	t.Helper()
	return "127.0.0.1:" + strconv.Itoa(FreePort(t))
}

// LabPort returns a free port for [kafka-e2ee/lab.Config]: the ports up to its producer's metrics' are free, too.
func LabPort(t testing.TB) int {
	t.Helper()
	first := FreePort(t)
	for last := first; last < first+13; {
		next := FreePort(t)
		if next != last+1 {
			first = next
		}
		last = next
	}
	return first
}
