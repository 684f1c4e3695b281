module example/go-franz

go 1.26.0

// The module has no host: it is used from a copy of this repository, at this place.
replace kafka-e2ee/envelope => ../../envelope

require (
	github.com/twmb/franz-go v1.22.2
	kafka-e2ee/envelope v0.0.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
	github.com/twmb/franz-go/pkg/kmsg v1.15.0 // indirect
)
