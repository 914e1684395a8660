// SPDX-License-Identifier: Apache-2.0

package heap_test

import (
	"runtime"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/heap"
)

const mib = 1 << 20

// The tests of this package are not parallel: what they set is of the process.

func TestASmallHeapGrowsByTheBytes(t *testing.T) {
	defer heap.Bound(20, 16*mib)()
	runtime.GC()
	if got := collections(128 * mib); got < 4 || got > 10 {
		t.Errorf("%d collections in 128 MiB of garbage, want one in about 16 MiB", got)
	}
}

func TestALargeHeapGrowsByThePercentage(t *testing.T) {
	defer heap.Bound(20, mib)()
	large := make([]byte, 200*mib)
	runtime.GC()
	if got := collections(128 * mib); got < 2 || got > 5 {
		t.Errorf("%d collections in 128 MiB of garbage beside 200 MiB, want one in about 40 MiB", got)
	}
	runtime.KeepAlive(large)
}

func TestReleaseSetsWhatWasBefore(t *testing.T) {
	defer heap.Bound(50, mib)()
	heap.Bound(20, 64*mib)()
	runtime.GC()
	if got := collections(128 * mib); got < 16 {
		t.Errorf("%d collections in 128 MiB of garbage, want many: the block is still alive", got)
	}
}

// collections returns how often the collector runs while so many bytes of garbage are made.
func collections(garbage int) uint32 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range garbage / 1024 {
		sink = make([]byte, 1024)
	}
	runtime.ReadMemStats(&after)
	return after.NumGC - before.NumGC
}

// sink keeps the compiler from leaving garbage on the stack.
var sink []byte
