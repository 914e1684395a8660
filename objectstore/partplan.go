// SPDX-License-Identifier: Apache-2.0

package objectstore

const (
	// maxParts, minPartSize and maxPart are limits of OSS ("Multipart upload", limits).
	maxParts    = 10_000
	minPartSize = 100 << 10
	maxPart     = 5 << 30
	// maxUploadMemory is how much of the 512 MiB that Velero's pod has by default the
	// parts of one upload may take.
	maxUploadMemory = 256 * mebibyte
	// minSpoolPart lets 10,000 parts hold a spooled part many times over.
	minSpoolPart = mebibyte
)

// partPlan says how large each part of an upload of unknown length is, so that
// 10,000 parts always suffice. Small objects are the rule, so parts begin small
// and grow. A part of the first two kinds is held in memory while it is sent, for
// it may have to be sent again. A spooled part is larger than memory: it is put
// into the bucket as an object of its own and copied from there.
type partPlan struct {
	// small is the size in bytes of the first smallParts parts.
	small      int64
	smallParts int
	// large is the size of the parts up to the number largeParts.
	large      int64
	largeParts int
	// spooled is the size of all further parts.
	spooled int64
}

// newPartPlan returns the plan for a location: with 16 MiB and a concurrency of
// four, 500 parts of 16 MiB and 300 of 64 MiB make 26 GiB, and the 9,200 parts of
// 5 GiB that may follow make 49 TB, the largest object that OSS takes.
func newPartPlan(l *location) partPlan {
	return partPlan{
		small:      l.partSize,
		smallParts: 500,
		large:      l.partSize * int64(l.uploadConcurrency),
		largeParts: 800,
		spooled:    maxPart,
	}
}

// spool returns the plan for a spooled part, none of which is spooled again.
func (p partPlan) spool() partPlan {
	size := max(p.small, minSpoolPart)
	return partPlan{small: size, smallParts: maxParts}
}

// size returns the size in bytes of the part with the given number, counted from
// 1, and whether it is to be spooled.
func (p partPlan) size(number int) (size int64, spooled bool) {
	switch {
	case number <= p.smallParts:
		return p.small, false
	case number <= p.largeParts:
		return p.large, false
	default:
		return p.spooled, true
	}
}
