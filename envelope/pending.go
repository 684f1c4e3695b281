package envelope

// LeanName returns the name of the header that a lean record needs. It is not ok if the
// record is not lean.
func LeanName(value []byte) (name HeaderName, ok bool) {
	if !isIntactLean(value) {
		return name, false
	}
	return nameIn(value[:leanSize]), true
}

// isIntactLean reports whether a lean record has all its parts.
func isIntactLean(value []byte) bool {
	return len(value) >= leanSize+ivSize+tagSize && value[0] == versionByte && isLean(value)
}

// HeadersLearned is a number that grows with each header that the opener learns, and with
// [Opener.CopyHeaders] beyond the other opener's. A reader that keeps records which need
// their headers tries them again when it has changed.
func (o *Opener) HeadersLearned() uint64 { return o.headers.learned.Load() }

// HeaderOf returns the header of a lean record as the opener knows it: what the record
// lacks, in binary. It is "" if the record is not lean, or its header is not known. All
// records with this header share its memory.
//
// A reader that keeps records until their key comes keeps it with them, for
// [Opener.OpenWith]: others may make the opener forget headers that it could not use.
func (o *Opener) HeaderOf(value []byte) string {
	if !isIntactLean(value) {
		return ""
	}
	header := o.headers.find(value[:leanSize])
	if header == nil {
		return ""
	}
	return header.prefix
}
