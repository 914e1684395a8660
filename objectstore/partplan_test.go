// SPDX-License-Identifier: Apache-2.0

package objectstore

import "testing"

func TestPartPlan(t *testing.T) {
	t.Parallel()
	// The largest object of OSS, 48.8 TB ("Limits", object size).
	const largestObject = 48_800_000_000_000
	tests := []struct {
		name        string
		partSize    int64
		concurrency int
		wantMemory  int64
	}{
		{"the default", 16 << 20, 4, 64 << 20},
		{"the smallest parts, one at a time", minPartSize, 1, minPartSize},
		{"the largest parts", maxUploadMemory, 1, maxUploadMemory},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := newPartPlan(&location{partSize: tt.partSize, uploadConcurrency: tt.concurrency})
			var total, memory, last int64
			for number := 1; number <= maxParts; number++ {
				size, spooled := plan.size(number)
				if size < last {
					t.Fatalf("part %d is smaller than the one before it: %d < %d", number, size, last)
				}
				if size > maxPart || size < minPartSize {
					t.Fatalf("part %d has %d bytes, which OSS refuses", number, size)
				}
				if !spooled {
					memory = max(memory, size)
				}
				total, last = total+size, size
			}
			if total < largestObject {
				t.Errorf("10,000 parts hold %d bytes, want at least %d", total, int64(largestObject))
			}
			if size, spooled := plan.spool().size(maxParts); spooled || size*maxParts < maxPart {
				t.Errorf("the parts of a spooled part have %d bytes and are spooled themselves: %v", size, spooled)
			}
			if memory != tt.wantMemory {
				t.Errorf("the largest part that is held in memory has %d bytes, want %d", memory, tt.wantMemory)
			}
		})
	}
}
