package fetchlimit

import (
	"encoding/binary"

	"kafka-e2ee/kafkaconf/wire"
)

// Layout of a request and a response: https://kafka.apache.org/protocol#protocol_messages.
const (
	fetchKey      = 1
	requestHeader = 4 + 2 + 2 + 4 // length, API key, version, correlation id
)

// The versions of Fetch that this package can parse.
const (
	minFetchVersion = 4
	maxFetchVersion = 12
	flexibleVersion = 12
)

func correlationID(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }

// requestedPartitions returns the partitions in a Fetch request: https://kafka.apache.org/protocol#The_Messages_Fetch.
func requestedPartitions(version int16, request []byte) []int32 {
	if version < minFetchVersion || version > maxFetchVersion || len(request) < requestHeader {
		return nil
	}
	c := wire.Reader{Left: request[requestHeader:]}
	c.Skip(c.StringSize()) // client id, never a compact string
	c.Flexible = version >= flexibleVersion
	c.Tags()
	c.Skip(4 + 4 + 4 + 4 + 1) // replica, max wait, min bytes, max bytes, isolation
	if version >= 7 {
		c.Skip(4 + 4) // session
	}
	var partitions []int32
	for range c.Count() {
		c.Skip(c.StringSize()) // topic
		for range c.Count() {
			if id := c.Int32(); c.Left != nil {
				partitions = append(partitions, id)
			}
			c.Skip(8 + 4) // offset, max bytes
			if version >= 5 {
				c.Skip(8) // log start offset
			}
			if version >= 9 {
				c.Skip(4) // leader epoch
			}
			if version >= 12 {
				c.Skip(4) // last fetched epoch
			}
			c.Tags()
		}
		c.Tags()
	}
	return partitions
}
