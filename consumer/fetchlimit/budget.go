package fetchlimit

import "sync"

// budget bounds the memory, as [recordsCost] counts it, of all records that were passed to sarama and that sarama has
// not delivered yet. If one partition's records are slow to decrypt, sarama keeps the rest of their response and
// already requests the next for the other partitions. Without a shared bound, a writer who fills many partitions could
// use up all memory.
//
// Nothing waits for the budget: waiting would delay heartbeats on the same connection. A response without memory has
// fewer batches, or none for a while.
type budget struct {
	mu          sync.Mutex
	total       int
	used        int
	byPartition map[int32]int
}

func newBudget(total int) *budget { return &budget{total: total, byPartition: make(map[int32]int)} }

func (b *budget) available() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.total-b.used, 0)
}

// add counts the bytes of a partition in a response.
func (b *budget) add(partition int32, bytes int) {
	if bytes <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
	b.byPartition[partition] += bytes
}

// release frees the bytes of partitions. sarama requests a partition again once it has delivered everything that the
// last response had of it.
func (b *budget) release(partitions ...int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range partitions {
		b.used -= b.byPartition[id]
		delete(b.byPartition, id)
	}
}

// reset frees everything.
func (b *budget) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = 0
	clear(b.byPartition)
}
